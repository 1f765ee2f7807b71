package eval

import (
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/tape"
)

// fillObject puts the members of an object into their slots, and reports whether
// all of them are declared and fit, and none is missing. An object at place 0
// is not there.
func fillObject(fr *frame, tokens []tape.Token, sec *section, members []member, object int32) bool {
	required := 0
	if object > 0 {
		for at := object + 1; at < tokens[object].Next; at = tokens[at+1].Next {
			m := memberOf(members, tokens[at].Text)
			switch {
			case m == nil:
				if !sec.isName(tokens[at].Text) && !sec.open {
					return false
				}
			case !m.fillToken(fr, tokens, at+1):
				return false
			case !m.optional:
				required++
			}
		}
	}
	// Names are unique, so that as many as there are required are all of them.
	return required == len(members) || members[required].optional
}

// isName reports whether a member is one of those that every request has.
func (sec *section) isName(name string) bool {
	return name == "id" && (sec.name == "agent" || sec.name == "resource") || name == "type" && sec.name == "resource"
}

func memberOf(members []member, name string) *member {
	for i := range members {
		if members[i].name == name {
			return &members[i]
		}
	}
	return nil
}

// fillToken is fill for the value at a place on a tape.
func (m *member) fillToken(fr *frame, tokens []tape.Token, at int32) bool {
	if m.kind == pdl.JSON {
		return m.fillJSONToken(fr, tokens, at)
	}
	switch v := &tokens[at]; v.Kind {
	case tape.String:
		return m.fillText(fr, v.Text)
	case tape.Int:
		return m.fillInt(fr, v.Int)
	case tape.True, tape.False:
		return m.fillBool(fr, v.Kind == tape.True)
	case tape.Array:
		if m.kind == pdl.List && m.field.inside != nil {
			return m.fillRecordTokens(fr, tokens, at)
		}
		return m.kind == pdl.List && m.fillTokens(fr, tokens, at)
	case tape.Object:
		if m.kind == pdl.Record && fillObject(fr, tokens, m.field.inside, m.field.inside.members, at) {
			fr.mark(int(m.bit))
			return true
		}
	case tape.Null, tape.Number: // of no type
	}
	return false
}

func (m *member) fillTokens(fr *frame, tokens []tape.Token, list int32) bool {
	m.emptyList(fr)
	n := int64(0)
	for at := list + 1; at < tokens[list].Next; at = tokens[at].Next {
		if n++; n > m.max || !m.addToken(fr, &tokens[at]) {
			return false
		}
	}
	fr.mark(int(m.bit))
	return true
}

func (m *member) addToken(fr *frame, v *tape.Token) bool {
	switch v.Kind {
	case tape.String:
		return m.addText(fr, v.Text)
	case tape.Int:
		return m.addInt(fr, v.Int)
	case tape.True, tape.False:
		return m.addBool(fr, v.Kind == tape.True)
	case tape.Null, tape.Number, tape.Array, tape.Object: // of no element type
	}
	return false
}
