package kernel_test

import (
	"go/ast"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/strixlabs/execution-kernel"

// A room is a package, as its folder below the module root.
type room struct {
	path  string
	floor int
	only  []string // when not nil: the rooms it may import, and no other
	std   bool     // imports nothing outside the standard library and this module
}

// rooms is the architecture: a room may import only rooms on lower floors.
// Adding a package means adding it here; the first four floors are pure.
var rooms = []room{
	{path: "internal/suggest", floor: 0, std: true},
	{path: "internal/zone", floor: 0, std: true},
	{path: "internal/calendar", floor: 0, std: true},
	{path: "internal/canonical", floor: 0, std: true},
	{path: "internal/tape", floor: 0, std: true},
	{path: "internal/smt", floor: 0, only: []string{}, std: true},
	{path: "contract", floor: 0, only: []string{}, std: true}, // plain files, which the HTTP door hands out

	{path: ".", floor: 1},

	{path: "internal/pdl", floor: 2},
	{path: "internal/merkle", floor: 2},
	{path: "internal/registry", floor: 2},
	{path: "internal/webhook", floor: 2, only: []string{"."}, std: true},
	{path: "internal/link", floor: 2, only: []string{"."}, std: true},
	{path: "internal/grant", floor: 2, only: []string{".", "internal/canonical"}, std: true},

	{path: "internal/eval", floor: 3},
	{path: "internal/approval", floor: 3, only: []string{".", "internal/pdl", "internal/registry"}},
	{path: "internal/history", floor: 3, only: []string{".", "internal/pdl"}},

	{path: "internal/formula", floor: 3, only: []string{".", "internal/pdl", "internal/smt", "internal/calendar", "internal/zone"}},

	{path: "internal/store", floor: 4, std: true},
	{path: "internal/usage", floor: 4, only: []string{".", "internal/pdl"}},
	{path: "internal/solver", floor: 4, only: []string{".", "internal/smt"}, std: true},
	{path: "internal/prove", floor: 5, only: []string{".", "internal/pdl", "internal/eval", "internal/smt", "internal/formula", "internal/solver"}},

	{path: "internal/ledger", floor: 5},
	{path: "internal/token", floor: 5},
	{path: "internal/proof", floor: 5, only: []string{".", "internal/pdl"}},

	{path: "internal/gate", floor: 6},

	{path: "internal/api", floor: 7},
	{path: "internal/notify", floor: 7, only: []string{".", "internal/gate", "internal/webhook"}},
	{path: "internal/lsp", floor: 7, only: []string{"internal/pdl"}},
	{path: "internal/store/sqlite", floor: 7},
	{path: "internal/store/postgres", floor: 7},
	{path: "internal/store/pgtest", floor: 7, only: []string{}},
	{path: "internal/store/storetest", floor: 7},
	{path: "internal/scripttest", floor: 7, only: []string{}},
	{path: "internal/simulation", floor: 8},
	{path: "client", floor: 7, only: []string{".", "internal/grant", "internal/webhook"}, std: true},

	{path: "internal/app/starter", floor: 7, only: []string{}, std: true},

	{path: "internal/app", floor: 8},

	{path: "cmd/kernel", floor: 9},
	{path: "cmd/solo", floor: 9, only: []string{".", "client", "internal/suggest"}},
}

const lastPureFloor = 3

// worldly rooms may read the clock and the environment: they are where both
// enter, as values.
var worldly = []string{"internal/app", "cmd/kernel", "cmd/solo", "internal/store/pgtest", "internal/simulation"}

// impure packages bring the outside world in, each with what is below it.
var impure = []string{
	"context", "crypto/rand", "database/sql", "io/fs", "log", "math/rand", "net", "os",
	"path/filepath", "plugin", "runtime", "sync", "syscall", "testing", "unsafe",
	"golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term",
}

// clocks are the names of package time that look at the world.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "LoadLocation", "Local"}

// instants are those of the clocks that tell the time. Waiting is for every
// impure room; telling the time is not.
var instants = []string{"Now", "Since", "Until"}

var environment = []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}

