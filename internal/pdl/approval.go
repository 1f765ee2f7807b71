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

// maxExpiry bounds how long a request waits for votes; defaultExpiry is how
// long it waits where the document says nothing.
const (
	maxExpiry     = 366 * 24 * time.Hour
	defaultExpiry = 24 * time.Hour
)

// An Approval is a workflow: whom a REQUIRE_APPROVAL asks. Its automatic votes
// are in the rules that name it, whose attributes their conditions read.
type Approval struct {
	Name     string
	Quorum   int        // votes at least; 1 or more
	Of       []Voter    // who may vote
	Require  []Required // whose votes have to be among them
	Apart    []string   // who may not vote: words of separation_of_duty
	Expires  time.Duration
	Escalate []Escalation

	BreakGlass *BreakGlass // who may allow it alone; nil: nobody
}

// A Voter says who may vote: whoever has a role, is in a group, is the one
// principal, or is in the team that an attribute names.
type Voter struct {
	Kind string // role, group, principal or team_of
	Name string // with team_of an attribute, such as resource.owner_team
}

// A Required says of which voters a quorum needs some.
type Required struct {
	Voter
	Min int
}

// An Escalation lets others vote some time after the request.
type Escalation struct {
	After time.Duration
	To    []Voter
}

// An AutomaticVote is a vote that nobody has to give.
type AutomaticVote struct {
	As   string // the principal whose vote it is
	When *Condition
}

// A workflow is an approval document while the bundle is being compiled.
type workflow struct {
	Approval
	at    span
	paths []*node     // attributes whose teams may vote
	auto  []automatic // votes
	used  bool
}

type automatic struct {
	as   string
	when *passage
}

var (
	voterKinds  = []string{"role", "group", "principal", "team_of"}
	separations = []string{"requester", "agent.owner", "delegator", "policy_author", "distinct_groups"}
)

var laterApprovalKeys = []later{
	{"standing", "this version has no standing approvals"},
}

func (c *compiler) compileApproval(d *document) {
	w := &workflow{at: d.at, Approval: Approval{Name: d.name, Quorum: 1, Expires: defaultExpiry}}
	c.workflows[d.name] = w
	f := c.fields(d.root, "an approval", approvalForm.names(), laterApprovalKeys)
	if n := f.got["quorum"]; n != nil {
		if i, ok := c.integer(n, "quorum", 1, maxApprovals); ok {
			w.Quorum = int(i)
		}
	}
	if n := f.need("of"); n != nil {
		w.Of = c.voters(n, "of", w)
	}
	if n := f.got["require"]; n != nil {
		c.requiredVoters(n, w)
	}
	if n := f.got["separation_of_duty"]; n != nil {
		w.Apart = c.separation(n)
	}
	if n := f.got["expires"]; n != nil {
		w.Expires = c.expiry(n, "expires")
	}
	if n := f.got["on_timeout"]; n != nil {
		c.word(n, "on_timeout", []string{"DENY"})
	}
	if n := f.got["escalate"]; n != nil {
		c.escalations(n, w)
	}
	if n := f.got["auto"]; n != nil {
		c.automatic(n, w)
	}
	if n := f.got["break_glass"]; n != nil {
		c.breakGlass(n, w)
	}
	c.bundle.Approvals = append(c.bundle.Approvals, w.Approval)
}

// voters reads a list such as [{role: sre}, {team_of: resource.owner_team}].
func (c *compiler) voters(n *node, what string, w *workflow) (list []Voter) {
	items := c.items(n, what)
	n.unordered = true
	if n.kind == sequence && len(items) == 0 {
		c.errorf(n.span(), "name a role", "%s is an empty list: nobody could vote", what)
	}
	for _, item := range items {
		if f := c.fields(item, "a voter", voterKinds, nil); f != nil {
			list = append(list, c.voter(f, w))
		}
	}
	return list
}

