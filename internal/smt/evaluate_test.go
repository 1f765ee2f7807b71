package smt_test

import (
	"math/big"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

// TestTermsHaveValues computes terms over variables, so that nothing folds.
func TestTermsHaveValues(t *testing.T) {
	b := smt.NewBuilder()
	x, y, s, p, free := b.Variable(smt.Int, "x"), b.Variable(smt.Int, "y"), b.Variable(smt.String, "s"), b.Variable(smt.Bool, "p"), b.Variable(smt.Bool, "free")
	at := map[*smt.Term]smt.Value{x: {Int: big.NewInt(-7)}, y: {Int: big.NewInt(2)}, s: {Text: "häab"}, p: {Bool: true}}
	re := func(list ...*smt.Term) *smt.Term { return b.Matches(s, b.ReConcat(list...)) }
	for name, c := range map[string]struct {
		term        *smt.Term
		want, known bool
	}{
		"div rounds down":          {b.Equal(b.Quotient(x, y), b.Int(-4)), true, true},
		"mod is never negative":    {b.Equal(b.Mod(x, 2), b.Int(1)), true, true},
		"a division by nought":     {b.Equal(b.Quotient(x, b.Sub(y, b.Int(2))), y), false, false},
		"sums and products":        {b.Equal(b.Add(b.Mul(x, y), y, b.Int(13)), b.Sub(y, b.Int(1))), true, true},
		"less":                     {b.Less(x, y), true, true},
		"a choice":                 {b.Equal(b.If(p, x, y), x), true, true},
		"a choice nobody knows":    {b.Equal(b.If(free, x, y), x), false, false},
		"a choice between equals":  {b.Less(b.If(free, x, b.Sub(y, b.Int(9))), y), true, true},
		"or with one that decides": {b.Or(free, p), true, true},
		"or without":               {b.Or(free, b.Not(p)), false, false},
		"and with one that does":   {b.And(free, b.Not(p)), false, true},
		"characters, not bytes":    {b.Equal(b.Len(s), b.Int(4)), true, true},
		"joined":                   {b.Equal(b.Len(b.Concat(s, s)), b.Int(8)), true, true},
		"begins":                   {b.Prefix(s, b.Text("hä")), true, true},
		"ends":                     {b.Suffix(s, b.Text("aa")), false, true},
		"contains":                 {b.Contains(s, b.Text("äa")), true, true},
		"order of texts":           {b.TextLess(s, b.Text("hz")), false, true},
		"a word":                   {re(b.ReText("häab")), true, true},
		"a range and any":          {re(b.ReRange('g', 'i'), b.ReAny(), b.ReText("ab")), true, true},
		"outside of a range":       {re(b.ReRange('i', 'z'), b.ReAll()), false, true},
		"all":                      {re(b.ReAll(), b.ReText("b")), true, true},
		"nothing":                  {re(b.ReNone(), b.ReAll()), false, true},
		"star":                     {re(b.ReStar(b.ReUnion(b.ReText("h"), b.ReText("ä"), b.ReText("ab")))), true, true},
		"star of what is empty":    {re(b.ReStar(b.ReOptional(b.ReText("h"))), b.ReText("äab")), true, true},
		"plus":                     {re(b.ReText("hä"), b.RePlus(b.ReText("a")), b.ReText("b")), true, true},
		"plus takes one":           {re(b.ReText("häa"), b.RePlus(b.ReText("a")), b.ReText("b")), false, true},
		"optional":                 {re(b.ReOptional(b.ReText("x")), b.ReText("häab"), b.ReOptional(b.ReText("y"))), true, true},
		"a loop":                   {re(b.ReLoop(b.ReAny(), 2, 4)), true, true},
		"a loop that is too short": {re(b.ReLoop(b.ReAny(), 1, 3)), false, true},
		"a loop that is too long":  {re(b.ReLoop(b.ReAny(), 5, 9)), false, true},
	} {
		v, known := smt.NewEvaluator(at).Value(c.term)
		if known != c.known || known && v.Bool != c.want {
			t.Errorf("%s: %v, known %v; want %v, known %v", name, v.Bool, known, c.want, c.known)
		}
	}
}

func TestConjunctionsFixVariables(t *testing.T) {
	b := smt.NewBuilder()
	x, s, p, q := b.Variable(smt.Int, "x"), b.Variable(smt.String, "s"), b.Variable(smt.Bool, "p"), b.Variable(smt.Bool, "q")
	at := smt.Fixed(b.And(b.Equal(x, b.Int(-3)), b.Equal(b.Text("a"), s), p, b.Not(q), b.Less(x, b.Int(9))))
	if len(at) != 4 || at[x].Int.Int64() != -3 || at[s].Text != "a" || !at[p].Bool || at[q].Bool {
		t.Errorf("Fixed = %v", at)
	}
	if at = smt.Fixed(p); len(at) != 1 || !at[p].Bool {
		t.Errorf("Fixed of one variable = %v", at)
	}
}