// nondescript names say nothing about what a package holds.
var nondescript = []string{"util", "utils", "common", "helper", "helpers", "types", "models", "manager", "service"}

func TestEveryPackageHasAFloor(t *testing.T) {
	found := map[string]bool{}
	for _, pkg := range load(t) {
		here, ok := roomOf(pkg.PkgPath)
		if found[here.path] = true; !ok {
			t.Errorf("%s is in no room: give it a floor in the table of arch_test.go", pkg.PkgPath)
		}
		if slices.Contains(nondescript, pkg.Name) || slices.Contains(nondescript, filepath.Base(pkg.PkgPath)) {
			t.Errorf("%s: the name %q says nothing; name the package after what it holds", pkg.PkgPath, pkg.Name)
		}
	}
	for _, r := range rooms {
		if !found[r.path] {
			t.Errorf("there is no package %s: remove it from the table of arch_test.go", r.path)
		}
	}
}

func TestRoomsImportLowerFloorsOnly(t *testing.T) {
	for _, pkg := range load(t) {
		here, _ := roomOf(pkg.PkgPath)
		for path := range pkg.Imports {
			there, inside := roomOf(path)
			switch {
			case !inside && here.std && !isStd(path):
				t.Errorf("%s needs nothing but the standard library, and may not import %s", here.path, path)
			case !inside && here.floor <= lastPureFloor && isImpure(path):
				t.Errorf("%s is pure and may not import %s", here.path, path)
			case inside && there.floor >= here.floor:
				t.Errorf("%s (floor %d) may not import %s (floor %d)", here.path, here.floor, there.path, there.floor)
			case inside && here.only != nil && !slices.Contains(here.only, there.path):
				t.Errorf("%s may import only %q, not %s", here.path, here.only, there.path)
			}
		}
	}
}

// TestPureRoomsAreDeterministic catches what imports cannot: goroutines, and
// walking a map in Go's random order.
func TestPureRoomsAreDeterministic(t *testing.T) {
	inspect(t, func(pkg *packages.Package, here room, n ast.Node) string {
		if here.floor > lastPureFloor {
			return ""
		}
		switch n := n.(type) {
		case *ast.RangeStmt:
			if _, isMap := pkg.TypesInfo.TypeOf(n.X).Underlying().(*types.Map); isMap {
				return "range over a map in a pure room; range over kernel.SortedKeys"
			}
		case *ast.GoStmt:
			return "a goroutine in a pure room"
		case *ast.SelectStmt:
			return "a select in a pure room"
		}
		return ""
	})
}

func TestClockAndEnvironmentAreArguments(t *testing.T) {
	inspect(t, func(pkg *packages.Package, here room, n ast.Node) string {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || slices.Contains(worldly, here.path) {
			return ""
		}
		name, from := sel.Sel.Name, packageOf(pkg, sel)
		switch {
		case from == "time" && slices.Contains(instants, name),
			from == "time" && here.floor <= lastPureFloor && slices.Contains(clocks, name):
			return "time." + name + ": the time is an argument; only the wiring reads the clock"
		case from == "os" && slices.Contains(environment, name):
			return "os." + name + ": settings are arguments; only the wiring reads the environment"
		}
		return ""
	})
}

// TestNothingHappensBeforeMain keeps state where it can be seen.
func TestNothingHappensBeforeMain(t *testing.T) {
	inspect(t, func(pkg *packages.Package, _ room, n ast.Node) string {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				return "an init function; do it in a constructor"
			}
		case *ast.AssignStmt:
			for _, target := range n.Lhs {
				if name := packageVariable(pkg, target); name != "" {
					return "the package variable " + name + " changes; make it a field"
				}
			}
		case *ast.IncDecStmt:
			if name := packageVariable(pkg, n.X); name != "" {
				return "the package variable " + name + " changes; make it a field"
			}
		}
		return ""
	})
}