// voter reads the one member of f that says who may vote.
func (c *compiler) voter(f *fields, w *workflow) (v Voter) {
	found := 0
	for _, kind := range voterKinds {
		n := f.got[kind]
		if n == nil {
			continue
		}
		found++
		name, ok := c.text(n, kind, 256)
		v = Voter{kind, name}
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
	return v
}

func (c *compiler) requiredVoters(n *node, w *workflow) {
	n.unordered = true
	for _, item := range c.items(n, "require") {
		f := c.fields(item, "a required voter", append(slices.Clone(voterKinds), "min"), nil)
		if f == nil {
			continue
		}
		r := Required{Voter: c.voter(f, w)}
		least := f.need("min")
		if least == nil {
			continue
		}
		i, ok := c.integer(least, "min", 1, maxApprovals)
		if ok && int(i) > w.Quorum {
			c.errorf(least.span(), "raise the quorum", "min is %d, more than the quorum of %d", i, w.Quorum)
		}
		r.Min = int(i)
		w.Require = append(w.Require, r)
	}
}

// separation reads who may not vote. What names an attribute needs it to be
// there: without it nobody could be told apart.
func (c *compiler) separation(n *node) (words []string) {
	for _, item := range c.oneOrMore(n, "separation_of_duty") {
		word, ok := c.word(item, "separation_of_duty", separations)
		if ok {
			words = append(words, word)
		}
		root, name, isPath := strings.Cut(word, ".")
		if !ok || !isPath {
			continue
		}
		i := slices.IndexFunc(c.schema.Agent, func(a Attribute) bool { return a.Name == name })
		if i < 0 || c.schema.Agent[i].Optional || c.schema.Agent[i].Type.Kind != String {
			c.errorf(item.span(), "declare "+name+": string under "+root, "%s is no required string of every agent: without it nobody could vote", word)
		}
	}
	return words
}

func (c *compiler) expiry(n *node, what string) time.Duration {
	text, ok := c.text(n, what, 64)
	d, err := time.ParseDuration(text)
	if ok && (err != nil || d <= 0 || d > maxExpiry) {
		c.errorf(n.span(), "write 30m or 4h", "%s is a duration of at most %d days, not %q", what, maxExpiry/(24*time.Hour), clip(text))
	}
	return d
}

func (c *compiler) escalations(n *node, w *workflow) {
	for _, item := range c.items(n, "escalate") {
		f := c.fields(item, "an escalation", []string{"after", "to"}, nil)
		if f == nil {
			continue
		}
		var e Escalation
		if after := f.need("after"); after != nil {
			e.After = c.expiry(after, "after")
		}
		if to := f.need("to"); to != nil {
			e.To = c.voters(to, "to", w)
		}
		w.Escalate = append(w.Escalate, e)
	}
}

func (c *compiler) automatic(n *node, w *workflow) {
	n.unordered = true
	for _, item := range c.items(n, "auto") {
		f := c.fields(item, "an automatic vote", []string{"when", "as"}, nil)
		if f == nil {
			continue
		}
		var name string
		if as := f.need("as"); as != nil {
			name, _ = c.name(as, "a principal", documentName)
		}
		if when := f.need("when"); when != nil {
			if p := c.passage(when, "when"); p != nil && c.parse(p) {
				w.auto = append(w.auto, automatic{name, p})
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
	for _, a := range w.auto {
		if tree := c.check(a.when, covered, &variables{}, true); tree != nil {
			p := a.when
			r.Votes = append(r.Votes, AutomaticVote{a.as, &Condition{Source: p.source, AST: tree, Pos: p.span(0, 0).pos(),
				columns: p.columnsOf(), quoted: p.at.style == singleQuoted, steps: p.steps}})
		}
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
		for _, a := range w.auto {
			c.checkAlone(&variable{passage: a.when}, &variables{})
		}
	}
	slices.SortFunc(c.bundle.Approvals, func(a, b Approval) int { return cmp.Compare(a.Name, b.Name) })
}
