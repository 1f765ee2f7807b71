package pdl

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const jsonSchemaDialect = "https://json-schema.org/draft/2020-12/schema"

// JSONSchema returns the JSON Schema (2020-12) of a kind of document, for
// editors: what it refuses the compiler refuses too. It describes values as
// YAML readers of editors see them, so that `true` is a boolean and `2` a
// number. It returns nil for what is no kind.
func JSONSchema(kind string) []byte {
	form, about := KindForm(kind)
	if form == nil {
		return nil
	}
	o := form.schema().with("$schema", jsonSchemaDialect, "$id", kind+".schema.json", "title", "PDL "+kind, "description", about)
	if kind == "schema" {
		o = append(o, object{sharedForm(recordForm)}.as("$defs"))
	}
	return o.encode()
}

// sharedForm defines what schemas refer to by name.
func sharedForm(f *Form) jsonMember { return f.body().as(f.Shared) }

// JSONSchemaOfAny returns the JSON Schema of a document of any kind: a file of
// a bundle holds documents of several.
func JSONSchemaOfAny() []byte {
	definitions := object{}
	var choices []any
	for _, kind := range Kinds() {
		form, about := KindForm(kind)
		definitions = append(definitions, form.schema().with("description", about).as(kind))
		choices = append(choices, object{
			{"if", object{{"required", []any{"kind"}}, {"properties", object{{"kind", object{{"const", kind}}}}}}},
			{"then", object{{"$ref", "#/$defs/" + kind}}},
		})
	}
	definitions = append(definitions, sharedForm(recordForm))
	return object{
		{"$schema", jsonSchemaDialect}, {"$id", "pdl.schema.json"}, {"title", "PDL"},
		{"description", "A document of the Policy Definition Language."},
		{"type", "object"}, {"required", []any{"pdl", "kind", "name"}},
		{"properties", object{
			{"pdl", object{{"description", "The version of the language."}, {"enum", []any{"v1"}}}},
			{"kind", object{{"description", "What the document holds."}, {"enum", texts(Kinds())}}},
		}},
		{"allOf", choices}, {"$defs", definitions},
	}.encode()
}

// An object is a JSON object whose members stand in the order given.
type object []jsonMember

type jsonMember struct {
	name  string
	value any
}

// MarshalJSONTo writes the members in their order.
func (o object) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, m := range o {
		if err := e.WriteToken(jsontext.String(m.name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, m.value); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

func (o object) encode() []byte {
	return append(must(json.Marshal(o, json.Deterministic(true), jsontext.WithIndent("  "))), '\n')
}

// with puts texts in front.
func (o object) with(pairs ...string) object {
	head := object{}
	for i := 0; i < len(pairs); i += 2 {
		head = append(head, jsonMember{pairs[i], pairs[i+1]})
	}
	return append(head, o...)
}

func (o object) as(name string) jsonMember { return jsonMember{name, o} }

// schema describes a place that takes what the form says.
func (f *Form) schema() object {
	if f.Shared != "" {
		return object{{"$ref", "#/$defs/" + f.Shared}}
	}
	return f.body()
}

func (f *Form) body() object {
	var choices []any
	if f.Text != nil {
		choices = append(choices, f.Text.schema())
	}
	if f.Items != nil {
		choices = append(choices, object{{"type", "array"}, {"items", f.Items.schema()}})
	}
	if f.Keys != nil || f.Other != nil {
		choices = append(choices, f.mappingSchema())
	}
	if f.Or != nil {
		choices = append(choices, f.Or.schema())
	}
	switch {
	case f.Any || len(choices) == 0:
		return object{}
	case len(choices) == 1:
		return choices[0].(object)
	}
	return object{{"anyOf", choices}}
}

func (f *Form) mappingSchema() object {
	properties := object{}
	var required []any
	for _, k := range f.Keys {
		properties = append(properties, k.schema().as(k.Name))
		if k.Required {
			required = append(required, k.Name)
		}
	}
	o := object{{"type", "object"}}
	if len(properties) > 0 {
		o = append(o, properties.as("properties"))
	}
	if required != nil {
		o = append(o, jsonMember{"required", required})
	}
	switch {
	case f.Other == nil:
		return append(o, jsonMember{"additionalProperties", false})
	case f.Other.Names.Pattern == "":
		return append(o, f.Other.schema().as("additionalProperties"))
	}
	return append(o, object{f.Other.schema().as(anchored(f.Other.Names.Pattern))}.as("patternProperties"), jsonMember{"additionalProperties", false})
}

func anchored(pattern string) string { return "^(" + pattern + ")$" }

func (k Key) schema() object {
	o := k.Form.schema().with("description", k.About)
	if k.Examples != nil {
		var examples []any
		for _, text := range k.Examples {
			examples = append(examples, exampleValue(text))
		}
		o = append(o, jsonMember{"examples", examples})
	}
	return o
}

func (r *Rest) schema() object { return r.Form.schema().with("description", r.About) }

// schema describes a text. Readers of YAML take some texts for numbers and
// booleans, which the language does not mind.
func (t *Text) schema() object {
	anyScalar := []any{"string", "number", "boolean"}
	switch {
	case t.Words != nil:
		values := make([]any, len(t.Words))
		for i, w := range t.Words {
			values[i] = coreOf(w)
		}
		return object{{"enum", values}}
	case t.Integer:
		return object{{"type", "integer"}, {"minimum", t.Min}, {"maximum", t.Max}}
	case t.Bool:
		return object{{"type", "boolean"}}
	case t.Condition:
		return object{{"type", anyScalar}, {"minLength", 1}, {"maxLength", t.Most}}
	case t.Refers == TypeSyntax:
		return object{{"type", "string"}, {"pattern", typePattern()}}
	case t.Pattern != "":
		return object{{"type", "string"}, {"pattern", anchored(t.Pattern)}, {"maxLength", t.Most}}
	}
	o := object{{"type", anyScalar}}
	if t.Most > 0 {
		o = append(o, jsonMember{"maxLength", t.Most})
	}
	return o
}

// typePattern matches what begins like a type.
func typePattern() string {
	var names []string
	for _, form := range typeForms {
		if name, _, _ := strings.Cut(form, "("); len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return `^\s*(` + strings.Join(names, "|") + `)\s*(\([\s\S]*\))?\s*$`
}

func texts(list []string) []any {
	values := make([]any, len(list))
	for i, s := range list {
		values[i] = s
	}
	return values
}

// exampleValue reads an example of the grammar as the core schema of YAML does.
func exampleValue(text string) any {
	c := &compiler{seen: map[Diagnostic]bool{}}
	roots := c.read(File{Name: "example", Data: []byte(text)})
	if len(roots) != 1 {
		panic("the example " + text + " is not YAML")
	}
	return c.coreValue(roots[0], "example")
}

// coreOf types a plain word as the core schema of YAML does.
func coreOf(word string) any {
	c := &compiler{seen: map[Diagnostic]bool{}}
	return c.coreValue(&node{kind: scalar, text: word}, "word")
}
