package eval

import "strings"

// sectionEdits lists the edits of what is in a section, and in the records in
// it that the request has.
func (r *reader) sectionEdits(sec *section) []Edit {
	var edits []Edit
	for _, f := range sec.fields {
		path := sec.name + "." + f.Name
		edits = append(edits, r.edits(path, f.Attribute)...)
		if f.inside != nil && r.value(path) != nil {
			edits = append(edits, r.sectionEdits(f.inside)...)
		}
	}
	return edits
}

// value returns the value of an attribute in the request, or nil.
func (r *reader) value(path string) any {
	root, name := splitPath(path)
	switch root {
	case "agent":
		if name == "id" {
			return r.in.Request.Agent.ID
		}
		return inside(r.in.Request.Agent.Attributes, name)
	case "resource":
		return inside(r.in.Request.Resource.Attributes, name)
	case "params":
		return inside(r.in.Request.Params, name)
	case "context":
		return inside(r.in.Request.Context, name)
	case "facts":
		return r.in.Facts[name]
	}
	return nil
}

// inside returns the value of a member, or of one in nested records.
func inside(m map[string]any, name string) any {
	record, rest, nested := strings.Cut(name, ".")
	if !nested {
		return m[name]
	}
	below, _ := m[record].(map[string]any)
	return inside(below, rest)
}

func splitPath(path string) (root, name string) {
	root, name, _ = strings.Cut(path, ".")
	return root, name
}
