package pdl

import (
	"fmt"
	"slices"
	"strings"
)

// complete proves that every combination of input values that can occur has
// exactly one winning row, and tells the rest of the rows which go first.
func (c *compiler) complete(t *table, index rowIndex) {
	cells, ok := c.tableCells(t)
	if !ok {
		return
	}
	for _, cell := range cells {
		if !c.winner(t, index, cell) {
			return
		}
	}
	if !c.beats(t) {
		return
	}
	for _, r := range t.rows {
		switch {
		case r.meets == 0:
			c.errorf(r.at.span(), "remove it", "no request can match the row %s: its values never come together", r.label())
		case !r.wins:
			c.warnf(r.at.span(), "remove it", "the row %s is never used: other rows go first wherever it matches", r.label())
		}
	}
}

// rowIndex finds the rows with given explicit columns.
type rowIndex struct {
	masks []uint // in use, sorted
	rows  map[uint]map[string]*row
}

func (c *compiler) indexRows(t *table) (rowIndex, bool) {
	x := rowIndex{rows: map[uint]map[string]*row{}}
	for _, r := range t.rows {
		if x.rows[r.mask] == nil {
			x.rows[r.mask] = map[string]*row{}
			x.masks = append(x.masks, r.mask)
		}
		key := keyOf(r.values, r.mask)
		if other := x.rows[r.mask][key]; other != nil {
			c.errorf(r.at.span(), "keep one of the two", "the row on line %d is for the same values %s", other.at.line, r.label())
			return x, false
		}
		x.rows[r.mask][key] = r
	}
	slices.Sort(x.masks)
	return x, true
}

// keyOf joins the values of the columns in mask. No value contains a comma.
func keyOf(values []string, mask uint) string {
	var b strings.Builder
	for i, v := range values {
		if mask&(1<<i) != 0 {
			b.WriteString(v)
		}
		b.WriteByte(',')
	}
	return b.String()
}

// winner finds the row that decides a cell, or reports that none or more than
// one does.
func (c *compiler) winner(t *table, x rowIndex, cell []string) bool {
	var best *row
	var matching []*row
	for _, mask := range x.masks {
		if r := x.rows[mask][keyOf(cell, mask)]; r != nil {
			r.meets++
			matching = append(matching, r)
		}
	}
	for i, r := range matching {
		for _, s := range matching[:i] {
			if r.mask&s.mask != r.mask && r.mask&s.mask != s.mask {
				first, second := s, r
				if second.at.line < first.at.line {
					first, second = second, first
				}
				c.errorf(second.at.span(), "write one of them out value by value, and leave this cell to the other", "this row (%s) and the one on line %d (%s) both match %s, and neither goes first",
					second.label(), first.at.line, first.label(), t.describe(cell))
				return false
			}
		}
		if best == nil || r.mask&best.mask == best.mask {
			best = r
		}
	}
	if best == nil {
		c.errorf(t.at, `add a row for it, or a last row of "*"`, "the table has no row for %s", t.describe(cell))
		return false
	}
	best.wins = true
	return true
}

// describe writes a cell as `resource.type webapp, resource.environment staging`.
func (t *table) describe(cell []string) string {
	parts := make([]string, len(cell))
	for i, v := range cell {
		parts[i] = fmt.Sprintf("%s %s", t.inputs[i].path, v)
	}
	return strings.Join(parts, ", ")
}

// beats notes for every row the rows that go before it: those with more
// explicit columns that agree on the ones they share.
func (c *compiler) beats(t *table) bool {
	const maxPairs = 200_000
	sorted := slices.SortedFunc(slices.Values(t.rows), func(a, b *row) int { return strings.Compare(a.label(), b.label()) })
	pairs := 0
	for _, r := range t.rows {
		var rivals []*row
		for _, s := range sorted {
			if s.mask == r.mask || s.mask&r.mask != r.mask || !agree(r, s, r.mask) {
				continue
			}
			if s.mask&^r.mask&t.derived == 0 {
				r.rule.Beats = append(r.rule.Beats, t.atoms(s, false))
			} else {
				rivals = append(rivals, s)
			}
			if pairs++; pairs > maxPairs {
				c.errorf(t.at, "split it", "the table has more than %d pairs of rows of which one goes first", maxPairs)
				return false
			}
		}
		if !c.rowCondition(t, r, rivals) {
			return false
		}
	}
	return true
}

func agree(r, s *row, mask uint) bool {
	for i := range r.values {
		if mask&(1<<i) != 0 && r.values[i] != s.values[i] {
			return false
		}
	}
	return true
}

// tableCells lists the combinations of values that requests can have: for each
// covered action and resource type, those that both declare.
func (c *compiler) tableCells(t *table) ([][]string, bool) {
	var cells [][]string
	domains, seen := map[string]bool{}, map[string]bool{}
	for _, a := range t.typing.actions {
		for _, r := range t.typing.types {
			if !slices.Contains(c.actions[a].Resources, r) {
				continue
			}
			domain, possible := c.domain(t, a, r)
			if !possible {
				continue
			}
			key := fmt.Sprint(domain)
			if domains[key] {
				continue
			}
			domains[key] = true
			size := 1
			for _, values := range domain {
				size *= len(values)
				if size > maxCells || len(cells)+size > maxCells {
					c.errorf(t.at, "split it, or use a policy", "the table has more than %d combinations of values", maxCells)
					return nil, false
				}
			}
			if c.cells += size; c.cells > maxAllCells {
				c.errorf(t.at, "split the bundle", "the tables of the bundle have more than %d combinations of values", maxAllCells)
				return nil, false
			}
			cells = appendCells(cells, domain, seen)
		}
	}
	return cells, true
}

// domain lists the values of each input for one action on one resource type;
// it is impossible when the table's own match leaves none of another enum.
func (c *compiler) domain(t *table, action, resourceType string) (domain [][]string, possible bool) {
	for _, a := range t.match {
		own := c.ownValues(a.Path, action, resourceType)
		if len(own) > 0 && !slices.ContainsFunc(own, func(v string) bool { return slices.Contains(a.Values, v) }) {
			return nil, false
		}
	}
	domain = make([][]string, len(t.inputs))
	for i, in := range t.inputs {
		if t.derived&(1<<i) != 0 {
			domain[i] = in.values
			continue
		}
		own := c.ownValues(in.path, action, resourceType)
		domain[i] = slices.DeleteFunc(slices.Clone(own), func(v string) bool { return !slices.Contains(in.values, v) })
	}
	return domain, true
}

func (c *compiler) ownValues(path, action, resourceType string) []string {
	root, name, _ := strings.Cut(path, ".")
	attributes := map[string][]Attribute{
		"agent": c.schema.Agent, "context": c.schema.Context,
		"params": c.actions[action].Params, "resource": c.types[resourceType].Attributes,
	}[root]
	if path == "resource.type" {
		return []string{resourceType}
	}
	for _, a := range flat(attributes) {
		if a.Name == name {
			return a.Type.Values
		}
	}
	return nil
}

func appendCells(cells [][]string, domain [][]string, seen map[string]bool) [][]string {
	product := [][]string{{}}
	for _, values := range domain {
		var next [][]string
		for _, head := range product {
			for _, v := range values {
				next = append(next, append(slices.Clip(head), v))
			}
		}
		product = next
	}
	for _, cell := range product {
		key := strings.Join(cell, ",")
		if !seen[key] {
			seen[key] = true
			cells = append(cells, cell)
		}
	}
	return cells
}
