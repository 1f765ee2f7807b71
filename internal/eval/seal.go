package eval

import (
	"cmp"
	"maps"
	"slices"
)

// seal prepares what decisions need once every rule is known.
func (p *Program) seal() {
	p.layout.seal()
	for _, a := range p.all {
		a.prepare()
		for _, sh := range a.shapes {
			for i, sec := range sh.sections {
				sh.members[i] = sec.members
			}
			sh.silent = p.merge(&Input{}, sh, outcome{})
		}
	}
	nowhere, constraints := &shape{action: &action{}}, shared{}
	for _, r := range p.rules {
		r.checks, r.equalities = nil, nil
		r.alone = p.merge(&Input{}, nowhere, outcome{held: []*rule{r}})
		r.alone.Constraints = constraints.share(r.alone.Constraints)
	}
	gather(p.all, func(a *action) *[]tuple { return &a.index.tuples })
	gather(p.all, func(a *action) *[]bucket { return &a.index.buckets })
	gather(p.all, func(a *action) *[]int32 { return &a.index.places })
	gather(p.all, func(a *action) *[]candidate { return &a.candidates })
	gather(p.all, func(a *action) *[]check { return &a.checks })
	var exact, wide []*shape
	for _, a := range p.all {
		for _, sh := range a.shapes {
			sh.index, sh.candidates, sh.checks = a.index, a.candidates, a.checks
		}
		if a.family {
			wide = append(wide, a.shapes...)
		} else {
			exact = append(exact, a.shapes...)
		}
	}
	p.entrance, p.wide = newEntrance(exact), newEntrance(wide)
}

// shared holds maps by what is in them: many rules ask for the same.
type shared map[string]map[string]any

func (s shared) share(m map[string]any) map[string]any {
	key := written(m)
	if have, known := s[key]; known {
		return have
	}
	s[key] = m
	return m
}

// gather lays slices that were made one by one behind each other, so that they
// take few pages of memory.
func gather[E, T any](owners []E, slice func(E) *[]T) {
	total := 0
	for _, o := range owners {
		total += len(*slice(o))
	}
	all := make([]T, 0, total)
	for _, o := range owners {
		from := len(all)
		all = append(all, *slice(o)...)
		*slice(o) = all[from:len(all):len(all)]
	}
}

// seal makes the members of every section, which know what is watched.
func (l *layout) seal() {
	var sections []*section
	for _, key := range slices.SortedFunc(maps.Keys(l.sections), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		sections = l.sections[key].all(sections)
	}
	for _, sec := range sections {
		for _, f := range sec.fields {
			sec.members = append(sec.members, l.member(f))
		}
		// The required ones first, so that filling can stop early.
		slices.SortStableFunc(sec.members, func(a, b member) int { return cmp.Compare(idOfBool(a.optional), idOfBool(b.optional)) })
	}
	gather(sections, func(sec *section) *[]member { return &sec.members })
	for i, f := range l.always {
		l.names[i] = l.member(f)
	}
}
