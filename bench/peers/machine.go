package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine says where the numbers come from, and the versions of the peers.
func machine() string {
	return fmt.Sprintf("%s, %d processors, Linux %s, %s, commit %s. %s.",
		cpuModel(), runtime.NumCPU(), command("uname", "-r"), runtime.Version(), command("git", "describe", "--always", "--dirty"),
		strings.Join(versions(), ", "))
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func command(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// versions are those of the engines in this program. Cerbos is in another.
func versions() []string {
	list := []string{"Cerbos " + command("go", "list", "-C", "cerbos", "-m", "-f", "{{.Version}}", "github.com/cerbos/cerbos")}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return list
	}
	for _, m := range build.Deps {
		switch m.Path {
		case "github.com/open-policy-agent/opa", "github.com/cedar-policy/cedar-go", "cel.dev/cel-go", "github.com/casbin/casbin/v3":
			list = append(list, m.Path+" "+m.Version)
		}
	}
	return list
}
