package kernel

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// Limits of a request; a body that exceeds one is refused, never cut.
const (
	MaxBody      = 1 << 20 // bytes of a request body
	MaxDepth     = 64      // levels of nesting
	MaxValues    = 1 << 16 // values in one document
	MaxName      = 256     // characters of agent.id, action, resource.type and resource.id
	MaxRequestID = 128     // characters of request_id
	MaxRequests  = 1000    // requests of one batch

	MaxWait = time.Minute // that one call waits for an approval
)

// A Request asks whether an agent may do one thing now.
//
// Attribute values are bool, int64, string, []any and map[string]any.
// Integers are within ±(2^53−1), the range every JSON reader agrees on (RFC 7493).
type Request struct {
	RequestID string // deduplicates retries for 24 h, per caller and agent; empty: nothing is deduplicated
	Agent     Agent
	Action    string
	Resource  Resource
	Params    map[string]any
	Context   map[string]any
	Grant     bool          // an ALLOW shall carry a grant; no part of what is decided
	Wait      time.Duration // how long the answer may be held while people vote: whole seconds, at most MaxWait; 0: not at all
}

// An Agent is whoever acts. Attributes are what the request claims about it.
type Agent struct {
	ID         string
	Attributes map[string]any
}

// A Resource is what is acted upon. Attributes are what the request claims
// about it.
type Resource struct {
	Type, ID   string
	Attributes map[string]any
}

var requestMembers = []string{"request_id", "agent", "action", "resource", "params", "context", "wait", "grant"}

// DecodeRequest reads a request from strict JSON (see [DecodeJSON]). Unknown
// members, missing names, names out of bounds and numbers that are not
// integers within ±(2^53−1) are errors that say where. The limits hold.
func DecodeRequest(data []byte) (Request, error) {
	tree, err := DecodeJSON(data)
	if err != nil {
		return Request{}, err
	}
	return requestOf(tree)
}

// RequestFromTree makes a request of a tree that DecodeJSON returned.
func RequestFromTree(tree any) (Request, error) {
	if top, ok := tree.(map[string]any); ok {
		top = maps.Clone(top)
		for _, name := range []string{"agent", "resource"} {
			if m, ok := top[name].(map[string]any); ok {
				top[name] = maps.Clone(m)
			}
		}
		tree = top
	}
	return requestOf(tree)
}

// requestOf makes a request of a tree, of whose maps it keeps some.
func requestOf(tree any) (Request, error) {
	top, ok := tree.(map[string]any)
	if !ok {
		return Request{}, Errorf(Invalid, "a request is a JSON object, not %s", kindOf(tree)).At("$")
	}
	if err := checkValues("$", tree); err != nil {
		return Request{}, err
	}
	if err := checkMembers(top); err != nil {
		return Request{}, err
	}
	d := treeReader{}
	req := Request{
		RequestID: d.optionalName(top, "$", "request_id", MaxRequestID),
		Action:    d.name(top, "$", "action"),
		Params:    d.optionalObject(top, "params"),
		Context:   d.optionalObject(top, "context"),
	}
	if agent := d.object(top, "agent"); agent != nil {
		req.Agent.ID = d.name(agent, "$.agent", "id")
		delete(agent, "id")
		req.Agent.Attributes = agent
	}
	if resource := d.object(top, "resource"); resource != nil {
		req.Resource.Type = d.name(resource, "$.resource", "type")
		req.Resource.ID = d.name(resource, "$.resource", "id")
		delete(resource, "type")
		delete(resource, "id")
		req.Resource.Attributes = resource
	}
	req.Grant = d.optionalFlag(top, "grant")
	req.Wait = d.wait(top)
	if d.err != nil {
		return Request{}, d.err
	}
	return req, nil
}

// checkMembers refuses the first member, by name, that a request does not have.
func checkMembers(top map[string]any) error {
	known := 0
	for _, name := range requestMembers {
		if _, present := top[name]; present {
			known++
		}
	}
	if known == len(top) {
		return nil
	}
	names := slices.DeleteFunc(SortedKeys(top), func(name string) bool { return slices.Contains(requestMembers, name) })
	e := Errorf(Invalid, "unknown member").At(JoinPath("$", names[0]))
	if near := suggest.DidYouMean(names[0], requestMembers); near != "" {
		return e.WithHint("%s", near)
	}
	return e.WithHint("a request has %s", strings.Join(requestMembers, ", "))
}

// Check reports the first thing that keeps a request built in Go from being
// sent: a missing name, a name out of bounds, a value of a type JSON does not
// have here.
func (r Request) Check() error {
	data, err := r.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = DecodeRequest(data)
	return err
}

// MarshalJSON writes the request as `POST /v1/decisions` takes it.
func (r Request) MarshalJSON() ([]byte, error) {
	m := r.bound()
	if r.RequestID != "" {
		m["request_id"] = r.RequestID
	}
	if r.Wait != 0 {
		m["wait"] = strconv.Itoa(int(r.Wait/time.Second)) + "s"
	}
	if r.Grant {
		m["grant"] = true
	}
	if r.Params == nil {
		delete(m, "params")
	}
	if r.Context == nil {
		delete(m, "context")
	}
	return json.Marshal(m, json.Deterministic(true))
}

