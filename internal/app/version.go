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

// Version is what the linker was told, else what the build says, else "devel".
func Version(linked string) string {
	if info, ok := debug.ReadBuildInfo(); ok && linked == "" && info.Main.Version != "(devel)" {
		linked = info.Main.Version
	}
	return cmp.Or(linked, "devel")
}

// VersionsOf collects the versions of a program whose linker was told linked.
func VersionsOf(linked string) Versions {
	v := Versions{Version: Version(linked), Commit: "unknown", Go: runtime.Version(), PDL: "v1"}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Commit = cmp.Or(commitOf(info), v.Commit)
	}
	v.SQLite, _ = sqlite.LibraryVersion() // an unfit one is refused when a log is opened, and by doctor
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
