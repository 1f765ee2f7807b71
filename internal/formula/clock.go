package formula

import (
	"fmt"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/calendar"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

const (
	day  = 24 * 60 * 60 // seconds
	week = 7 * day
)

// clockPart encodes instant.getHours("Europe/Berlin") and the like.
func (c *coder) clockPart(x ast.Expr) number {
	call := x.AsCall()
	if !call.IsMemberFunction() {
		return c.unknownNumber(x, call.FunctionName()+"()")
	}
	if c.kind(call.Target()) == types.DurationKind {
		return c.spanPart(x)
	}
	e, at := c.e, c.number(call.Target())
	if call.FunctionName() == "getMilliseconds" { // offsets are whole seconds
		return number{at.ok, e.Div(e.Mod(at.term, second), int64(time.Millisecond)), -1, 1000}
	}
	loc := time.UTC
	if args := call.Args(); len(args) == 1 {
		name, _ := textLiteral(args[0])
		if loc = c.s.location(name); loc == nil {
			return c.unknownNumber(x, "this time zone")
		}
	}
	local := c.localTime(x, at, loc)
	part, hi := e.partOf(call.FunctionName(), local)
	if part == nil {
		return c.unknownNumber(x, call.FunctionName()+"()")
	}
	return number{at.ok, part, -1, hi}
}

// partOf computes a part of local time from its seconds since 1970. Parts are
// counted as CEL does.
func (e *Encoding) partOf(function string, local *smt.Term) (part *smt.Term, hi float64) {
	switch function {
	case "getHours":
		return e.Div(e.Mod(local, day), 3600), 24
	case "getMinutes":
		return e.Div(e.Mod(local, 3600), 60), 60
	case "getSeconds":
		return e.Mod(local, 60), 60
	case "getDayOfWeek":
		return e.Mod(e.Add(e.Div(local, day), e.Int(4)), 7), 7
	}
	return e.dateOf(function, e.Div(local, day))
}

// dateOf computes the parts of a date from its day since 1970, in the calendar
// of Gregory: years begin in March, which puts the leap day last.
func (e *Encoding) dateOf(function string, days *smt.Term) (part *smt.Term, hi float64) {
	z := e.Add(days, e.Int(719468)) // since 0000-03-01
	const era = 146097              // days of 400 years
	doe := e.Mod(z, era)
	yoe := e.Div(e.Sub(e.Add(doe, e.Div(doe, 36524)), e.Add(e.Div(doe, 1460), e.Div(doe, 146096))), 365)
	doy := e.Sub(doe, e.Sub(e.Add(e.Mul(e.Int(365), yoe), e.Div(yoe, 4)), e.Div(yoe, 100)))
	mp := e.Div(e.Add(e.Mul(e.Int(5), doy), e.Int(2)), 153) // months since March
	early := e.Less(mp, e.Int(10))                          // March to December
	year := e.Add(yoe, e.Mul(e.Int(400), e.Div(z, era)), e.If(early, e.Int(0), e.Int(1)))
	dom := e.Sub(doy, e.Div(e.Add(e.Mul(e.Int(153), mp), e.Int(2)), 5)) // from 0
	switch function {
	case "getFullYear":
		return year, 10000
	case "getMonth": // from 0
		return e.If(early, e.Add(mp, e.Int(2)), e.Sub(mp, e.Int(10))), 12
	case "getDayOfMonth":
		return dom, 31
	case "getDate":
		return e.Add(dom, e.Int(1)), 32
	case "getDayOfYear":
		zero := e.Int(0)
		leap := e.And(e.Equal(e.Mod(year, 4), zero), e.Or(e.Not(e.Equal(e.Mod(year, 100), zero)), e.Equal(e.Mod(year, 400), zero)))
		return e.If(early, e.Add(doy, e.Int(59), e.If(leap, e.Int(1), zero)), e.Sub(doy, e.Int(306))), 366
	}
	return nil, 0
}

// spanPart encodes duration.getHours() and the like: toward zero.
func (c *coder) spanPart(x ast.Expr) number {
	e, d := c.e, c.number(x.AsCall().Target())
	unit, ok := map[string]time.Duration{"getHours": time.Hour, "getMinutes": time.Minute, "getSeconds": time.Second, "getMilliseconds": time.Millisecond}[x.AsCall().FunctionName()]
	if !ok {
		return c.unknownNumber(x, x.AsCall().FunctionName()+"()")
	}
	if unit == time.Millisecond {
		d.term = e.Sub(d.term, e.Mul(e.Int(second), e.truncated(d, e.constant(second))))
		d.lo, d.hi = -float64(second), float64(second)
	}
	lo, hi := outward(d.lo/float64(unit), d.hi/float64(unit))
	return number{d.ok, e.truncated(d, e.constant(int64(unit))), lo - 1, hi + 1}
}

// localTime is the seconds since 1970 as the clocks of a zone show them.
func (c *coder) localTime(x ast.Expr, at number, loc *time.Location) *smt.Term {
	e := c.e
	seconds := e.Div(at.term, second)
	return e.Add(seconds, c.offset(x, seconds, at, loc))
}

// offset is how far a zone is ahead of UTC: a decision tree over the changes
// of its clocks.
func (c *coder) offset(x ast.Expr, seconds *smt.Term, at number, loc *time.Location) *smt.Term {
	e, list := c.e, c.s.offsets(loc)
	if len(list) == 1 {
		return e.Int(list[0].Seconds)
	}
	key := fmt.Sprintf("%s %s of %d", c.s.bundle.TZData, loc, seconds.ID())
	tree := e.offsets[key]
	if tree == nil {
		tree = e.tree(list, seconds)
		e.offsets[key] = tree
	}
	if at.lo >= calendar.First*1e9*0.9999 && at.hi <= calendar.Last*1e9*0.9999 || c.withinYears(at) {
		return tree
	}
	c.approximate(x, "local time outside of the years 1890 to 2199")
	any := e.anything(smt.Int, "offset "+key)
	e.common = append(e.common, e.Between(e.Int(-day), any, e.Int(day)))
	return e.If(e.Between(e.Int(calendar.First), seconds, e.Int(calendar.Last-1)), tree, any)
}

// withinYears reports an instant that calendars know.
func (c *coder) withinYears(at number) bool {
	return at.lo > float64(calendar.First)*1e9 && at.hi < float64(calendar.Last)*1e9
}

func (e *Encoding) tree(list []calendar.Offset, seconds *smt.Term) *smt.Term {
	if len(list) == 1 {
		return e.Int(list[0].Seconds)
	}
	half := len(list) / 2
	return e.If(e.Less(seconds, e.Int(list[half].From)), e.tree(list[:half], seconds), e.tree(list[half:], seconds))
}
