package smt_test

import (
	"testing"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

func TestModelsAreReadAsTheyAreWritten(t *testing.T) {
	b := smt.NewBuilder()
	vars := []*smt.Term{b.Variable(smt.Bool, "b"), b.Variable(smt.Int, "i"), b.Variable(smt.String, "s")}
	m, err := smt.ParseModel("((v0 true)\n (v1 (- 9223372036854775809)) (v2 \"a\"\"\\u{e9}\\u00e9\\x41\\u{\"))\n", vars)
	if err != nil {
		t.Fatal(err)
	}
	if !m[vars[0]].Bool || m[vars[1]].Int.String() != "-9223372036854775809" || m[vars[2]].Text != `a"ééA\u{` {
		t.Errorf("the model is %+v", m)
	}
}

func TestAnswersThatAreNoneAreErrors(t *testing.T) {
	b := smt.NewBuilder()
	vars := []*smt.Term{b.Variable(smt.Int, "i")}
	for _, answer := range []string{
		"", "()", "((v0 1)", "((v0 1)))", "((v1 1))", "((v0 1) (v0 2))", "((v0 x))", `((v0 "1"))`, "((v0 (- 1 2)))", "(v0 1)", `((v0 "`, "((v0 1)) sat", "((v0 |1))",
	} {
		if m, err := smt.ParseModel(answer, vars); err == nil {
			t.Errorf("ParseModel(%q) = %v, want an error", answer, m)
		}
	}
}

// FuzzParseModel: whatever a solver says, reading it ends without a panic.
func FuzzParseModel(f *testing.F) {
	f.Add("((v0 true) (v1 (- 5)) (v2 \"a\\u{1f}\"))")
	f.Add("((v0 ((((((")
	f.Fuzz(func(t *testing.T, answer string) {
		b := smt.NewBuilder()
		vars := []*smt.Term{b.Variable(smt.Bool, "b"), b.Variable(smt.Int, "i"), b.Variable(smt.String, "s")}
		m, err := smt.ParseModel(answer, vars)
		if err == nil && (len(m) != 3 || m[vars[1]].Int == nil) {
			t.Errorf("ParseModel(%q) = %v without an error", answer, m)
		}
		var s smt.Scanner
		s.Complete(answer)
	})
}

func TestTermsFold(t *testing.T) {
	b := smt.NewBuilder()
	x, y := b.Variable(smt.Bool, "x"), b.Variable(smt.Int, "y")
	for name, same := range map[string]bool{
		"a term and its negation":    b.And(x, b.Not(x)).IsFalse(),
		"negation first":             b.Or(b.Not(x), b.Equal(y, b.Int(1)), x).IsTrue(),
		"nested":                     b.And(x, b.And(x, b.True())) == x,
		"an empty conjunction":       b.And().IsTrue(),
		"an empty disjunction":       b.Or().IsFalse(),
		"unequal constants":          b.Equal(b.Int(1), b.Int(2)).IsFalse(),
		"equal constants":            b.Equal(b.Text("a"), b.Text("a")).IsTrue(),
		"a choice of constants":      b.Equal(b.If(x, b.Int(1), b.Int(2)), b.Int(1)) == x,
		"a choice between booleans":  b.If(x, b.True(), b.False()) == x,
		"a choice of the same":       b.If(x, y, y) == y,
		"numbers":                    b.Add(b.Int(1), b.Int(2), b.Int(-3)) == b.Int(0),
		"division toward minus inf.": b.Div(b.Int(-7), 2) == b.Int(-4),
		"what is left over":          b.Mod(b.Int(-7), 2) == b.Int(1),
		"texts":                      b.Contains(b.Text("abc"), b.Text("b")).IsTrue(),
		"the empty prefix":           b.Prefix(b.Variable(smt.String, "s"), b.Text("")).IsTrue(),
		"less than itself":           b.Less(y, y).IsFalse(),
	} {
		if !same {
			t.Errorf("%s: it does not fold", name)
		}
	}
}
