package formula

import (
	"cmp"
	"encoding/json"
	"math/big"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// Pin holds of one input alone, as far as formulas tell inputs apart: with it,
// what an evaluator says of the input can be held against what formulas say.
// It is false where lists have fewer places than the input needs.
func (e *Encoding) Pin(side int, in Input) (pin *smt.Term, ok bool) {
	p := pinner{e: e, s: e.sides[side]}
	p.value(pathNow, pdl.Type{Kind: pdl.Timestamp}, in.Now.Format(time.RFC3339Nano))
	name := pdl.Type{Kind: pdl.String}
	p.value(pathAgent, name, in.Request.Agent.ID)
	p.value(pathID, name, in.Request.Resource.ID)
	p.value(pathAction, name, in.Request.Action)
	schema := p.s.bundle.Schema
	p.object("agent", schema.Agent, in.Request.Agent.Attributes)
	p.object("context", schema.Context, in.Request.Context)
	if p.s.action != nil {
		p.object("resource", p.s.resource.Attributes, in.Request.Resource.Attributes)
		p.object("params", p.s.action.Params, in.Request.Params)
	}
	for i := range schema.Facts {
		f := &schema.Facts[i]
		v, given := in.Facts[f.Name]
		p.optional("facts."+f.Name, given)
		if !given && f.Measure != pdl.Last {
			v, given = int64(0), true
		}
		if given {
			p.value("facts."+f.Name, f.Type, v)
		}
	}
	return e.And(p.facts...), !p.short
}

type pinner struct {
	e     *Encoding
	s     *side
	facts []*smt.Term
	short bool
}

func (p *pinner) add(t *smt.Term) { p.facts = append(p.facts, t) }

func (p *pinner) optional(path string, there bool) {
	if v := p.e.vars["has "+path]; v != nil {
		p.add(p.e.Equal(v, p.e.Bool(there)))
	}
}

func (p *pinner) object(path string, attributes []pdl.Attribute, o map[string]any) {
	for _, a := range attributes {
		v, there := o[a.Name]
		p.optional(path+"."+a.Name, there)
		switch {
		case a.Type.Kind == pdl.Record:
			inside, _ := v.(map[string]any)
			p.object(path+"."+a.Name, a.Type.Members, inside)
		case there:
			p.value(path+"."+a.Name, a.Type, v)
		}
	}
}

// value says what a value is, where it is looked at.
func (p *pinner) value(path string, t pdl.Type, v any) {
	switch t.Kind {
	case pdl.List:
		list, _ := v.([]any)
		p.list(path, t, list)
		return
	case pdl.JSON:
		if size := p.e.vars["size "+path]; size != nil {
			p.add(p.e.Equal(size, p.e.Int(sizeOf(v))))
		}
		return
	default: // scalars
	}
	if x := p.e.vars[path]; x != nil {
		p.add(p.is(x, t, v))
	}
}

func (p *pinner) is(x *smt.Term, t pdl.Type, v any) *smt.Term {
	e := p.e
	switch v := v.(type) {
	case bool:
		return e.Equal(x, e.Bool(v))
	case int64:
		return e.Equal(x, e.Big(big.NewInt(v)))
	case string:
		switch {
		case t.Kind == pdl.Timestamp || t.Kind == pdl.Duration:
			n, _ := constantNumber(t, v)
			return e.Equal(x, e.Int(n))
		case x.Sort() == smt.String:
			p.short = p.short || !writable(v)
			return e.Equal(x, e.Text(v))
		}
		return e.Equal(x, e.numberOf(v))
	}
	return e.False()
}

// sizeOf is the size of JSON, as conditions count it.
func sizeOf(v any) int64 {
	switch v := v.(type) {
	case nil:
		return 0
	case string:
		return int64(len([]rune(v)))
	case []any:
		return int64(len(v))
	case map[string]any:
		return int64(len(v))
	}
	return 1
}

// list puts elements into places: the first ones in order, equal ones of the
// others together.
func (p *pinner) list(path string, t pdl.Type, elements []any) {
	l := p.e.lists[path]
	if l == nil {
		return
	}
	if v := p.e.vars["size "+path]; v != nil {
		p.add(p.e.Equal(v, p.e.Int(int64(len(elements)))))
	}
	n := min(l.ordered, len(elements))
	for i, v := range elements[:n] {
		p.element(suffix(path, i), t, v)
	}
	rest, at := group(elements[n:]), 0
	named := p.e.namedPlaces(l)
	for i := range named {
		name := path + "=" + itoa(i)
		count := int64(0)
		for j, g := range rest {
			if g.value == any(*l.places[i].value.txt.lit) {
				count, rest[j].count = g.count, 0
			}
		}
		p.add(p.e.Equal(p.e.vars["count "+name], p.e.Int(count)))
	}
	free := len(l.places) - l.ordered - named
	for _, g := range rest {
		if g.count == 0 {
			continue
		}
		if at == free {
			p.short = true
			return
		}
		name := suffix(path, l.ordered+at)
		p.add(p.e.Equal(p.e.vars["count "+name], p.e.Int(g.count)))
		p.element(name, t, g.value)
		at++
	}
	for ; at < free; at++ {
		p.add(p.e.Equal(p.e.vars["count "+suffix(path, l.ordered+at)], p.e.Int(0)))
	}
}

func (p *pinner) element(name string, t pdl.Type, v any) {
	if !t.IsRecords() {
		p.value(name, *t.Elem, v)
		return
	}
	record, _ := v.(map[string]any)
	p.object(name, t.Elem.Members, record)
}

// equals are equal elements.
type equals struct {
	key   string
	value any
	count int64
}

// group puts equal elements together.
func group(elements []any) []equals {
	var list []equals
	for _, v := range elements {
		key, _ := json.Marshal(v) // of JSON there is always some
		i := slices.IndexFunc(list, func(g equals) bool { return g.key == string(key) })
		if i < 0 {
			list = append(list, equals{string(key), v, 1})
		} else {
			list[i].count++
		}
	}
	slices.SortFunc(list, func(a, b equals) int { return cmp.Compare(a.key, b.key) })
	return list
}
