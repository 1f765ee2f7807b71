package client

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// decodeDecision reads a decision whole, by exact names: a constraint that is
// lost on the way would be an obligation that nobody keeps. Members that are
// not known here are accepted.
func decodeDecision(data []byte) (kernel.Decision, error) {
	r, top := readTop(data)
	entry := read[map[string]any](r, top, "entry")
	d := kernel.Decision{
		ID:        r.text(top, "decision_id"),
		Verdict:   r.verdict(top),
		DecidedAt: r.instant(top, "decided_at"),
		Entry: kernel.EntryRef{
			Shard: r.count(entry, "shard"), Seq: uint64(r.count(entry, "seq")), Leaf: r.text(entry, "leaf"),
		},
	}
	if _, given := top["kept_by"]; given {
		d.KeptBy = kernel.KeptBy{}
		for name, who := range read[map[string]any](r, top, "kept_by") {
			d.KeptBy[name], _ = who.(string) // anybody else is nobody
		}
	}
	if _, given := top["approval"]; given {
		a := r.approval(read[map[string]any](r, top, "approval"))
		d.Approval = &a
	}
	if _, given := top["answers"]; given {
		d.Answers = r.text(top, "answers")
	}
	if g, given := top["grant"].(map[string]any); given {
		d.Grant = &kernel.Grant{ID: r.text(g, "id"), ExpiresAt: r.instant(g, "expires_at")}
		d.Grant.Token, _ = g["token"].(string)
		if d.Decision != kernel.Allow || d.Grant.ID != d.ID {
			r.keep(fmt.Errorf("a grant %q with %v %q", d.Grant.ID, d.Decision, d.ID))
		}
	}
	if _, given := top["replayed"]; given {
		d.Replayed = read[bool](r, top, "replayed")
	}
	if r.err != nil {
		return kernel.Decision{}, fmt.Errorf("the decision is not understood: %v", r.err) //nolint:errorlint // see readTop
	}
	return d, nil
}

// approval reads what became of an approval. A state that is not known here is
// none that lets anybody do anything: it is told as it is.
func (r *reader) approval(m map[string]any) kernel.Approval {
	a := kernel.Approval{ID: r.text(m, "id"), State: r.text(m, "state"), ExpiresAt: r.instant(m, "expires_at")}
	for name, to := range map[string]*string{"code": &a.Code, "reason": &a.Reason, "decision": &a.Decision} {
		if _, given := m[name]; given {
			*to = read[string](r, m, name)
		}
	}
	return a
}

// decodeVerdict reads a verdict as decodeDecision does that of a decision.
func decodeVerdict(data []byte) (kernel.Verdict, error) {
	r, top := readTop(data)
	v := r.verdict(top)
	if r.err != nil {
		return kernel.Verdict{}, fmt.Errorf("the verdict is not understood: %v", r.err) //nolint:errorlint // see readTop
	}
	return v, nil
}

// readTop begins to read an object. Its errors are told with %v: the kernel's
// answer is at fault, not the caller's request, which is what a *kernel.Error
// inside would say.
func readTop(data []byte) (*reader, map[string]any) {
	r := &reader{}
	tree, err := kernel.DecodeJSON(data)
	r.keep(err)
	return r, read[map[string]any](r, map[string]any{"the answer": tree}, "the answer")
}

// verdict reads the members of a verdict.
func (r *reader) verdict(top map[string]any) kernel.Verdict {
	v := kernel.Verdict{
		ApprovalsRequired: r.count(top, "approvals_required"),
		Constraints:       r.constraints(top),
		Reason:            read[string](r, top, "reason"),
		Code:              kernel.Code(r.text(top, "code")),
		Rules:             r.texts("rules", read[[]any](r, top, "rules")),
		PolicyVersion:     r.text(top, "policy_version"),
		RequestDigest:     r.text(top, "request_digest"),
	}
	r.keep(v.Decision.UnmarshalText([]byte(r.text(top, "decision"))))
	r.keep(v.RiskLevel.UnmarshalText([]byte(r.text(top, "risk_level"))))
	if _, given := top["advice"]; given {
		v.Advice = r.text(top, "advice")
	}
	if workflows, given := top["workflows"]; given {
		v.Workflows = r.texts("workflows", read[[]any](r, map[string]any{"workflows": workflows}, "workflows"))
	}
	if (v.Decision == kernel.RequireApproval) != (v.ApprovalsRequired > 0) {
		r.keep(fmt.Errorf("%v with approvals_required %d", v.Decision, v.ApprovalsRequired))
	}
	return v
}

