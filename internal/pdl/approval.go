package pdl

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// defaultApproval is the workflow of rules that name none.
const defaultApproval = "default"

// maxExpiry bounds how long a request waits for votes.
const maxExpiry = 366 * 24 * time.Hour

// An Approval is a workflow: whom a REQUIRE_APPROVAL asks. Who may vote is
// checked when the bundle is compiled and read where votes are collected.
type Approval struct {
	Name   string
	Quorum int // votes at least; 1 or more
}

// A workflow is an approval document while the bundle is being compiled.
type workflow struct {
	at     span
	quorum int
	paths  []*node    // attributes whose teams may vote
	auto   []*passage // conditions of automatic votes
	used   bool
}

var (
	voterKinds  = []string{"role", "group", "principal", "team_of"}
	separations = []string{"requester", "agent.owner", "delegator", "policy_author"}
)

var laterApprovalKeys = []later{
	{"standing", "this version has no standing approvals"},
	{"break_glass", "this version has no break_glass"},
}

func (c *compiler) compileApproval(d *document) {
	w := &workflow{at: d.at, quorum: 1}
	c.workflows[d.name] = w
	f := c.fields(d.root, "an approval", approvalForm.names(), laterApprovalKeys)
	if n := f.got["quorum"]; n != nil {
		if i, ok := c.integer(n, "quorum", 1, maxApprovals); ok {
			w.quorum = int(i)
		}
	}
	if n := f.need("of"); n != nil {
		c.voters(n, "of", w)
	}
	if n := f.got["require"]; n != nil {
		c.requiredVoters(n, w)
	}
	if n := f.got["separation_of_duty"]; n != nil {
		c.separation(n)
	}
	if n := f.got["expires"]; n != nil {
		c.expiry(n, "expires")
	}
	if n := f.got["on_timeout"]; n != nil {
		c.word(n, "on_timeout", []string{"DENY"})
	}
	c.laterVotes(f, d, w)
	c.bundle.Approvals = append(c.bundle.Approvals, Approval{Name: d.name, Quorum: w.quorum})
}

// laterVotes reads what votes by itself, or moves on when nobody does.
func (c *compiler) laterVotes(f *fields, d *document, w *workflow) {
	if n := f.got["escalate"]; n != nil {
		c.escalations(n, w)
		c.need(NeedEscalation, f.keys["escalate"].span(), "leave it out", "the workflow "+d.name+" escalates")
	}
	if n := f.got["auto"]; n != nil {
		c.automatic(n, w)
		c.need(NeedAutomaticVotes, f.keys["auto"].span(), "leave it out", "the workflow "+d.name+" has automatic votes")
	}
}

// voters reads a list such as [{role: sre}, {team_of: resource.owner_team}].
func (c *compiler) voters(n *node, what string, w *workflow) {
	items := c.items(n, what)
	n.unordered = true
	if n.kind == sequence && len(items) == 0 {
		c.errorf(n.span(), "name a role", "%s is an empty list: nobody could vote", what)
	}
	for _, item := range items {
		if f := c.fields(item, "a voter", voterKinds, nil); f != nil {
			c.voter(f, w)
		}
	}
}

// voter reads the one member of f that says who may vote.
func (c *compiler) voter(f *fields, w *workflow) {
	found := 0
	for _, kind := range voterKinds {
		n := f.got[kind]
		if n == nil {
			continue
		}
		found++
		name, ok := c.text(n, kind, 256)
		switch {
		case !ok:
		case kind == "team_of":
			w.paths = append(w.paths, n)
		case !isWord(name):
			c.errorf(n.span(), "use letters, digits and _ - . / : @ +", "%q is no name for a %s", clip(name), kind)
		}
	}
	if found != 1 && len(f.guessed) == 0 {
		c.errorf(f.of.span(), "write {role: sre}", "%s names one of %s", f.what, strings.Join(voterKinds, ", "))
	}
}

func (c *compiler) requiredVoters(n *node, w *workflow) {
	n.unordered = true
	for _, item := range c.items(n, "require") {
		f := c.fields(item, "a required voter", append(slices.Clone(voterKinds), "min"), nil)
		if f == nil {
			continue
		}
		c.voter(f, w)
		least := f.need("min")
		if least == nil {
			continue
		}
		if i, ok := c.integer(least, "min", 1, maxApprovals); ok && int(i) > w.quorum {
			c.errorf(least.span(), "raise the quorum", "min is %d, more than the quorum of %d", i, w.quorum)
		}
	}
}

