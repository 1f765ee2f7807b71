package eval

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/tape"
)

// DecideJSON decides the request that a JSON document is, as if it had been
// read by [kernel.DecodeRequest] and given to Decide in the input: the same
// documents are taken, the others refused with the same errors. The input's
// Request is not looked at.
//
// Documents without escapes are decided without allocating. The evaluator
// keeps texts of doc until its next decision.
func (e *Evaluator) DecideJSON(doc string, in Input) (v kernel.Verdict, err error) {
	if in.Phase1 || in.Standing != nil || !e.read(doc, &in) {
		return e.decideSlowly(doc, in)
	}
	if err := e.bindFacts(&in); err != nil {
		return kernel.Verdict{}, err
	}
	err = e.decide(&in, &v)
	v.RequestDigest = in.Digest
	if err == nil && e.config.Paranoid {
		err = e.doubtDocument(doc, in, &v)
	}
	return v, err
}

// decideSlowly takes the way that explains what it refuses.
func (e *Evaluator) decideSlowly(doc string, in Input) (v kernel.Verdict, err error) {
	if in.Request, err = kernel.DecodeRequest([]byte(doc)); err != nil {
		return kernel.Verdict{}, err
	}
	return e.Decide(in)
}

// doubtDocument decides the document again, the slow way.
func (e *Evaluator) doubtDocument(doc string, in Input, v *kernel.Verdict) error {
	again, err := e.decideSlowly(doc, in)
	switch {
	case err != nil:
		err = fmt.Errorf("decide: a document was decided that the slower reader refuses: %w", err)
	case !sameVerdict(again, *v):
		err = errors.New("decide: a document has another verdict when the slower reader reads it; this is a fault of the kernel, please report it")
	default:
		return nil
	}
	*v = kernel.Verdict{}
	return err
}

// read fills the frame with a document that is a request, fits the schema and
// has no refusal before the rules; it reports false for any other, and says
// nothing about it.
func (e *Evaluator) read(doc string, in *Input) bool {
	e.shape = nil
	now := instantOf(in.Now)
	if !inRange(now) || !e.tape.Read(doc) || e.tape.Odd || e.tape.Tokens[0].Kind != tape.Object {
		return false
	}
	var d document
	if !d.open(e.tape.Tokens) {
		return false
	}
	if e.shape = e.program.find(d.names[alwaysAction], d.names[alwaysResourceType]); e.shape == nil {
		return false
	}
	e.soon = e.shape.ahead()
	e.frame.reset()
	e.program.layout.begin(e.frame, &d.names, now)
	for i := range e.shape.members {
		if !fillObject(e.frame, d.tokens, e.shape.sections[i], e.shape.members[i], d.objects[i]) {
			return false
		}
	}
	return true
}

// A document is a request on a tape.
type document struct {
	tokens  []tape.Token
	names   [alwaysNow]string
	objects [4]int32 // places of agent, resource, params and context; 0: absent
}

// open finds the parts of a request, and reports false when one is missing or
// not as kernel.DecodeRequest wants it.
func (d *document) open(tokens []tape.Token) bool {
	d.tokens = tokens
	for at := int32(1); at < tokens[0].Next; at = tokens[at+1].Next {
		if !d.member(tokens[at].Text, at+1) {
			return false
		}
	}
	return d.names[alwaysAction] != "" && d.names[alwaysAgentID] != "" && d.names[alwaysResourceID] != "" && d.names[alwaysResourceType] != ""
}

// member takes one member of the request; its value is at a place.
func (d *document) member(name string, at int32) bool {
	v := &d.tokens[at]
	switch name {
	case "action":
		return d.name(alwaysAction, v, kernel.MaxName)
	case "agent":
		return d.object(0, at) && d.inside(at, "id", alwaysAgentID)
	case "resource":
		return d.object(1, at) && d.inside(at, "id", alwaysResourceID) && d.inside(at, "type", alwaysResourceType)
	case "params":
		return d.object(2, at)
	case "context":
		return d.object(3, at)
	case "request_id":
		return isName(v, kernel.MaxRequestID)
	case "wait":
		return v.Kind == tape.String && v.Text == "0s"
	case "grant":
		return v.Kind == tape.False
	}
	return false
}

func (d *document) object(i int, at int32) bool {
	d.objects[i] = at
	return d.tokens[at].Kind == tape.Object
}

// inside takes a name out of an object.
func (d *document) inside(object int32, member string, which int) bool {
	for at := object + 1; at < d.tokens[object].Next; at = d.tokens[at+1].Next {
		if d.tokens[at].Text == member {
			return d.name(which, &d.tokens[at+1], kernel.MaxName)
		}
	}
	return false
}

func (d *document) name(which int, v *tape.Token, limit int) bool {
	d.names[which] = v.Text
	return isName(v, limit)
}

// isName reports whether a value is a name: a text of 1 to limit characters,
// none of which is a control character.
func isName(v *tape.Token, limit int) bool {
	if v.Kind != tape.String || v.Text == "" || len(v.Text) > limit && utf8.RuneCountInString(v.Text) > limit {
		return false
	}
	for i := range len(v.Text) {
		// C2 begins U+0080 to U+00BF, of which half are controls.
		if c := v.Text[i]; c < ' ' || c == 0x7f || c == 0xC2 && v.Text[i+1] < 0xA0 {
			return false
		}
	}
	return true
}
