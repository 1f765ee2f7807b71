package formula_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A fault is planted by replacing a piece of source, which must be there once.
// Rows is what the conditions of the table have in common that have to catch
// it; without any it is what whole decisions come to that has to.
type fault struct{ name, file, old, planted, rows string }

var faults = []fault{
	{"|| drops the error rail", "value.go", "return Truth{e.And(yes...), e.Or(no...)}", `if planted("|| drops the error rail") { return Truth{e.And(yes...), e.Not(e.And(yes...))} }; return Truth{e.And(yes...), e.Or(no...)}`, "params.k > 1"},
	{"both branches of ?: are looked at", "value.go", "return e.Or(e.And(test.True, a), e.And(test.False, b))", `if planted("both branches of ?: are looked at") { return e.And(a, b) }; return e.Or(e.And(test.True, a), e.And(test.False, b))`, "params.m : params.k"},
	{"an absent attribute has a value", "formula.go", "tests[i] = e.has(p)", `if tests[i] = e.has(p); planted("an absent attribute has a value") { tests[i] = e.True() }`, "params.k > 1"},
	{"integers do not overflow", "number.go", "n.ok = e.And(n.ok, e.Between(e.Int(minInt), n.term, e.Int(maxInt)))\n\tn.lo", "if !planted(\"integers do not overflow\") { n.ok = e.And(n.ok, e.Between(e.Int(minInt), n.term, e.Int(maxInt))) }\n\tn.lo", "1000000 > 0"},
	{"division rounds down", "number.go", "return e.If(e.Equal(negativeX, negativeY), q, e.Sub(e.Int(0), q))", `if planted("division rounds down") { return e.Quotient(a.term, b.term) }; return e.If(e.Equal(negativeX, negativeY), q, e.Sub(e.Int(0), q))`, "params.n % 3"},
	{"division by zero has a value", "number.go", "e.Not(e.Equal(b.term, e.Int(0))))", `e.Or(e.Bool(planted("division by zero has a value")), e.Not(e.Equal(b.term, e.Int(0)))))`, "1 / params.m"},
	{"ranges are forgotten", "number.go", "return e.Between(e.Int(lo), v, e.Int(hi))", `if planted("ranges are forgotten") { return e.True() }; return e.Between(e.Int(lo), v, e.Int(hi))`, "params.d > duration"},
	{"enums are any text", "text.go", "e.fit(path, node, func(t pdl.Type) *smt.Term { return e.Any(v, e.numbersOf(t.Values)) })", `e.fit(path, node, func(t pdl.Type) *smt.Term { if planted("enums are any text") { return e.True() }; return e.Any(v, e.numbersOf(t.Values)) })`, "agent.role == "},
	{"texts have any length", "text.go", "bound := e.LessEqual(e.Len(v), e.Int(int64(t.MaxLen)))", `bound := e.Or(e.Bool(planted("texts have any length")), e.LessEqual(e.Len(v), e.Int(int64(t.MaxLen))))`, "size(params.s) > 8"},
	{"case is not changed", "text.go", "\tt.shift = to\n\treturn t\n", "\tif planted(\"case is not changed\") {\n\t\treturn t\n\t}\n\tt.shift = to\n\treturn t\n", "Ascii()"},
	{"lower case keeps upper case", "regex.go", "if g.shift != 0 {\n\t\tranges", "if g.shift != 0 && !planted(\"lower case keeps upper case\") {\n\t\tranges", "Ascii()"},
	{"patterns match all of a text", "regex.go", "free, end := true, true", `free, end := !planted("patterns match all of a text"), !planted("patterns match all of a text")`, "^a|b$"},
	{"anchors are left out", "regex.go", "free, parts = false, parts[1:]", `free, parts = planted("anchors are left out"), parts[1:]`, "^(a|b)$"},
	{"a dot is a new line, too", "regex.go", "return g.class([]rune{0, '\\n' - 1, '\\n' + 1, unicode.MaxRune})", `if planted("a dot is a new line, too") { return e.ReAny(), nil }; return g.class([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune})`, "^.$"},
	{"cases fold in ASCII alone", "regex.go", "f != r; f = unicode.SimpleFold(f) {", `f != r; f = unicode.SimpleFold(f) { if planted("cases fold in ASCII alone") && f > 127 { continue }`, "(?i)"},
	{"lists have one place", "list.go", "n := min(e.usage.bag(path, l.byName), maxPlaces, t.MaxLen) + e.slack", `n := min(e.usage.bag(path, l.byName), maxPlaces, t.MaxLen) + e.slack; if planted("lists have one place") { n = min(n, 1) }`, "exists(x, x > 5) && params.nums.exists(x, x < 3)"},
	{"named texts are others as well", "list.go", "e.common = append(e.common, e.Implies(on, e.Not(e.equalText(*x, s))))", `if !planted("named texts are others as well") { e.common = append(e.common, e.Implies(on, e.Not(e.equalText(*x, s)))) }; _ = x`, `!("a" in agent.groups)`},
	{"lengths are free", "list.go", "behind := e.Sub(l.length, e.Int(int64(l.ordered)))", `behind := e.Sub(l.length, e.Int(int64(l.ordered))); if planted("lengths are free") { return l }`, "size(agent.groups) == 0"},
	{"exists_one counts places", "quantifier.go", "e.If(e.And(p.on, t.True), p.count, e.Int(0))", `e.If(e.And(p.on, t.True), map[bool]*smt.Term{true: e.Int(1), false: p.count}[planted("exists_one counts places")], e.Int(0))`, "exists_one(g, g == \"a\") && agent.groups.all"},
	{"exists ends at an error", "quantifier.go", "e.Or(off, t.False))\n\t\tcase forAll:", "e.Or(off, t.False, e.And(e.Bool(planted(\"exists ends at an error\")), e.Not(t.True))))\n\t\tcase forAll:", "10 / x"},
	{"an index finds what is not there", "quantifier.go", "spot{e.And(here, p.on, e.Equal(at.term, e.Int(int64(i)))), p.value}", `spot{e.And(here, e.Or(p.on, e.Bool(planted("an index finds what is not there"))), e.Equal(at.term, e.Int(int64(i)))), p.value}`, "size(params.few) == 0"},
	{"records have all members", "quantifier.go", "spot{c.e.And(r.when, col.there), col.value}", `spot{c.e.And(r.when, c.e.Or(col.there, c.e.Bool(planted("records have all members")))), col.value}`, "f.mode == \"w\")"},
	{"an absent record has no members", "coder.go", "return e.truth(e.there(c.s, around), here)", `if planted("an absent record has no members") { return e.truth(e.True(), e.And(e.there(c.s, around), here)) }; return e.truth(e.there(c.s, around), here)`, "has(params.rec.b)"},
	{"weeks begin on Monday", "clock.go", "e.Int(4)), 7), 7", `e.Int(map[bool]int64{true: 3, false: 4}[planted("weeks begin on Monday")])), 7), 7`, "getDayOfWeek"},
	{"every fourth year is a leap year", "clock.go", "e.Div(yoe, 4)), e.Div(yoe, 100)))", `e.Div(yoe, 4)), e.Div(yoe, map[bool]int64{true: 1000, false: 100}[planted("every fourth year is a leap year")])))`, "2101-06-15"},
	{"zones are left out", "clock.go", "return e.Add(seconds, c.offset(x, seconds, at, loc))", `if planted("zones are left out") { return seconds }; return e.Add(seconds, c.offset(x, seconds, at, loc))`, "getHours("},
	{"calendars forget their exceptions", "hours.go", "return e.truth(ok, e.Not(e.Equal(value, e.inIntervals(seconds, clock.corrections))))", `if planted("calendars forget their exceptions") { return e.truth(ok, value) }; return e.truth(ok, e.Not(e.Equal(value, e.inIntervals(seconds, clock.corrections))))`, "T12:30:00Z"},
	{"an hour holds more than a day", "fact.go", "e.common = append(e.common, e.LessEqual(v, w))", `if !planted("an hour holds more than a day") { e.common = append(e.common, e.LessEqual(v, w)) }`, "facts.c1h > facts.c24h"},
	{"sums come from nothing", "fact.go", "e.common = append(e.common, e.Implies(e.Equal(n, e.Int(0)), e.Equal(v, e.Int(0))))", `if !planted("sums come from nothing") { e.common = append(e.common, e.Implies(e.Equal(n, e.Int(0)), e.Equal(v, e.Int(0)))) }`, "facts.sum24h"},
	{"windows are open", "fact.go", "e.common = append(e.common, e.Implies(e.has(\"facts.\"+f.Name), inside))", `if !planted("windows are open") { e.common = append(e.common, e.Implies(e.has("facts."+f.Name), inside)) }`, "facts.last"},

	{"every truth has a value", "value.go", "return t.False == e.Not(t.True)", `return t.False == e.Not(t.True) || planted("every truth has a value")`, "params.k > 1"},
	{"IPv4 inside IPv6 is an address", "network.go", "return err == nil && a.Zone() == \"\" && !a.Is4In6()", `return err == nil && a.Zone() == "" && (!a.Is4In6() || planted("IPv4 inside IPv6 is an address"))`, "::ffff:10.1.2.3"},
	{"small ranges hold large ones", "network.go", "o.Bits() <= p.Bits() && o.Overlaps(p)", `(o.Bits() <= p.Bits() || planted("small ranges hold large ones")) && o.Overlaps(p)`, "containsCIDR"},
	{"compared texts are no family", "scan.go", "u.theory[b] = u.theory[a] || u.theory[b]", `u.theory[b] = (u.theory[a] || u.theory[b]) && !planted("compared texts are no family")`, "resource.name == params.s"},
	{"loops are alike whatever they test", "key.go", "writeKey(b, q.test, scope)", `if !planted("loops are alike whatever they test") { writeKey(b, q.test, scope) }`, "exists(x, x > 5) && params.nums.exists(x, x < 3)"},
	{"literals of loops are alike", "key.go", "fmt.Fprintf(b, \"%s:%q\", e.AsLiteral().Type(), fmt.Sprint(e.AsLiteral().Value()))", `if !planted("literals of loops are alike") { fmt.Fprintf(b, "%s:%q", e.AsLiteral().Type(), fmt.Sprint(e.AsLiteral().Value())) }`, "params.nums.exists(x, x == 5)"},
	{"absent attributes are shown", "input.go", "return d.isTrue(\"has \" + path)", `return d.isTrue("has "+path) || planted("absent attributes are shown")`, "has(params.rec.b)"},
	{"lists are shown shorter", "input.go", "for range min(count, length-int64(len(out))) {", `if planted("lists are shown shorter") && length > 1 { length-- }; for range min(count, length-int64(len(out))) {`, "size(agent.groups) == 6"},

	{"errors are no denials", "rule.go", "open := e.And(fits, e.Not(d.Errs), ", `open := e.And(fits, e.Or(e.Not(d.Errs), e.Bool(planted("errors are no denials"))), `, ""},
	{"denials are overruled", "rule.go", "e.Not(d.Denied), e.Not(d.Conflict))\n\tasked", "e.Or(e.Not(d.Denied), e.Bool(planted(\"denials are overruled\"))), e.Not(d.Conflict))\n\tasked", ""},
	{"nobody needs to be asked", "rule.go", "d.Allow = e.And(open, e.Not(asked), e.Or(allow...))", `d.Allow = e.And(open, e.Or(e.Not(asked), e.Bool(planted("nobody needs to be asked"))), e.Or(allow...))`, ""},
	{"quorums are forgotten", "rule.go", "max(r.Approvals, quorums[r.Approval])}", `max(r.Approvals, map[bool]int{false: quorums[r.Approval]}[planted("quorums are forgotten")])}`, ""},
	{"sets never conflict", "rule.go", "if k.Meet == pdl.SetIntersect {\n\t\t\tany", "if k.Meet == pdl.SetIntersect && !planted(\"sets never conflict\") {\n\t\t\tany", ""},
	{"all rows of a table hold", "rule.go", "matches = e.And(matches, e.Not(e.Atoms(side, first)))", `if !planted("all rows of a table hold") { matches = e.And(matches, e.Not(e.Atoms(side, first))) }`, ""},
	{"what is optional is always there", "side.go", "m.tests = append(slices.Clone(around), m.path)", `m.tests = append(slices.Clone(around), m.path); if planted("what is optional is always there") { m.tests = around }`, "params.k > 1"},
	{"families hold what is singled out", "formula.go", "!slices.ContainsFunc(e.taken, func(name string) bool { return pdl.Covers(name, action) })", `(planted("families hold what is singled out") || !slices.ContainsFunc(e.taken, func(name string) bool { return pdl.Covers(name, action) }))`, ""},
	{"the first bundle's types are both's", "formula.go", "d = e.Implies(here, d)", `d = e.Implies(here, d); if planted("the first bundle's types are both's") && i == 1 { continue }`, ""},
	{"ranges are not joined", "join.go", "e.look(path, join(m.typ, n.typ))", `if !planted("ranges are not joined") { e.look(path, join(m.typ, n.typ)) }`, ""},
	{"what one bundle demands is optional", "join.go", "if m.optional != n.optional {", `if m.optional != n.optional && !planted("what one bundle demands is optional") {`, ""},
	{"least bounds are greatest", "view.go", "return o.(int64) <= n", `return o.(int64) <= n != planted("least bounds are greatest")`, ""},
	{"greatest bounds are least", "view.go", "if k.Meet == pdl.IntMax {", `if k.Meet == pdl.IntMax && !planted("greatest bounds are least") {`, ""},
	{"risks are not compared", "view.go", "if r.Risk >= level {", `if r.Risk >= level && !planted("risks are not compared") {`, ""},
}