// UnmarshalJSON is [DecodeRequest].
func (r *Request) UnmarshalJSON(data []byte) error {
	req, err := DecodeRequest(data)
	if err == nil {
		*r = req
	}
	return err
}

// Canonical returns the RFC 8785 form of {agent, action, resource, params,
// context}, absent params and context being {}: what approvals, grants and
// the log bind to.
func (r Request) Canonical() ([]byte, error) {
	if data, ok := appendRequest(make([]byte, 0, 512), &r); ok {
		return data, nil
	}
	return r.canonicalByLibrary()
}

// canonicalByLibrary writes what is no attribute value of ours, or says why
// JSON has none for it. On the values that appendRequest knows both
// write the same bytes.
func (r Request) canonicalByLibrary() ([]byte, error) {
	data, err := json.Marshal(r.bound(), json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	v := jsontext.Value(data)
	if err := v.Canonicalize(); err != nil {
		return nil, fmt.Errorf("canonicalize request: %w", err)
	}
	return v, nil
}

// Digest returns "sha256:" and the hex SHA-256 of Canonical.
func (r Request) Digest() (string, error) {
	c, err := r.Canonical()
	if err != nil {
		return "", err
	}
	return Digest(c), nil
}

func (r Request) bound() map[string]any {
	agent, resource := cloneOrEmpty(r.Agent.Attributes), cloneOrEmpty(r.Resource.Attributes)
	agent["id"], resource["type"], resource["id"] = r.Agent.ID, r.Resource.Type, r.Resource.ID
	return map[string]any{
		"agent": agent, "action": r.Action, "resource": resource,
		"params": cloneOrEmpty(r.Params), "context": cloneOrEmpty(r.Context),
	}
}

// A treeReader picks members out of decoded objects and keeps the first error.
type treeReader struct{ err error }

func (d *treeReader) fail(e *Error) {
	if d.err == nil {
		d.err = e
	}
}

func (d *treeReader) name(m map[string]any, at, member string) string {
	if _, present := m[member]; !present {
		d.fail(Errorf(Invalid, "%s is required", member).At(JoinPath(at, member)))
		return ""
	}
	return d.optionalName(m, at, member, MaxName)
}

func (d *treeReader) optionalName(m map[string]any, at, member string, limit int) string {
	v, present := m[member]
	if !present {
		return ""
	}
	s, ok := v.(string)
	switch {
	case !ok:
		d.fail(Errorf(Invalid, "%s is a string, not %s", member, kindOf(v)).At(JoinPath(at, member)))
	case s == "":
		d.fail(Errorf(Invalid, "%s is empty", member).At(JoinPath(at, member)))
	case utf8.RuneCountInString(s) > limit:
		d.fail(Errorf(Invalid, "%s is longer than %d characters", member, limit).At(JoinPath(at, member)))
	case strings.ContainsFunc(s, isControl):
		d.fail(Errorf(Invalid, "%s contains a control character", member).At(JoinPath(at, member)))
	}
	return s
}

func (d *treeReader) object(m map[string]any, member string) map[string]any {
	if _, present := m[member]; !present {
		d.fail(Errorf(Invalid, "%s is required", member).At(JoinPath("$", member)))
		return nil
	}
	return d.optionalObject(m, member)
}

func (d *treeReader) optionalObject(m map[string]any, member string) map[string]any {
	v, present := m[member]
	if !present {
		return nil
	}
	o, ok := v.(map[string]any)
	if !ok {
		d.fail(Errorf(Invalid, "%s is an object, not %s", member, kindOf(v)).At(JoinPath("$", member)))
	}
	return o
}

func (d *treeReader) optionalFlag(m map[string]any, member string) bool {
	v, present := m[member]
	b, ok := v.(bool)
	if present && !ok {
		d.fail(Errorf(Invalid, "%s is true or false, not %s", member, kindOf(v)).At(JoinPath("$", member)))
	}
	return b
}

// wait reads how long the answer may be held: a duration such as 30s.
func (d *treeReader) wait(m map[string]any) time.Duration {
	v, present := m["wait"]
	if !present {
		return 0
	}
	text, _ := v.(string)
	wait, err := ParseWait(text)
	if err != nil {
		d.fail(Errorf(Invalid, "wait is in whole seconds, at most %d", MaxWait/time.Second).At("$.wait").WithHint("write 30s, or leave it out"))
	}
	return wait
}

// ParseWait reads how long a call waits for an approval: whole seconds, from 0s
// to 60s.
func ParseWait(text string) (time.Duration, error) {
	digits, found := strings.CutSuffix(text, "s")
	n, err := strconv.ParseUint(digits, 10, 8)
	if !found || err != nil || n > uint64(MaxWait/time.Second) || digits != strconv.FormatUint(n, 10) {
		return 0, Errorf(Invalid, "wait is in whole seconds, at most %d", MaxWait/time.Second).At("wait").WithHint("write 30s")
	}
	return time.Duration(n) * time.Second, nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }
