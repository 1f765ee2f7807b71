package eval

import (
	"cmp"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A domain is a scalar type: where its values live in a frame, how constants
// of it are read, how they are ordered, how expressions of it are lowered.
type domain[T comparable] struct {
	kind     types.Kind
	bank     func(*frame) *bank[T]
	constant func(any) (T, bool)
	compare  func(T, T) int
	lower    func(*lowerer, ast.Expr) expr[T]
	bytes    func(T) int // that comparing a value may read; nil: few
	matching price[T, T] // of ==; nil: none
	ordering price[T, T] // of <
}

// A family is a domain seen by code that does not know its Go type.
type family interface {
	equal(l *lowerer, a, b ast.Expr) cond
	order(l *lowerer, call ast.CallExpr) cond
	in(l *lowerer, element, list ast.Expr) cond
	equalLists(l *lowerer, a, b ast.Expr) cond
	length(l *lowerer, list ast.Expr) expr[int64]
	quantify(l *lowerer, q quantifier) cond
	value(l *lowerer, e ast.Expr) expr[any]
	listValue(l *lowerer, e ast.Expr) expr[any]
	load(s slot) expr[any]
}

// familyOf returns the domain of a scalar kind, or nil.
func familyOf(kind types.Kind) family {
	switch kind {
	case types.BoolKind:
		return boolDomain()
	case types.IntKind:
		return intDomain()
	case types.StringKind:
		return stringDomain()
	case types.TimestampKind:
		return timeDomain()
	case types.DurationKind:
		return spanDomain()
	default:
		return nil
	}
}

func boolDomain() domain[bool] {
	return domain[bool]{
		types.BoolKind, func(fr *frame) *bank[bool] { return &fr.bools }, as[bool], compareBools,
		func(l *lowerer, e ast.Expr) expr[bool] { return l.bools(e).expr() }, nil, nil, nil,
	}
}

func intDomain() domain[int64] {
	return domain[int64]{
		types.IntKind, func(fr *frame) *bank[int64] { return &fr.ints }, as[int64], cmp.Compare[int64], (*lowerer).ints, nil, nil, nil,
	}
}

// Strings are ordered by code point, which for UTF-8 is the order of bytes.
func stringDomain() domain[string] {
	return domain[string]{
		types.StringKind, func(fr *frame) *bank[string] { return &fr.strings }, as[string], cmp.Compare[string], (*lowerer).strings,
		func(s string) int { return len(s) }, matching, ordering,
	}
}

func timeDomain() domain[instant] {
	return domain[instant]{
		types.TimestampKind, func(fr *frame) *bank[instant] { return &fr.times }, instantIn, instant.compare, (*lowerer).times, nil, nil, nil,
	}
}

func spanDomain() domain[time.Duration] {
	return domain[time.Duration]{
		types.DurationKind, func(fr *frame) *bank[time.Duration] { return &fr.spans }, spanIn,
		cmp.Compare[time.Duration], (*lowerer).spans, nil, nil, nil,
	}
}

func compareBools(x, y bool) int { return cmp.Compare(truth(x), truth(y)) }

func as[T any](v any) (T, bool) {
	t, ok := v.(T)
	return t, ok
}

// instantIn reads a timestamp: RFC 3339 text as requests and data documents
// spell it, or the time of a literal.
func instantIn(v any) (instant, bool) {
	switch v := v.(type) {
	case time.Time:
		return instantOf(v), true
	case string:
		var t time.Time
		err := t.UnmarshalText([]byte(v))
		return instantOf(t), err == nil
	}
	return instant{}, false
}

// spanIn reads a duration: the text of a data document, or that of a literal.
func spanIn(v any) (time.Duration, bool) {
	if text, ok := v.(string); ok {
		return pdl.ParseDuration(text)
	}
	return as[time.Duration](v)
}

// load reads a scalar slot back as JSON would show it.
func (d domain[T]) load(s slot) expr[any] {
	return func(fr *frame) (any, fault) {
		if !fr.has(s.bit) {
			return nil, faultAbsent
		}
		return show(d.bank(fr).values[s.at]), 0
	}
}
