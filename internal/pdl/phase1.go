package pdl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// phase1Constraints are the obligations of the Phase 1 contract, as its answers
// list them. Another name in a matrix is a slip, and an obligation lost by a
// slip would weaken the policy.
var phase1Constraints = []string{"no_self_approval", "log_all_actions", "isolation_required"}

// maxTypeText is how much text the enum of all environments may take.
const maxTypeText = 1 << 16

var phase1CellMembers = []string{"risk_level", "approvals_required", "constraints"}

// A phase1Matrix is what a Phase 1 policies.json says.
type phase1Matrix struct {
	types        []string // sorted
	environments []string // of all types together, sorted
	cells        []phase1Cell
}

// A phase1Cell is what shipping one type to one environment takes.
type phase1Cell struct {
	typ, environment string
	path             string // in the JSON document
	risk             kernel.Risk
	approvals        int
	constraints      []string // in the order of phase1Constraints
}

// ConvertPhase1 turns a Phase 1 matrix, the JSON object
//
//	{type: {environment: {risk_level, approvals_required, constraints}}}
//
// into a bundle: a schema with `agents: any`, a decision table and a test for
// each cell, in one YAML text that is the same for the same matrix. Cells that
// the matrix does not have are DENY. risk_level is low to critical in any
// case, constraints an object of booleans, a list of names, or absent.
//
// Errors are *[kernel.Error] and name the JSON path: what is not strict JSON,
// unknown members, wrong types, more approvals than a rule can ask for, names
// that no bundle can declare.
func ConvertPhase1(matrix []byte) ([]byte, error) {
	tree, err := kernel.DecodeJSON(matrix)
	if err != nil {
		return nil, err
	}
	m, err := readPhase1(tree)
	if err != nil {
		return nil, err
	}
	out := m.bundle()
	if formatted, found := Format(File{Data: out}); len(found) == 0 {
		out = formatted
	}
	if len(out) > MaxFile {
		return nil, kernel.Errorf(kernel.Invalid, "the matrix makes a bundle of %d bytes, more than the %d of a file", len(out), MaxFile).
			At("$").WithHint("split it by type")
	}
	return out, nil
}

func readPhase1(tree any) (phase1Matrix, error) {
	var m phase1Matrix
	top, ok := tree.(map[string]any)
	if !ok || len(top) == 0 {
		return m, kernel.Errorf(kernel.Invalid, "a matrix is an object with a member for each artifact type").At("$")
	}
	for _, typ := range kernel.SortedKeys(top) {
		at := kernel.JoinPath("$", typ)
		if !isWord(typ) || typ == "any" {
			return m, phase1Name(typ, "a resource type").At(at)
		}
		row, ok := top[typ].(map[string]any)
		if !ok {
			return m, kernel.Errorf(kernel.Invalid, "an artifact type is an object with a member for each environment").At(at)
		}
		m.types = append(m.types, typ)
		for _, env := range kernel.SortedKeys(row) {
			cell, err := readPhase1Cell(typ, env, kernel.JoinPath(at, env), row[env])
			if err != nil {
				return m, err
			}
			m.cells = append(m.cells, cell)
			m.environments = append(m.environments, env)
		}
	}
	slices.Sort(m.environments)
	m.environments = slices.Compact(m.environments)
	return m, m.check()
}

// check refuses what no cell shows alone.
func (m phase1Matrix) check() error {
	declared := Type{Kind: Enum, Values: m.environments}.String()
	switch {
	case len(m.environments) == 0:
		return kernel.Errorf(kernel.Invalid, "the matrix names no environment").At("$")
	case len(m.environments) > maxValues || len(declared) > maxTypeText:
		return kernel.Errorf(kernel.Invalid, "the matrix names %d environments, more than one enum can hold", len(m.environments)).At("$")
	}
	rows := map[string]string{}
	for _, c := range m.cells {
		if other := rows[c.row()]; other != "" {
			return kernel.Errorf(kernel.Invalid, "the row would be named %q, as that of %s is", c.row(), other).
				At(c.path).WithHint("a row is named type-environment; rename one of the two")
		}
		rows[c.row()] = c.path
	}
	return nil
}

