package kernel

import (
	"slices"
	"time"
)

// A Verdict is what the policy says about a request: a pure function of the
// program, the request and the instant, byte for byte the same every time.
type Verdict struct {
	Decision          Effect         `json:"decision"`
	RiskLevel         Risk           `json:"risk_level"`
	ApprovalsRequired int            `json:"approvals_required"` // 0 unless Decision is RequireApproval
	Workflows         []string       `json:"workflows,omitzero"` // the approval workflows asked, sorted; nil where none is
	Constraints       map[string]any `json:"constraints"`        // never nil; a flag is true, a bound int64, a set []string
	Reason            string         `json:"reason"`
	Code              Code           `json:"code"`
	Advice            string         `json:"advice,omitzero"` // what the caller can do instead
	Rules             []string       `json:"rules"`           // never nil; `document/id`, the deciding ones first
	PolicyVersion     string         `json:"policy_version"`  // sha256:…
	RequestDigest     string         `json:"request_digest"`  // sha256:…, see [Request.Digest]
}

// A Decision is a verdict that is on disk.
type Decision struct {
	ID string `json:"decision_id"` // a ULID
	Verdict
	DecidedAt time.Time `json:"decided_at"`     // the instant it was decided for, UTC
	Grant     *Grant    `json:"grant,omitzero"` // nil: it carries none
	Entry     EntryRef  `json:"entry"`
	KeptBy    KeptBy    `json:"kept_by,omitzero"`  // nil where whoever executes keeps every constraint
	Replayed  bool      `json:"replayed,omitzero"` // the recorded answer to an earlier call with this request_id
	Approval  *Approval `json:"approval,omitzero"` // of a REQUIRE_APPROVAL: what became of it; nil where nobody was asked
	Answers   string    `json:"answers,omitzero"`  // of an ALLOW that people gave: the decision that asked them
}

// A Grant is the single-use permission that comes with an ALLOW: it is redeemed
// before the effect, once, by whoever executes.
type Grant struct {
	ID        string    `json:"id"`             // that of the decision
	Token     string    `json:"token,omitzero"` // a JWS, for the one who asked; empty for others, and once it is of no use
	ExpiresAt time.Time `json:"expires_at"`     // it may be redeemed before
}

// An Approval is what people made of a decision that asks them. Its id is the
// decision's.
type Approval struct {
	ID        string    `json:"id"`
	State     string    `json:"state"` // PENDING, APPROVED, REJECTED, EXPIRED or CANCELLED
	ExpiresAt time.Time `json:"expires_at"`
	Code      string    `json:"code,omitzero"`     // why it is not pending any more
	Reason    string    `json:"reason,omitzero"`   // the same, for people
	Decision  string    `json:"decision,omitzero"` // of an approved one: the decision that allows it
}

// Settled reports whether nothing becomes of an approval any more.
func (a *Approval) Settled() bool { return a == nil || a.State != "PENDING" }

// KeptBy says who keeps a constraint, kernel or caller, by its name. What it
// does not name is kept by the door: by whoever executes, who refuses instead
// what it does not keep.
type KeptBy map[string]string

// Unkept lists the constraints of a decision that whoever executes has to keep
// and does not, sorted; kept names those that it does keep. Unless the list is
// empty, an ALLOW is a refusal.
func (d *Decision) Unkept(kept ...string) []string {
	var list []string
	for _, name := range SortedKeys(d.Constraints) {
		other := d.KeptBy[name] == "kernel" || d.KeptBy[name] == "caller"
		if !other && !slices.Contains(kept, name) {
			list = append(list, name)
		}
	}
	return list
}

// An EntryRef is a decision's place in the log.
type EntryRef struct {
	Shard int    `json:"shard"`
	Seq   uint64 `json:"seq"`  // from 0, without gaps
	Leaf  string `json:"leaf"` // hex SHA-256(0x00 ‖ entry), RFC 6962 §2.1
}
