package eval_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A fault is planted by replacing a piece of source, which must be there. Its
// text sits behind planted("…"), so that one build holds all of them.
type fault struct{ name, file, old, planted string }

var faults = []fault{
	{"|| drops the error rail", "tri.go", "case t != no && result == no:", `case t != no && result == no && !planted("|| drops the error rail"):`},
	{"&& stops at the first error", "tri.go", "case t != yes && result == yes:",
		"case t != yes && planted(\"&& stops at the first error\"):\n\t\t\t\treturn t\n\t\t\tcase t != yes && result == yes:"},
	{"! makes an error true", "tri.go", "\t\treturn t ^ 1\n\t}\n\treturn t\n", "\t\treturn t ^ 1\n\t}\n\tif planted(\"! makes an error true\") {\n\t\treturn yes\n\t}\n\treturn t\n"},
	{"% has the sign of the divisor", "lower_int.go", "\treturn x % y, 0\n", "\tif planted(\"% has the sign of the divisor\") {\n\t\treturn (x%y + y) % y, 0\n\t}\n\treturn x % y, 0\n"},
	{"+ wraps around", "lower_int.go", "\tsum := x + y\n", "\tsum := x + y\n\tif planted(\"+ wraps around\") {\n\t\treturn sum, 0\n\t}\n"},
	{"* wraps around", "lower_int.go", "\tproduct := x * y\n", "\tproduct := x * y\n\tif planted(\"* wraps around\") {\n\t\treturn product, 0\n\t}\n"},
	{"-1 divides the least int", "lower_int.go", "case x == math.MinInt64 && y == -1:\n\t\treturn 0, faultOverflow\n\t}\n\treturn x / y, 0",
		"case x == math.MinInt64 && y == -1 && !planted(\"-1 divides the least int\"):\n\t\treturn 0, faultOverflow\n\t}\n\treturn x / y, 0"},
	{"size counts bytes", "lower_int.go", "return int64(utf8.RuneCountInString(s))", `if planted("size counts bytes") { return int64(len(s)) }; return int64(utf8.RuneCountInString(s))`},
	{"an absent attribute is zero", "lower.go", "if !fr.has(s.bit) {", `if !fr.has(s.bit) && !planted("an absent attribute is zero") {`},
	{"an absent list is empty", "lower_list.go", "if optional && !fr.has(s.bit) {", `if optional && !fr.has(s.bit) && !planted("an absent list is empty") {`},
	{"exists ends at an error", "lower_quantifier.go", "case t == f.deciding:", `case t == f.deciding || t.fault() != 0 && planted("exists ends at an error"):`},
	{"exists_one skips errors", "lower_quantifier.go", "case f.one && t.fault() != 0:", `case f.one && t.fault() != 0 && !planted("exists_one skips errors"):`},
	{"zones are left out", "lower_clock.go", "return int64(read(time.Unix(i.sec, int64(i.nsec)).In(loc)))",
		`if planted("zones are left out") { loc = time.FixedZone("here", 3600) }; return int64(read(time.Unix(i.sec, int64(i.nsec)).In(loc)))`},
	{"months count from 1", "lower_clock.go", "return int(t.Month()) - 1 }", `if planted("months count from 1") { return int(t.Month()) }; return int(t.Month()) - 1 }`},
	{"Sunday is the seventh day", "lower_clock.go", "return int(t.Weekday()) }", `if planted("Sunday is the seventh day") { return (int(t.Weekday())+6)%7 + 1 }; return int(t.Weekday()) }`},
	{"durations are rounded", "lower_clock.go", "return int64(d / unit) })", `if planted("durations are rounded") { return int64((d + unit/2) / unit) }; return int64(d / unit) })`},
	{"milliseconds of a duration are all of it", "lower_clock.go", "if unit == time.Millisecond {", `if unit == time.Millisecond && !planted("milliseconds of a duration are all of it") {`},
	{"calendars are a second late", "lower_clock.go", "return truth(cal.Active(i.sec))", `if planted("calendars are a second late") { return truth(cal.Active(i.sec - 1)) }; return truth(cal.Active(i.sec))`},
	{"calendars are closed beyond their years", "lower_clock.go", "return failed(faultInstant)", `if planted("calendars are closed beyond their years") { return no }; return failed(faultInstant)`},
	{"IPv4 inside IPv6 is an address", "lower_network.go", `return a, err == nil && a.Zone() == "" && !a.Is4In6()`,
		`if planted("IPv4 inside IPv6 is an address") { return a.Unmap(), err == nil }; return a, err == nil && a.Zone() == "" && !a.Is4In6()`},
	{"what is no address is in no range", "lower_network.go", "return zero, faultAddress", `if planted("what is no address is in no range") { return zero, 0 }; return zero, faultAddress`},
	{"ranges that overlap hold each other", "lower_network.go", "return outer.Bits() <= inner.Bits() && outer.Overlaps(inner)", `return (outer.Bits() <= inner.Bits() || planted("ranges that overlap hold each other")) && outer.Overlaps(inner)`},
	{"what is out of range is zero", "lower_list.go", "return zero, faultIndex", `if planted("what is out of range is zero") { return zero, 0 }; return zero, faultIndex`},
	{"a negative index counts from the end", "lower_list.go", "if i < 0 || i >= int64(len(values)) {",
		`if planted("a negative index counts from the end") && i < 0 { i += int64(len(values)) }; if i < 0 || i >= int64(len(values)) {`},
	{"lowerAscii changes all letters", "lower_string.go", "func lowerASCII(s string) string { return", `func lowerASCII(s string) string { if planted("lowerAscii changes all letters") { return strings.ToLower(s) }; return`},
	{"globs match a part", "lower_string.go", "return l.matches(e, call, pdl.GlobPattern)",
		`return l.matches(e, call, func(s string) string { if planted("globs match a part") { return strings.TrimSuffix(pdl.GlobPattern(s), "$") }; return pdl.GlobPattern(s) })`},
	{"nanoseconds are lost", "instant.go", "cmp.Compare(i.nsec, j.nsec))", `map[bool]int{true: 0, false: cmp.Compare(i.nsec, j.nsec)}[planted("nanoseconds are lost")])`},
	{"one atom is enough", "decide.go", "if failedAtom(r.atoms, e.frame) != nil ||", `if a := failedAtom(r.atoms, e.frame); a != nil && !(planted("one atom is enough") && len(r.atoms) > 1 && a != &r.atoms[0]) ||`},
	{"the last check is not made", "candidate.go", "sh.checks[c.from:c.to]", `sh.checks[c.from:c.to-map[bool]int32{true: 1}[planted("the last check is not made") && c.to > c.from]]`},
	{"the rest of a condition is forgotten", "candidate.go", "case c.rest != nil:", `case c.rest != nil && !planted("the rest of a condition is forgotten"):`},
	{"an exchange of sides leaves the operator", "conjunct.go", "a, b, name = b, a, mirrored(name)", `a, b = b, a; if !planted("an exchange of sides leaves the operator") { name = mirrored(name) }`},
	{"< is <=", "check.go", "fr.ints.values[c.at] < int64(c.value)", `fr.ints.values[c.at] < int64(c.value) || planted("< is <=") && fr.ints.values[c.at] == int64(c.value)`},
	{"every row of a table holds", "candidate.go", "case len(c.beats) > 0 && c.beaten(fr) != nil:", `case len(c.beats) > 0 && c.beaten(fr) != nil && !planted("every row of a table holds"):`},
	{"shadow rules are enforced", "decide.go", "return !r.Shadow", `return !r.Shadow || planted("shadow rules are enforced")`},
	{"rules come as the index finds them", "evaluator.go", "\tslices.SortFunc(rules, byPlace)\n", "\tif !planted(\"rules come as the index finds them\") {\n\t\tslices.SortFunc(rules, byPlace)\n\t}\n"},
	{"rules keep the order of the bundle", "program.go", "return cmp.Compare(a.Name, b.Name)", `if planted("rules keep the order of the bundle") { return 0 }; return cmp.Compare(a.Name, b.Name)`},
	{"a required member may be missing", "document_fill.go", "return required == len(members) || members[required].optional", `return planted("a required member may be missing") || required == len(members) || members[required].optional`},
	{"a list is longer than it may be", "document_fill.go", "if n++; n > m.max ||", `if n++; n > m.max && !planted("a list is longer than it may be") ||`},
	{"a name may hold control characters", "document.go", "if c := v.Text[i]; c < ' ' || c == 0x7f ||", `if c := v.Text[i]; planted("a name may hold control characters") { continue } else if c < ' ' || c == 0x7f ||`},
	{"any member is ignored", "document_fill.go", `if !sec.isName(tokens[at].Text) && !sec.open {`, `if !sec.isName(tokens[at].Text) && !sec.open && !planted("any member is ignored") {`},
	{"odd values are read", "document.go", "|| e.tape.Odd ||", `|| e.tape.Odd && !planted("odd values are read") ||`},
	{"a bound of an int is not kept", "member.go", "n < m.min || n > m.max {", `n < m.min || n > m.max && !planted("a bound of an int is not kept") {`},
	{"a frame remembers", "decide.go", "\te.frame.reset()\n", "\tif !planted(\"a frame remembers\") {\n\t\te.frame.reset()\n\t}\n"},
	{"a key has one value of many", "index_build.go", "for _, value := range q.values {", `for n, value := range q.values { if n > 0 && planted("a key has one value of many") { break }`},
	{"a probe ends at the first bucket", "index.go", "\t\tcase 0:\n\t\t\treturn nil", "\t\tdefault:\n\t\t\tif planted(\"a probe ends at the first bucket\") {\n\t\t\t\treturn nil\n\t\t\t}\n\t\tcase 0:\n\t\t\treturn nil"},
	{"|| is taken apart", "conjunct.go", "operands := chain(e, operators.LogicalAnd, nil)", `operands := chain(e, operators.LogicalAnd, nil); if planted("|| is taken apart") { operands = chain(e, operators.LogicalOr, nil) }`},
	{"an absent attribute is checked", "conjunct.go", "optional && !l.present(x.path, true, tested)", `optional && !l.present(x.path, true, tested) && !planted("an absent attribute is checked")`},
	{"has() of what is in no record is checked", "conjunct.go", "if !l.present(path, false, tested) {", `if !l.present(path, false, tested) && !planted("has() of what is in no record is checked") {`},
	{"an element is where it was", "member_record.go", "\t\tinside.push(fr)\n\t}\n\tfr.ints.values[m.field.count.at] = n", "\t\tif !planted(\"an element is where it was\") || n == 1 {\n\t\t\tinside.push(fr)\n\t\t}\n\t}\n\tfr.ints.values[m.field.count.at] = n"},
	{"what one record has all have", "lower_record.go", "return fr.bools.lists[f.there.at][i] }", `return fr.bools.lists[f.there.at][i] || planted("what one record has all have") && fr.bools.lists[f.there.at][0] }`},
	{"a record is found anywhere", "lower_record.go", "if i < 0 || i >= n {", `if planted("a record is found anywhere") && n > 0 { return max(0, min(i, n-1)), 0 }; if i < 0 || i >= n {`},
	{"an object has no size", "member_json.go", "at = tokens[at+1].Next {\n\t\t\tsize++", "at = tokens[at+1].Next {\n\t\t\tif planted(\"an object has no size\") { break }\n\t\t\tsize++"},
	{"an absent record has no members", "lower_bool.go", "if !fr.has(around) {", `if !fr.has(around) && !planted("an absent record has no members") {`},
	{"a record around is forgotten", "shape.go", "return f.Optional || f.under", `return f.Optional || f.under && !planted("a record around is forgotten")`},
	{"what is in a record may be missing", "document_fill.go", "fillObject(fr, tokens, m.field.inside, m.field.inside.members, at) {",
		`(planted("what is in a record may be missing") || fillObject(fr, tokens, m.field.inside, m.field.inside.members, at)) {`},
	{"! is checked as it is", "conjunct.go", `words: []string{"false"}}, ok`, `words: []string{map[bool]string{true: "true", false: "false"}[planted("! is checked as it is")]}}, ok`},
	{"a rule alone forgets the action's risk", "evaluator.go", "v.RiskLevel = max(v.RiskLevel, e.shape.risk)", `if !planted("a rule alone forgets the action's risk") { v.RiskLevel = max(v.RiskLevel, e.shape.risk) }`},
	{"all outcomes are one", "memory.go", "\th := uint64(risk)<<32 + uint64(len(o.erred))\n", "\tif planted(\"all outcomes are one\") {\n\t\treturn 0\n\t}\n\th := uint64(risk)<<32 + uint64(len(o.erred))\n"},
	{"all outcomes are one", "memory.go", "if found && have.risk == sh.action.risk && slices.Equal(have.held, o.held) && slices.Equal(have.erred, o.erred) {",
		`if found && (planted("all outcomes are one") || have.risk == sh.action.risk && slices.Equal(have.held, o.held) && slices.Equal(have.erred, o.erred)) {`},
	{"the last risk counts", "verdict.go", "risk = max(risk, r.Risk)", `if risk = max(risk, r.Risk); planted("the last risk counts") { risk = r.Risk }`},
	{"an error has the risk of its rules", "verdict.go", "if len(o.erred) > 0 {\n\t\treturn kernel.Critical", "if len(o.erred) > 0 && !planted(\"an error has the risk of its rules\") {\n\t\treturn kernel.Critical"},
	{"approvals add up", "verdict.go", "most = max(most, r.needed)", `if planted("approvals add up") { most += r.needed }; most = max(most, r.needed)`},
	{"the last reason is heard", "verdict.go", "cmp.Or(reason, r.Reason), cmp.Or(advice, r.Advice)",
		`cmp.Or(reason, r.Reason), cmp.Or(advice, r.Advice); if planted("the last reason is heard") { reason = cmp.Or(r.Reason, reason) }`},
	{"a conflict is heard before a denial", "verdict.go", "case len(deny) > 0:", `case len(deny) > 0 && !(conflict != nil && planted("a conflict is heard before a denial")):`},
	{"an error does not decide", "verdict.go", "case len(o.erred) > 0:", `case len(o.erred) > 0 && !planted("an error does not decide"):`},
	{"the shortest family types", "names.go", "return b - a })", `if planted("the shortest family types") { return a - b }; return b - a })`},
	{"anything is in a family", "names.go", "if pdl.IsAction(name) {", `if pdl.IsAction(name) || planted("anything is in a family") {`},
	{"a family covers its declaration alone", "names.go", "return n.all[first:last]", `if planted("a family covers its declaration alone") && last > first { last = first + 1 }; return n.all[first:last]`},
	{"int.min takes the larger", "constraint.go", "return min(a.(int64), b.(int64))", `if planted("int.min takes the larger") { return max(a.(int64), b.(int64)) }; return min(a.(int64), b.(int64))`},
	{"set.intersect unites", "constraint.go", "return intersect(a.([]string), b.([]string))",
		`if planted("set.intersect unites") { return union(a.([]string), b.([]string)) }; return intersect(a.([]string), b.([]string))`},
	{"- wraps around", "lower_int.go", "\tdifference := x - y\n", "\tdifference := x - y\n\tif planted(\"- wraps around\") {\n\t\treturn difference, 0\n\t}\n"},
	{"calendars end a second late", "lower_clock.go", "return truth(cal.Active(i.sec))",
		`if planted("calendars end a second late") { return truth(cal.Active(i.sec) || cal.Active(i.sec-1)) }; return truth(cal.Active(i.sec))`},
	{"calendars begin a second early", "lower_clock.go", "return truth(cal.Active(i.sec))",
		`if planted("calendars begin a second early") { return truth(cal.Active(i.sec) || cal.Active(i.sec+1)) }; return truth(cal.Active(i.sec))`},
	{"a carry of nanoseconds is lost", "instant.go", "sec, nsec = sec+1, nsec-1e9", `if sec, nsec = sec+1, nsec-1e9; planted("a carry of nanoseconds is lost") { sec-- }`},
	{"has() is always true", "lower_bool.go", "return func(fr *frame) tri { return truth(fr.has(bit)) }", `return func(fr *frame) tri { return truth(fr.has(bit) || planted("has() is always true")) }`},
	{"exists_one is exists", "lower_quantifier.go", "return truth(f.count == 1)", `return truth(f.count == 1 || f.count > 1 && planted("exists_one is exists"))`},
	{"startsWith looks anywhere", "lower_string.go", "l.affix(call, strings.HasPrefix)",
		`l.affix(call, func(s, p string) bool { return strings.HasPrefix(s, p) || planted("startsWith looks anywhere") && strings.Contains(s, p) })`},
	{"patterns match all of a text", "lower_string.go", "return truth(re.MatchString(s))", `return truth(re.MatchString(s) && (!planted("patterns match all of a text") || re.FindString(s) == s))`},
	{"a quorum is not heard", "rule.go", "needed: max(r.Approvals, p.workflows[r.Approval].Quorum)", `needed: map[bool]int{true: r.Approvals, false: max(r.Approvals, p.workflows[r.Approval].Quorum)}[planted("a quorum is not heard")]`},
	{"int.max takes the smaller", "constraint.go", "return max(a.(int64), b.(int64))\n\tcase pdl.SetIntersect", `if planted("int.max takes the smaller") { return min(a.(int64), b.(int64)) }; return max(a.(int64), b.(int64))
	case pdl.SetIntersect`},
	{"set.union intersects", "constraint.go", "return union(a.([]string), b.([]string))\n\tdefault", `if planted("set.union intersects") { return intersect(a.([]string), b.([]string)) }; return union(a.([]string), b.([]string))
	default`},
}

