package pdl

import (
	"fmt"
	"time"
)

// Holds reports an instant that lies in the window of a decision at now.
func (w Window) Holds(at, now time.Time) bool {
	if at.After(now) {
		return false
	}
	if w.Zone == nil {
		return at.After(now.Add(-w.Length))
	}
	y, m, d := now.In(w.Zone).Date()
	return !at.Before(time.Date(y, m, d, 0, 0, 0, 0, w.Zone))
}

// FactsProblem says which of the facts no history can have at the instant now,
// and why; "" when some history has them. Their types are known to fit: ints,
// and timestamps as text.
func (s *Schema) FactsProblem(facts map[string]any, now time.Time) (name, problem string) {
	for i := range s.Facts {
		f := &s.Facts[i]
		v, given := facts[f.Name]
		if !given {
			continue
		}
		if text, ok := v.(string); ok && !f.Within.holdsText(text, now) {
			return f.Name, "the instant lies outside the window that ends with the decision"
		}
		for _, wider := range f.AtMost {
			if problem := exceeds(v, facts[wider], wider); problem != "" {
				return f.Name, problem
			}
		}
	}
	return "", ""
}

func (w Window) holdsText(text string, now time.Time) bool {
	var at time.Time
	return at.UnmarshalText([]byte(text)) == nil && w.Holds(at, now)
}

// exceeds compares a fact with one that covers all of its events.
func exceeds(v, wide any, name string) string {
	switch v := v.(type) {
	case int64:
		most, _ := wide.(int64)
		if v > most {
			return fmt.Sprintf("%d is more than facts.%s, which covers all of it and is %d", v, name, most)
		}
	case string:
		if !notBefore(wide, v) {
			return fmt.Sprintf("facts.%s, which covers all of it, is absent or earlier", name)
		}
	}
	return ""
}

func notBefore(wide any, text string) bool {
	later, _ := wide.(string)
	var a, b time.Time
	return a.UnmarshalText([]byte(later)) == nil && b.UnmarshalText([]byte(text)) == nil && !a.Before(b)
}

// testFacts reads the facts of a case.
func (c *compiler) testFacts(t *Test, in tree) map[string]any {
	attributes := make([]Attribute, len(c.schema.Facts))
	for i, f := range c.schema.Facts {
		attributes[i] = f.Attribute
	}
	values := c.typed(in, "facts", attributes)
	now := testInstant
	if t.Now != "" && now.UnmarshalText([]byte(t.Now)) != nil {
		return values // reported where it stands
	}
	if name, problem := c.schema.FactsProblem(values, now); name != "" {
		c.errorf(in["facts."+name].span(), "", "no history has this facts.%s: %s", name, problem)
	}
	return values
}

// testInstant is the instant of a case that gives none.
var testInstant = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