// separation reads who may not vote. What names an attribute needs it to be
// there: without it nobody could be told apart.
func (c *compiler) separation(n *node) {
	for _, item := range c.oneOrMore(n, "separation_of_duty") {
		word, ok := c.word(item, "separation_of_duty", separations)
		root, name, isPath := strings.Cut(word, ".")
		if !ok || !isPath {
			continue
		}
		i := slices.IndexFunc(c.schema.Agent, func(a Attribute) bool { return a.Name == name })
		if i < 0 || c.schema.Agent[i].Optional || c.schema.Agent[i].Type.Kind != String {
			c.errorf(item.span(), "declare "+name+": string under "+root, "%s is no required string of every agent: without it nobody could vote", word)
		}
	}
}

func (c *compiler) expiry(n *node, what string) {
	text, ok := c.text(n, what, 64)
	if d, err := time.ParseDuration(text); ok && (err != nil || d <= 0 || d > maxExpiry) {
		c.errorf(n.span(), "write 30m or 4h", "%s is a duration of at most %d days, not %q", what, maxExpiry/(24*time.Hour), clip(text))
	}
}

func (c *compiler) escalations(n *node, w *workflow) {
	for _, item := range c.items(n, "escalate") {
		f := c.fields(item, "an escalation", []string{"after", "to"}, nil)
		if f == nil {
			continue
		}
		if after := f.need("after"); after != nil {
			c.expiry(after, "after")
		}
		if to := f.need("to"); to != nil {
			c.voters(to, "to", w)
		}
	}
}

func (c *compiler) automatic(n *node, w *workflow) {
	n.unordered = true
	for _, item := range c.items(n, "auto") {
		f := c.fields(item, "an automatic vote", []string{"when", "as"}, nil)
		if f == nil {
			continue
		}
		if as := f.need("as"); as != nil {
			c.name(as, "a principal", documentName)
		}
		if when := f.need("when"); when != nil {
			if p := c.passage(when, "when"); p != nil && c.parse(p) {
				w.auto = append(w.auto, p)
			}
		}
	}
}

// workflowOf reads the workflow of a rule; n is nil where the rule names none.
// What the workflow reads must be there wherever the rule matches.
func (c *compiler) workflowOf(n *node, r *Rule, covered *typing) {
	name := defaultApproval
	switch {
	case n == nil && (r.Effect != kernel.RequireApproval || c.workflows[defaultApproval] == nil):
		return
	case n != nil:
		at := n.span()
		var ok bool
		if name, ok = c.text(n, "approval", 128); !ok {
			return
		}
		if r.Effect != kernel.RequireApproval {
			c.errorf(at, "leave it out, or say REQUIRE_APPROVAL", "%s with an approval workflow", r.Effect)
			return
		}
		if c.workflows[name] == nil {
			c.errorf(at, c.near(name, kernel.SortedKeys(c.workflows), "approval documents are "), "no approval document is called %q", clip(name))
			return
		}
	}
	w := c.workflows[name]
	w.used, r.Approval = true, name
	if covered == nil {
		return
	}
	for _, path := range w.paths {
		c.teamPath(path, covered)
	}
	for _, p := range w.auto {
		c.check(p, covered, &variables{}, true)
	}
}

// teamPath checks an attribute that names a team.
func (c *compiler) teamPath(n *node, covered *typing) {
	root, name, _ := strings.Cut(n.text, ".")
	if !slices.Contains(attributeRoots, root) || name == "" {
		c.errorf(n.span(), "write team_of: resource.owner_team", "%q is no attribute", clip(n.text))
		return
	}
	if m, ok := c.attribute(n, root, name, covered); ok && m.typ.Kind != String && m.typ.Kind != Enum {
		c.errorf(n.span(), "name a string", "%s is %s, and no team", n.text, m.typ.short())
	}
}

// finishApprovals looks after workflows that no rule names, and notes that the
// others need somebody to collect votes.
func (c *compiler) finishApprovals() {
	for _, name := range kernel.SortedKeys(c.workflows) {
		w := c.workflows[name]
		if w.used {
			c.need(NeedVotes, w.at, "", "rules ask the workflow "+name)
			continue
		}
		if !c.failed {
			c.warnf(w.at, "name it in a rule, or remove it", "the workflow %s is not used", name)
		}
		for _, p := range w.auto {
			c.checkAlone(&variable{passage: p}, &variables{})
		}
	}
	slices.SortFunc(c.bundle.Approvals, func(a, b Approval) int { return cmp.Compare(a.Name, b.Name) })
}
