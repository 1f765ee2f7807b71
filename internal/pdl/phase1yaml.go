package pdl

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

const phase1Table = "release-matrix"

// bundle writes the matrix as a bundle of three documents.
func (m phase1Matrix) bundle() []byte {
	var b strings.Builder
	b.WriteString("# Made from a Phase 1 matrix by `kernel convert phase1`.\n")
	m.writeSchema(&b)
	b.WriteString("---\n")
	m.writeTable(&b)
	b.WriteString("---\n")
	m.writeTests(&b)
	return []byte(b.String())
}

func (m phase1Matrix) writeSchema(b *strings.Builder) {
	b.WriteString("pdl: v1\nkind: schema\nname: shipping\nagents: any\nresources:\n")
	environment := yamlText(Type{Kind: Enum, Values: m.environments}.String())
	types := make([]string, len(m.types))
	for i, t := range m.types {
		types[i] = yamlText(t)
		fmt.Fprintf(b, "  %s:\n    environment: %s\n", types[i], environment)
	}
	fmt.Fprintf(b, "actions:\n  ship:\n    resource: [%s]\n    params: {\"actions?\": \"list(string, ..256)\"}\n", strings.Join(types, ", "))
	b.WriteString("constraints:\n")
	for _, name := range phase1Constraints {
		fmt.Fprintf(b, "  %s: flag\n", name)
	}
}

func (m phase1Matrix) writeTable(b *strings.Builder) {
	fmt.Fprintf(b, "pdl: v1\nkind: table\nname: %s\nmatch: {action: ship}\n", phase1Table)
	b.WriteString("inputs: [resource.type, resource.environment]\noutputs: [effect, risk, approvals, constraints, reason]\nrows:\n")
	for _, c := range m.cells {
		fmt.Fprintf(b, "  - [%s, %s, %s, %s, %d, %s, %s]\n", yamlText(c.typ), yamlText(c.environment),
			c.effect(), c.risk, c.approvals, c.flags(), yamlText(c.reason()))
	}
	if !m.complete() {
		b.WriteString("  - [\"*\", \"*\", DENY, critical, 0, {}, \"No policy matched this artifact type and environment.\"]\n")
	}
}

// complete reports whether there is a row for every cell, so that a row for
// the rest would never hold.
func (m phase1Matrix) complete() bool { return len(m.cells) == len(m.types)*len(m.environments) }

func (m phase1Matrix) writeTests(b *strings.Builder) {
	fmt.Fprintf(b, "pdl: v1\nkind: test\nname: %s\n", phase1Table)
	fmt.Fprintf(b, "base:\n  action: ship\n  agent: {id: agent-001}\n  resource: {type: %s, id: artifact-001, environment: %s}\ncases:\n",
		yamlText(m.types[0]), yamlText(m.environments[0]))
	for _, c := range m.cells {
		fmt.Fprintf(b, "  - name: %s\n", yamlText(c.row()))
		fmt.Fprintf(b, "    set: {resource.type: %s, resource.environment: %s}\n", yamlText(c.typ), yamlText(c.environment))
		fmt.Fprintf(b, "    expect: {decision: %s, risk_level: %s, approvals_required: %d, constraints: %s, rules: [%s]}\n",
			c.effect(), c.risk, c.approvals, c.flags(), yamlText(phase1Table+"/"+c.row()))
	}
	if typ, env, ok := m.missing(); ok {
		fmt.Fprintf(b, "  - name: a cell that the matrix does not have\n    set: {resource.type: %s, resource.environment: %s}\n", yamlText(typ), yamlText(env))
		fmt.Fprintf(b, "    expect: {decision: DENY, risk_level: critical, approvals_required: 0, constraints: {}, rules: [\"%s/*-*\"]}\n", phase1Table)
	}
}

// missing returns the first cell without a row.
func (m phase1Matrix) missing() (typ, environment string, ok bool) {
	next := 0
	for _, t := range m.types {
		for _, e := range m.environments {
			if next == len(m.cells) || m.cells[next].typ != t || m.cells[next].environment != e {
				return t, e, true
			}
			next++
		}
	}
	return "", "", false
}

// row is how the table names the cell's row.
func (c phase1Cell) row() string { return c.typ + "-" + c.environment }

func (c phase1Cell) effect() kernel.Effect {
	if c.approvals == 0 {
		return kernel.Allow
	}
	return kernel.RequireApproval
}

func (c phase1Cell) reason() string {
	takes := fmt.Sprintf("%d approvals", c.approvals)
	switch c.approvals {
	case 0:
		takes = "no approval"
	case 1:
		takes = "1 approval"
	}
	return fmt.Sprintf("Shipping %s to %s takes %s.", c.typ, c.environment, takes)
}

func (c phase1Cell) flags() string {
	flags := make([]string, len(c.constraints))
	for i, name := range c.constraints {
		flags[i] = name + ": true"
	}
	return "{" + strings.Join(flags, ", ") + "}"
}

// plainText are scalars that need no quotes in YAML, in flow collections too;
// otherText are those of them that some reader takes for something else.
var (
	plainText = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_./-]| [A-Za-z0-9])*$`)
	otherText = regexp.MustCompile(`^(?i:null|true|false|yes|no|on|off|y|n)$`)
)

// yamlText writes text as a YAML scalar. What is written here are names and
// sentences made of them, in which nothing needs an escape.
func yamlText(s string) string {
	if plainText.MatchString(s) && !otherText.MatchString(s) {
		return s
	}
	return `"` + s + `"`
}
