package kernel

import "time"

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
	DecidedAt time.Time `json:"decided_at"` // the instant it was decided for, UTC
	Entry     EntryRef  `json:"entry"`
	Replayed  bool      `json:"replayed,omitzero"` // the recorded answer to an earlier call with this request_id
}

// An EntryRef is a decision's place in the log.
type EntryRef struct {
	Shard int    `json:"shard"`
	Seq   uint64 `json:"seq"`  // from 0, without gaps
	Leaf  string `json:"leaf"` // hex SHA-256(0x00 ‖ entry), RFC 6962 §2.1
}
