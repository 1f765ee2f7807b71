package pdl

import (
	"slices"
	"strings"
)

// A Form is what can be written at a place of a document, before any meaning.
// Everything that treats documents as text is driven by it: the compiler takes
// its known keys from it, the formatter its order, the JSON Schemas and editors
// all of it. A place may take several kinds of value, such as a text or a list.
//
// The forms of all documents are in grammar_documents.go: a new kind or key is
// declared there, and nowhere else.
type Form struct {
	Keys  []Key // a mapping: its known keys, in the order in which they are written
	Other *Rest // a mapping: what further keys hold
	Items *Form // a list
	Text  *Text // a text
	Any   bool  // whatever the schema of the bundle says

	Or     *Form  // another mapping that can stand here
	Shared string // a name for a form that holds itself; else ""

	Rows  bool // the items are rows of a table
	Apart bool // the items are set apart by empty lines
}

// A Key is a known key of a mapping.
type Key struct {
	Name     string
	Form     *Form
	Required bool
	About    string   // a sentence for whoever writes the key
	Examples []string // as YAML, in one line
}

// A Rest is what a mapping holds under keys whose names are free.
type Rest struct {
	Names Text
	Form  *Form
	About string
}

// A Text says which texts a place takes.
type Text struct {
	Words   []string // when not nil: only these
	Pattern string   // a regular expression the whole text matches
	Most    int      // characters; 0: no bound of its own

	Integer  bool
	Min, Max int64 // of an integer
	Bool     bool

	Condition bool      // a CEL expression
	Refers    Reference // what the text names
}

// A Reference is the kind of thing a text names.
type Reference uint8

// The things that texts name.
const (
	NoReference      Reference = iota
	ActionName                 // an action of the schema
	ResourceTypeName           // a resource type of the schema
	AttributePath              // agent.role
	AttributeValue             // a value of the attribute that the key names
	RequestPath                // action, agent.role, or a whole section
	ConstraintName             // a constraint of the schema
	RuleName                   // document/id
	TypeSyntax                 // int(0..10)
	ApprovalName               // an approval document
	EventName                  // an action, or an event of the schema
)

// Kinds lists the kinds of documents, in the order of the reference.
func Kinds() []string {
	kinds := make([]string, len(documentForms))
	for i, d := range documentForms {
		kinds[i] = d.kind
	}
	return kinds
}

// KindForm returns the form of a kind of document and what it is for, or nil.
func KindForm(kind string) (form *Form, about string) {
	for _, d := range documentForms {
		if d.kind == kind {
			return d.form, d.about
		}
	}
	return nil, ""
}

// Key returns a known key of the form, or nil.
func (f *Form) Key(name string) *Key {
	if f == nil {
		return nil
	}
	for i := range f.Keys {
		if f.Keys[i].Name == name {
			return &f.Keys[i]
		}
	}
	return nil
}

// Under returns the form of what stands under a key, or nil.
func (f *Form) Under(key string) *Form {
	if k := f.Key(key); k != nil {
		return k.Form
	}
	switch {
	case f == nil:
		return nil
	case f.Other != nil:
		return f.Other.Form
	}
	return f.Or.Under(key)
}

// names lists the known keys.
func (f *Form) names() []string {
	names := make([]string, len(f.Keys))
	for i, k := range f.Keys {
		names[i] = k.Name
	}
	return names
}

// rank orders keys as they are written: known ones first.
func (f *Form) rank(key string) int {
	if f == nil {
		return 0
	}
	if i := slices.IndexFunc(f.Keys, func(k Key) bool { return k.Name == key }); i >= 0 {
		return i
	}
	return len(f.Keys)
}

// isCondition reports a place that takes a CEL expression.
func (f *Form) isCondition() bool { return f != nil && f.Text != nil && f.Text.Condition }

// words is the form of a closed set of words.
func words(list ...string) *Form { return &Form{Text: &Text{Words: list}} }

// matching is the form of a text that a pattern describes.
func matching(pattern string, most int) *Form {
	return &Form{Text: &Text{Pattern: pattern, Most: most}}
}

// sentence is the form of a free text.
func sentence(most int) *Form { return &Form{Text: &Text{Most: most}} }

// countOfVotes is the form of a number of approvals.
func countOfVotes(least int64) *Form {
	return &Form{Text: &Text{Integer: true, Min: least, Max: maxApprovals}}
}

// naming is the form of a text that names something.
func naming(what Reference) *Form { return &Form{Text: &Text{Refers: what}} }

// oneOrMore is the form of a text, or a list of them.
func oneOrMore(text *Form) *Form { return &Form{Text: text.Text, Items: text} }

func listOf(item *Form) *Form { return &Form{Items: item} }

func mappingOf(names Text, form *Form, about string) *Form {
	return &Form{Other: &Rest{Names: names, Form: form, About: about}}
}

// unanchored is a regular expression of this package without its ends.
func unanchored(pattern string) string {
	return strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$")
}
