package pdl

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
)

// variables are the named conditions of one policy.
type variables struct {
	list      []*variable
	sources   map[string]string
	uncertain bool // some condition could not be read, so that nobody knows what it uses
}

type variable struct {
	name    string
	key     *node
	passage *passage // nil when it was refused
	used    bool
}

// find returns a variable by name, or nil.
func (vars *variables) find(name string) *variable {
	i, ok := slices.BinarySearchFunc(vars.list, name, func(v *variable, name string) int { return strings.Compare(v.name, name) })
	if !ok {
		return nil
	}
	return vars.list[i]
}

// variables reads and parses the variables of a policy and refuses cycles.
func (c *compiler) variables(n *node) *variables {
	vars := &variables{sources: map[string]string{}}
	for _, p := range c.pairs(n, "variables") {
		name, ok := c.name(p.key, "a variable", memberNameLower)
		switch {
		case !ok:
			continue
		case slices.Contains(celReserved, name):
			c.errorf(p.key.span(), "choose another name", "%q is a word of CEL and cannot be a variable", name)
			continue
		}
		v := &variable{name: name, key: p.key}
		if text := c.passage(p.value, "a variable"); text != nil && c.parse(text) {
			v.passage = text
			vars.sources[name] = text.source
		}
		vars.list = append(vars.list, v)
	}
	slices.SortFunc(vars.list, func(a, b *variable) int { return strings.Compare(a.name, b.name) })
	c.acyclic(vars)
	return vars
}

// acyclic refuses variables that need themselves; those are not put in anywhere.
func (c *compiler) acyclic(vars *variables) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(v *variable, trail []string) bool
	visit = func(v *variable, trail []string) bool {
		trail = append(trail, v.name)
		switch state[v.name] {
		case visiting:
			trail = trail[slices.Index(trail, v.name):]
			c.errorf(v.key.span(), "", "the variables need each other: %s", strings.Join(trail, " → "))
			return false
		case done:
			return true
		}
		state[v.name] = visiting
		good := true
		if v.passage != nil {
			for _, name := range uses(v.passage.parsed.Expr()) {
				if w := vars.find(name); w != nil && good {
					good = visit(w, trail)
				}
			}
		}
		state[v.name] = done
		if !good {
			v.passage = nil
		}
		return good
	}
	for _, v := range vars.list {
		visit(v, nil)
	}
}

// uses lists the variables that an expression names, sorted.
func uses(e ast.Expr) []string {
	var names []string
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind {
			return
		}
		if s := e.AsSelect(); s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == "variables" {
			names = append(names, s.FieldName())
		}
	}))
	slices.Sort(names)
	return slices.Compact(names)
}

// use marks the variables that an expression needs, and those they need.
func (vars *variables) use(e ast.Expr) {
	for _, name := range uses(e) {
		if v := vars.find(name); v != nil && !v.used {
			v.used = true
			if v.passage != nil {
				vars.use(v.passage.parsed.Expr())
			}
		}
	}
}

// unused warns of variables that no rule needs. They are checked all the same,
// against the pair of the schema they fit best: their mistakes are not for the
// day somebody uses them.
func (c *compiler) unused(vars *variables) {
	for _, v := range vars.list {
		if v.used || v.passage == nil {
			continue
		}
		if !vars.uncertain {
			c.warnf(v.key.span(), "use it as variables."+v.name+", or remove it", "the variable %s is not used", v.name)
		}
		c.checkAlone(v, vars)
	}
}

// checkAlone reports what is wrong with a variable in the pair of action and
// resource type where the least is.
func (c *compiler) checkAlone(v *variable, vars *variables) {
	const maxTrials = 64
	var best *compiler
	trials := 0
	for _, a := range c.schema.Actions {
		for _, r := range a.Resources {
			if trials++; trials > maxTrials {
				break
			}
			trial := *c
			trial.found, trial.seen, trial.failed = nil, map[Diagnostic]bool{}, false
			trial.check(v.passage, trial.typingOf([]string{a.Name}, []string{a.Name}, []string{r}), vars, false)
			if best == nil || len(trial.found) < len(best.found) {
				best = &trial
			}
			if len(best.found) == 0 {
				return
			}
		}
	}
	if best == nil {
		return
	}
	for _, d := range best.found {
		c.keep(d)
	}
}