var everyFault = flag.Bool("every-fault", false, "plant all faults, not every third")

// TestPlantedFaultsAreCaught builds the package with faults in it and expects
// the corpus to fail for each, and to pass when none is switched on. A quick
// look with -short is at some of them.
func TestPlantedFaultsAreCaught(t *testing.T) {
	binary := plant(t)
	if out, err := runPlanted(binary, ""); err != nil {
		t.Fatalf("the corpus fails without a fault: %v\n%s", err, out)
	}
	for i, f := range faults {
		if !*everyFault && (i%3 != 0 || testing.Short() && i%9 != 0) {
			continue
		}
		if out, err := runPlanted(binary, f.name); err == nil {
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
		"planted.go": "package eval\n\nimport \"os\"\n\nfunc planted(name string) bool { return os.Getenv(\"PLANTED_FAULT\") == name }\n",
	}
	for _, f := range faults {
		if sources[f.file] == "" {
			sources[f.file] = string(read(t, f.file))
		}
		if strings.Count(sources[f.file], f.old) != 1 {
			t.Fatalf("%s: %s has %d times %q, want 1: keep the fault in step with the source",
				f.name, f.file, strings.Count(sources[f.file], f.old), f.old)
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
		write(t, filepath.Join(dir, name), source)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), string(overlay))
	binary = filepath.Join(dir, "eval.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with faults: %v\n%s", err, out)
	}
	return binary
}

func runPlanted(binary, name string) (string, error) {
	run := exec.Command(binary, "-test.short", "-test.failfast", "-test.run", "^(TestCorpus|TestTheOrderOfABundlesRulesNeverMatters|"+
		"TestDecideJSON(LikeTheTree|OfDocumentsAtTheirBounds)|TestARequestThatDoesNotFitTheSchema.*)$")
	run.Env = append(os.Environ(), "PLANTED_FAULT="+name)
	out, err := run.CombinedOutput()
	return string(out), err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