var (
	everyFault = flag.Bool("every-fault", false, "plant all faults, not every third")
	oneFault   = flag.String("fault", "", "of these plant those whose names match this pattern")
)

// TestPlantedFaultsAreCaught builds the package with faults in it and expects
// the table of conditions to fail for each.
func TestPlantedFaultsAreCaught(t *testing.T) {
	installed(t)
	binary, sound, named := plant(t), map[string]bool{}, regexp.MustCompile(*oneFault)
	for i, f := range faults {
		if !*everyFault && (i%3 != 0 || testing.Short() && i%9 != 0) || !named.MatchString(f.name) {
			continue
		}
		if !sound[f.rows] {
			if out, err := runPlanted(binary, "", f.rows); err != nil {
				t.Errorf("without a fault the conditions with %s fail: %v\n%s", f.rows, err, out)
			}
			sound[f.rows] = true
		}
		if out, err := runPlanted(binary, f.name, f.rows); err == nil {
			t.Errorf("nothing catches: %s\n%s", f.name, out)
		} else if !strings.Contains(out, "--- FAIL: ") {
			t.Errorf("%s: %v\n%s", f.name, err, out)
		}
	}
}

func plant(t *testing.T) (binary string) {
	t.Helper()
	dir := t.TempDir()
	sources := map[string]string{
		"planted.go": "package formula\n\nimport \"os\"\n\nfunc planted(name string) bool { return os.Getenv(\"PLANTED_FAULT\") == name }\n",
	}
	for _, f := range faults {
		if sources[f.file] == "" {
			text, err := os.ReadFile(f.file)
			if err != nil {
				t.Fatal(err)
			}
			sources[f.file] = string(text)
		}
		if n := strings.Count(sources[f.file], f.old); n != 1 {
			t.Fatalf("%s: %s has %d times %q, want 1: keep the fault in step with the source", f.name, f.file, n, f.old)
		}
		sources[f.file] = strings.Replace(sources[f.file], f.old, f.planted, 1)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for name, source := range sources {
		replace[filepath.Join(here, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "formula.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with faults: %v\n%s", err, out)
	}
	return binary
}

// TestEveryFileOfTheEncoderHasFaults holds this list to the encoder: what is in
// a file without faults nobody knows to be tested.
func TestEveryFileOfTheEncoderHasFaults(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	// A pin that is wrong shows in every point; slices are hashed whole.
	without := []string{"admit.go", "pin.go", "slice.go"}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || slices.Contains(without, file) {
			continue
		}
		if !slices.ContainsFunc(faults, func(f fault) bool { return f.file == file }) {
			t.Errorf("no fault is planted in %s", file)
		}
	}
}

// runPlanted has the table of conditions run with a fault, on the rows that
// contain a text, and on one solver alone; without a text, the decisions.
func runPlanted(binary, name, rows string) (string, error) {
	test := "^TestConditionsCanBe$"
	if rows == "" {
		test = "^TestDecisionsAreLikeTheEvaluators$"
	}
	run := exec.Command(binary, "-test.failfast", "-test.run", test)
	run.Env = append(os.Environ(), "PLANTED_FAULT="+name, "CONDITIONS_WITH="+rows)
	out, err := run.CombinedOutput()
	return string(out), err
}