func readPhase1Cell(typ, env, at string, value any) (phase1Cell, error) {
	c := phase1Cell{typ: typ, environment: env, path: at}
	if !isWord(env) {
		return c, phase1Name(env, "an environment").At(at)
	}
	members, ok := value.(map[string]any)
	if !ok {
		return c, kernel.Errorf(kernel.Invalid, "a cell is an object with %s", strings.Join(phase1CellMembers, ", ")).At(at)
	}
	for _, name := range kernel.SortedKeys(members) {
		if !slices.Contains(phase1CellMembers, name) {
			return c, phase1Unknown("member", name, phase1CellMembers).At(kernel.JoinPath(at, name))
		}
	}
	// Absent is not 0: nobody allows something by leaving a line out.
	for _, name := range phase1CellMembers[:2] {
		if _, present := members[name]; !present {
			return c, kernel.Errorf(kernel.Invalid, "%s is required", name).At(kernel.JoinPath(at, name))
		}
	}
	return c, c.read(members)
}

func (c *phase1Cell) read(members map[string]any) error {
	at := kernel.JoinPath(c.path, "risk_level")
	word, ok := members["risk_level"].(string)
	if !ok {
		return kernel.Errorf(kernel.Invalid, "risk_level is a string").At(at)
	}
	if err := c.risk.UnmarshalText([]byte(strings.ToLower(word))); err != nil {
		return phase1Unknown("risk level", word, kernel.RiskNames()).At(at)
	}
	n, ok := members["approvals_required"].(int64)
	if !ok || n < 0 || n > maxApprovals {
		return kernel.Errorf(kernel.Invalid, "approvals_required is an integer from 0 to %d", maxApprovals).
			At(kernel.JoinPath(c.path, "approvals_required"))
	}
	c.approvals = int(n)
	constraints, present := members["constraints"]
	if !present {
		return nil
	}
	return c.readConstraints(constraints)
}

// readConstraints reads {name: boolean} or [name].
func (c *phase1Cell) readConstraints(value any) error {
	at := kernel.JoinPath(c.path, "constraints")
	wanted := map[string]bool{}
	switch value := value.(type) {
	case map[string]any:
		for _, name := range kernel.SortedKeys(value) {
			on, ok := value[name].(bool)
			if !ok {
				return kernel.Errorf(kernel.Invalid, "a constraint is true or false").At(kernel.JoinPath(at, name))
			}
			if !slices.Contains(phase1Constraints, name) {
				return phase1Unknown("constraint", name, phase1Constraints).At(kernel.JoinPath(at, name))
			}
			wanted[name] = on
		}
	case []any:
		for i, item := range value {
			here := at + "[" + strconv.Itoa(i) + "]"
			name, ok := item.(string)
			switch {
			case !ok:
				return kernel.Errorf(kernel.Invalid, "a constraint in a list is a name").At(here)
			case !slices.Contains(phase1Constraints, name):
				return phase1Unknown("constraint", name, phase1Constraints).At(here)
			case wanted[name]:
				return kernel.Errorf(kernel.Invalid, "the constraint %q is listed twice", name).At(here)
			}
			wanted[name] = true
		}
	default:
		return kernel.Errorf(kernel.Invalid, "constraints is an object of booleans or a list of names").At(at)
	}
	for _, name := range phase1Constraints {
		if wanted[name] {
			c.constraints = append(c.constraints, name)
		}
	}
	return nil
}

func phase1Name(name, what string) *kernel.Error {
	return kernel.Errorf(kernel.Invalid, "%q is no name for %s", clip(name), what).
		WithHint("names are letters, digits and _ - . / : @ +, with single spaces inside")
}

func phase1Unknown(what, name string, known []string) *kernel.Error {
	e := kernel.Errorf(kernel.Invalid, "unknown %s %q", what, clip(name))
	if guess := suggest.DidYouMean(name, known); guess != "" {
		return e.WithHint("%s", guess)
	}
	return e.WithHint("it is one of %s", strings.Join(known, ", "))
}
