package gate

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// A Notice is what a webhook is told of one entry of the log.
type Notice struct {
	Type string     `json:"type"`
	At   time.Time  `json:"timestamp"` // of the entry
	Data NoticeData `json:"data"`
}

// NoticeData is what happened: one of the three, and where the log says it.
type NoticeData struct {
	Approval *ApprovalNotice `json:"approval,omitzero"`
	Glass    *GlassNotice    `json:"breakglass,omitzero"`
	Kill     *KillNotice     `json:"kill,omitzero"`
	Entry    NoticeEntry     `json:"entry"`
}

// A NoticeEntry is where the log has what is told.
type NoticeEntry struct {
	Log   string `json:"log"`
	Shard int    `json:"shard"`
	Seq   uint64 `json:"seq"`
}

// An ApprovalNotice is an approval as it was by an entry. It has what says which
// request it is and whom it asks; what somebody wrote with a vote, and the
// request itself, are not for everybody who reads a channel.
type ApprovalNotice struct {
	ID        string         `json:"id"`
	State     approval.State `json:"state"`
	Code      approval.Code  `json:"code,omitzero"`
	By        string         `json:"by,omitzero"`
	Decision  string         `json:"decision,omitzero"`
	Agent     string         `json:"agent"`
	Owner     string         `json:"owner,omitzero"`
	AskedBy   string         `json:"asked_by,omitzero"`
	Action    string         `json:"action"`
	Resource  *NoticeThing   `json:"resource,omitzero"` // absent once the request was erased
	Digest    string         `json:"request_digest,omitzero"`
	Request   any            `json:"request,omitzero"` // where the endpoint is given it
	Risk      kernel.Risk    `json:"risk_level,omitzero"`
	Rules     []string       `json:"rules,omitzero"`
	Reason    string         `json:"reason,omitzero"`
	Policy    string         `json:"policy_version,omitzero"`
	Opened    time.Time      `json:"opened_at"`
	Expires   time.Time      `json:"expires_at"`
	Settled   time.Time      `json:"settled_at,omitzero"`
	Workflows []WorkflowView `json:"workflows,omitzero"`
	Votes     []NoticeVote   `json:"votes"`
	Link      string         `json:"link,omitzero"` // to a page to vote on
}

// A NoticeThing is a resource.
type NoticeThing struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// A NoticeVote is one vote, without what was written with it.
type NoticeVote struct {
	By        string    `json:"by"`
	Approve   bool      `json:"approve"`
	Automatic bool      `json:"automatic,omitzero"`
	At        time.Time `json:"at"`
}

// A GlassNotice is what somebody allowed alone, and its reviews, without what was
// written with either.
type GlassNotice struct {
	Approval string         `json:"approval"`
	Agent    string         `json:"agent"`
	Action   string         `json:"action"`
	By       string         `json:"by"`
	At       time.Time      `json:"at"`
	Decision string         `json:"decision"`
	Reviews  []NoticeReview `json:"reviews"`
}

// A NoticeReview is one review; one that nobody closed is open.
type NoticeReview struct {
	Workflow  string    `json:"workflow"`
	Due       time.Time `json:"due_at"`
	By        string    `json:"by,omitzero"`
	At        time.Time `json:"at,omitzero"`
	Justified bool      `json:"justified,omitzero"`
}

func glassNotice(g approval.Glass) *GlassNotice {
	n := &GlassNotice{Approval: g.ID, Agent: g.Agent, Action: g.Action, By: g.By, At: g.At, Decision: g.Answer}
	for _, r := range g.Reviews {
		n.Reviews = append(n.Reviews, NoticeReview{r.Workflow, r.Due, r.By, r.At, r.Justified})
	}
	return n
}

// A KillNotice is a kill switch that was set or lifted.
type KillNotice struct {
	Scope  string `json:"scope"`
	Target string `json:"target,omitzero"`
	By     string `json:"by"`
	Reason string `json:"reason,omitzero"`
}

// Notice is what a message tells. It is made of the log at each attempt: what
// was erased meanwhile is not sent any more. whole: with the request.
func (g *Gate) Notice(ctx context.Context, d Delivery, whole bool) (Notice, error) {
	row, err := g.cfg.Store.Entry(ctx, d.Shard, d.Seq)
	if err != nil {
		return Notice{}, fmt.Errorf("read entry %d of shard %d: %w", d.Seq, d.Shard, err)
	}
	e, err := ledger.Read(row)
	if err != nil {
		return Notice{}, fmt.Errorf("entry %d of shard %d was changed: %w; run \"kernel log verify\"", d.Seq, d.Shard, err)
	}
	n := Notice{Type: eventOf(e), At: e.Instant.UTC()}
	n.Data.Entry = NoticeEntry{Log: g.cfg.Signer.Origin(), Shard: d.Shard, Seq: d.Seq}
	if n.Type != d.Event || messageID(e, row) != d.ID {
		return Notice{}, fmt.Errorf("entry %d of shard %d is not what message %s tells of", d.Seq, d.Shard, d.ID)
	}
	switch {
	case e.Registry != nil:
		n.Data.Kill, err = killNotice(e)
	case e.Glass != nil:
		n.Data.Glass = glassNotice(e.Glass.Glass)
	case e.Approval != nil:
		n.Data.Approval, err = g.approvalNotice(ctx, e.Approval.Question, whole)
	default:
		q, _ := e.Question()
		n.Data.Approval, err = g.approvalNotice(ctx, q, whole)
	}
	return n, err
}

func killNotice(e ledger.Entry) (*KillNotice, error) {
	var key []string
	if err := json.Unmarshal([]byte(e.Registry.Key), &key); err != nil || len(key) != 2 {
		return nil, fmt.Errorf("the entry of kill switch %q is not understood", e.Registry.Key)
	}
	return &KillNotice{Scope: key[0], Target: key[1], By: e.Caller, Reason: e.Registry.Reason}, nil
}

// approvalNotice shows a question as it was, and whom it asks by the policy of
// now.
func (g *Gate) approvalNotice(ctx context.Context, q approval.Question, whole bool) (*ApprovalNotice, error) {
	n := &ApprovalNotice{
		ID: q.ID, State: q.State, Code: q.Code, By: q.By, Decision: q.Answer, Agent: q.Agent, Action: q.Action,
		Opened: q.Opened, Expires: q.Expires, Settled: q.Settled, Votes: []NoticeVote{},
	}
	for _, v := range q.Votes {
		n.Votes = append(n.Votes, NoticeVote{v.By, v.Approve, v.Automatic, v.At})
	}
	f, err := g.firstOf(ctx, q.ID)
	if isNotFound(err) {
		return n, nil // it was erased
	}
	if err != nil {
		return nil, err
	}
	asked := f.entry.Decision.Verdict
	n.AskedBy, n.Digest, n.Risk = cmp.Or(q.Asker, f.entry.Caller), f.row.Private.Digest, asked.RiskLevel
	n.Rules, n.Reason, n.Policy = asked.Rules, asked.Reason, asked.PolicyVersion
	n.Link = g.linkTo(q, n.Digest, whole)
	n.Resource = &NoticeThing{f.request.Resource.Type, f.request.Resource.ID}
	if whole {
		n.Request, _ = kernel.DecodeJSON(f.row.Private.Request) // it was read before
	}
	if program := g.program.Load(); program != nil { // else nobody can tell whom it asks
		v, err := g.looked(f, program, q).view(kernel.Caller{})
		if err != nil {
			return nil, err
		}
		n.Owner, n.Workflows = v.Owner, v.Workflows
	}
	return n, nil
}