// decodePage reads the decisions of a page one by one: each has its own limit
// of values.
func decodePage(data []byte) (Page, error) {
	members, items, err := decodeItems(data)
	if err != nil {
		return Page{}, err
	}
	page := Page{Decisions: make([]kernel.Decision, 0, len(items))}
	for i, item := range items {
		d, err := decodeDecision(item)
		if err != nil {
			return Page{}, fmt.Errorf("decision %d of the page: %w", i, err)
		}
		page.Decisions = append(page.Decisions, d)
	}
	if next, given := members["next_cursor"]; given {
		if err := json.Unmarshal(next, &page.NextCursor); err != nil {
			return Page{}, fmt.Errorf("read the cursor: %w", err)
		}
	}
	return page, nil
}

// decodeItems reads the members of an answer, and the items of its decisions.
func decodeItems(data []byte) (members map[string]json.RawMessage, items []json.RawMessage, err error) {
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, nil, fmt.Errorf("read the decisions: %w", err)
	}
	if err := json.Unmarshal(members["decisions"], &items); err != nil || items == nil {
		return nil, nil, fmt.Errorf("the answer holds no list of decisions")
	}
	return members, items, nil
}

// problem makes the error of a problem document (RFC 9457). The code decides
// what a program does, so one without it is no answer of a kernel.
func problem(a answer) error {
	tree, err := kernel.DecodeJSON(a.body)
	e, ok := problemOf(tree)
	if err != nil || !ok {
		return fmt.Errorf("%w: a problem document without code and detail, status %d", ErrUnreachable, a.status)
	}
	return e
}

func problemOf(tree any) (*kernel.Error, bool) {
	top, _ := tree.(map[string]any)
	code, _ := top["code"].(string)
	detail, _ := top["detail"].(string)
	e := &kernel.Error{Code: kernel.Code(code), Message: detail}
	e.Hint, _ = top["hint"].(string)
	e.Path, _ = top["path"].(string)
	if param, given := top["parameter"].(string); given {
		e.Path = param
	}
	return e, code != "" && detail != ""
}

// A reader picks members out of objects and keeps the first error.
type reader struct{ err error }

func (r *reader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// read returns a member that must be there and be a T.
func read[T any](r *reader, m map[string]any, member string) T {
	v, ok := m[member].(T)
	if !ok {
		r.keep(fmt.Errorf("%s is missing or of another type", member))
	}
	return v
}

func (r *reader) text(m map[string]any, member string) string {
	s := read[string](r, m, member)
	if s == "" {
		r.keep(fmt.Errorf("%s is empty", member))
	}
	return s
}

func (r *reader) count(m map[string]any, member string) int {
	n := read[int64](r, m, member)
	if n < 0 {
		r.keep(fmt.Errorf("%s is negative", member))
	}
	return int(n)
}

func (r *reader) instant(m map[string]any, member string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, read[string](r, m, member))
	if err != nil {
		r.keep(fmt.Errorf("%s is not an instant", member))
	}
	return t.UTC()
}

func (r *reader) texts(what string, list []any) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			r.keep(fmt.Errorf("%s holds something that is not a string", what))
		}
		out = append(out, s)
	}
	return out
}

// constraints are true, an integer, or a list of strings.
func (r *reader) constraints(top map[string]any) map[string]any {
	given := read[map[string]any](r, top, "constraints")
	out := make(map[string]any, len(given))
	for _, name := range kernel.SortedKeys(given) {
		switch v := given[name].(type) {
		case int64:
			out[name] = v
		case []any:
			out[name] = r.texts("constraint "+name, v)
		case bool:
			if !v {
				r.keep(fmt.Errorf("constraint %s is false", name))
			}
			out[name] = v
		default:
			r.keep(fmt.Errorf("constraint %s is of an unknown type", name))
		}
	}
	return out
}
