package prove

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// meaning is a condition as written, and what the bundle says of the names in
// it: two bundles mean the same by conditions of which that is equal. Space is
// part of it, since it counts in texts and ends comments.
func meaning(b *pdl.Bundle, when *pdl.Condition) string {
	read, literals := namesIn(when)
	text := when.Source
	for _, d := range b.Data {
		if read[d.Path] {
			text += fmt.Sprintf("; %s = %s", d.Path, jsonOf(d.Value))
		}
	}
	for i := range b.Schema.Facts {
		if f := &b.Schema.Facts[i]; read["facts."+f.Name] {
			text += "; " + factText(f)
		}
	}
	for i := range b.Calendars {
		if c := &b.Calendars[i]; read["calendar."+c.Name] {
			text += fmt.Sprintf("; calendar.%s in %s = %s", c.Name, c.Zone, kernel.Digest([]byte(jsonOf(c.Intervals))))
		}
	}
	if slices.ContainsFunc(b.Zones, func(z pdl.Zone) bool { return literals[z.Name] }) {
		text += "; zones of " + b.TZData
	}
	return text
}

func factText(f *pdl.Fact) string {
	within := f.Within.Length.String()
	if f.Within.Zone != nil {
		within = "a day of " + f.Within.Zone.String()
	}
	return fmt.Sprintf("facts.%s = measure %d of %q of %s by %s within %s, reported %t, attempted %t",
		f.Name, f.Measure, f.Of, f.Event, jsonOf(f.By), within, f.Reported, f.Attempted)
}

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil { // constants and lists of names can always be written
		return fmt.Sprintf("%#v", v)
	}
	return string(data)
}

// namesIn lists the paths of names that a condition reads, and its texts.
func namesIn(when *pdl.Condition) (read, literals map[string]bool) {
	read, literals = map[string]bool{}, map[string]bool{}
	ast.PreOrderVisit(when.AST.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.LiteralKind {
			if s, isText := e.AsLiteral().Value().(string); isText {
				literals[s] = true
			}
		}
		if path := nameOf(e); path != "" {
			read[path] = true
		}
	}))
	return read, literals
}

// nameOf returns data.limits.small of such an expression, also inside has(),
// else "".
func nameOf(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return strings.TrimPrefix(e.AsIdent(), ".")
	case ast.SelectKind:
		if of := nameOf(e.AsSelect().Operand()); of != "" {
			return of + "." + e.AsSelect().FieldName()
		}
	}
	return ""
}
