package app

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// Versions says what this program is made of.
type Versions struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	SQLite  string `json:"sqlite"`
	PDL     string `json:"pdl"`
}

// Versions of a program whose linker was told version, or "" when it was not:
// then the module's own says it, or "devel".
func VersionsOf(version string) Versions {
	v := Versions{Version: version, Go: runtime.Version(), PDL: "v1"}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		v.Commit = commitOf(info)
	}
	v.SQLite, _ = sqlite.LibraryVersion() // an unfit one is refused when a log is opened, and by doctor
	v.Version = cmp.Or(v.Version, "devel")
	v.Commit = cmp.Or(v.Commit, "unknown")
	return v
}

func commitOf(info *debug.BuildInfo) (commit string) {
	changed := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+changes"
			}
		}
	}
	if commit == "" {
		return ""
	}
	return commit + changed
}