// TestImpureCoversWhatIsBelow guards the guard: a table that forgot log/slog
// or net/http would let them in.
func TestImpureCoversWhatIsBelow(t *testing.T) {
	for path, want := range map[string]bool{
		"log/slog": true, "net/http": true, "os/exec": true, "sync/atomic": true, "context": true, "math/rand/v2": true, "net/netip": false,
		"math": false, "strings": false, "time": false, "crypto/sha256": false, "embed": false, "networking": false,
	} {
		if got := isImpure(path); got != want {
			t.Errorf("isImpure(%q) = %v, want %v", path, got, want)
		}
	}
}

// inspect walks the code of every room, without its tests, and reports what
// find says about a node.
func inspect(t *testing.T, find func(*packages.Package, room, ast.Node) string) {
	t.Helper()
	for _, pkg := range load(t) {
		here, _ := roomOf(pkg.PkgPath)
		for _, file := range pkg.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				if n == nil {
					return false
				}
				if what := find(pkg, here, n); what != "" {
					t.Errorf("%s: %s", pkg.Fset.Position(n.Pos()), what)
				}
				return true
			})
		}
	}
}

// packageOf returns the import path when sel is a name of a package.
func packageOf(pkg *packages.Package, sel *ast.SelectorExpr) string {
	if ident, ok := sel.X.(*ast.Ident); ok {
		if name, ok := pkg.TypesInfo.Uses[ident].(*types.PkgName); ok {
			return name.Imported().Path()
		}
	}
	return ""
}

// packageVariable returns the name of the variable of this package that an
// assignment to target changes, or "".
func packageVariable(pkg *packages.Package, target ast.Expr) string {
	for {
		switch e := target.(type) {
		case *ast.SelectorExpr:
			target = e.X
		case *ast.IndexExpr:
			target = e.X
		case *ast.StarExpr:
			target = e.X
		case *ast.ParenExpr:
			target = e.X
		case *ast.Ident:
			if v, ok := pkg.TypesInfo.Uses[e].(*types.Var); ok && v.Parent() == pkg.Types.Scope() {
				return v.Name()
			}
			return ""
		default:
			return ""
		}
	}
}

func roomOf(importPath string) (room, bool) {
	path := strings.TrimPrefix(importPath, module+"/")
	if importPath == module {
		path = "."
	}
	i := slices.IndexFunc(rooms, func(r room) bool { return r.path == path && (path == "." || path != importPath) })
	if i < 0 {
		return room{path: path}, false
	}
	return rooms[i], true
}

func isStd(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func isImpure(importPath string) bool {
	return slices.ContainsFunc(impure, func(p string) bool {
		return importPath == p || strings.HasPrefix(importPath, p+"/") && importPath != "net/netip" // which computes with addresses
	})
}

// load returns every package of the module, without tests, with its types.
func load(t *testing.T) []*packages.Package {
	t.Helper()
	// The go command reads the sources for us, unseen by the test cache. To
	// walk the tree here is to tell the cache what this test depends on.
	walkTree(t, func(string, fs.DirEntry) {})
	pkgs, err := loadPackages()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range pkgs {
		for _, e := range pkg.Errors {
			t.Fatalf("%s does not load: %v", pkg.PkgPath, e)
		}
	}
	return pkgs
}

var loadPackages = sync.OnceValues(func() ([]*packages.Package, error) {
	return packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedImports | packages.NeedTypes |
		packages.NeedSyntax | packages.NeedTypesInfo}, "./...")
})

// walkTree calls visit for every file and folder below the module root that
// is ours: not for hidden folders, build output, or what is no part of it.
func walkTree(t *testing.T, visit func(path string, d fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || path == "bin") {
			return filepath.SkipDir
		}
		visit(path, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
