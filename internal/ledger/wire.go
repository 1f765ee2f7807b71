package ledger

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
)

// The wire types are the format of version 1 as [Decode] reads it; what Encode
// writes is compared with what was read, so neither can forget a member. They
// never change: what comes later is a new kind or an optional member.

type wireEntry struct {
	Access   *wireAccess   `json:"access"`
	Approval *wireApproval `json:"approval"`
	Glass    *wireGlass    `json:"breakglass"`
	Batch    string        `json:"batch"`
	Bundle   *wireBundle   `json:"bundle"`
	Caller   string        `json:"caller"`
	Decision *wireDecision `json:"decision"`
	Door     string        `json:"door"`
	Event    *wireEvent    `json:"event"`
	Grant    *wireGrant    `json:"grant"`
	GrantKey *wireGrantKey `json:"grantkey"`
	Instant  string        `json:"instant"`
	Kind     Kind          `json:"kind"`
	Node     string        `json:"node"`
	Policy   *wirePolicy   `json:"policy"`
	Refusal  *wireRefusal  `json:"refusal"`
	Registry *wireRegistry `json:"registry"`
	Seq      uint64        `json:"seq"`
	Shard    int           `json:"shard"`
	Token    *wireToken    `json:"token"`
	V        int           `json:"v"`
	Witness  *wireWitness  `json:"witness"`
}

type wireWitness struct {
	Root  string `json:"root"`
	Shard int    `json:"shard"`
	Size  uint64 `json:"size"`
}

type wireAccess struct {
	Query string `json:"query"`
	What  string `json:"what"`
}

type wireDecision struct {
	Action        string                    `json:"action"`
	Agent         string                    `json:"agent"`
	Answers       string                    `json:"answers"`
	Approval      *wireOpened               `json:"approval"`
	ClaimedAt     string                    `json:"claimed_at"`
	Commitment    string                    `json:"commitment"`
	Facts         map[string]jsontext.Value `json:"facts"`
	ID            string                    `json:"id"`
	Phase1        bool                      `json:"phase1"`
	PolicyVersion string                    `json:"policy_version"`
	Registry      *wireStanding             `json:"registry"`
	Verdict       wireVerdict               `json:"verdict"`
}

type wireVerdict struct {
	Advice            string                    `json:"advice"`
	ApprovalsRequired int                       `json:"approvals_required"`
	Code              kernel.Code               `json:"code"`
	Constraints       map[string]jsontext.Value `json:"constraints"`
	Decision          kernel.Effect             `json:"decision"`
	Reason            string                    `json:"reason"`
	RiskLevel         kernel.Risk               `json:"risk_level"`
	Rules             []string                  `json:"rules"`
	Workflows         []string                  `json:"workflows"`
}

type wirePolicy struct {
	Change   string `json:"change"`
	Previous string `json:"previous"`
	Proof    string `json:"proof"`
	Reason   string `json:"reason"`
	Version  string `json:"version"`
}

type wireEvent struct {
	Commitment string        `json:"commitment"`
	Event      string        `json:"event"`
	Registry   *wireStanding `json:"registry"`
}

type wireBundle struct {
	Failed  int    `json:"failed"`
	Passed  int    `json:"passed"`
	Reason  string `json:"reason"`
	Rules   int    `json:"rules"`
	Version string `json:"version"`
}

type wireRefusal struct {
	Code  kernel.Code `json:"code"`
	Count int         `json:"count"`
	Path  string      `json:"path"`
	Size  int64       `json:"size"`
}

type wireToken struct {
	Agent     string        `json:"agent"`
	Change    string        `json:"change"`
	Expires   string        `json:"expires"`
	Hash      string        `json:"hash"`
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Principal string        `json:"principal"`
	Roles     []kernel.Role `json:"roles"`
	SpeaksFor []string      `json:"speaks_for"`
}

// instantLayout is RFC 3339 with exactly nine fractional digits, in UTC.
const instantLayout = "2006-01-02T15:04:05.000000000Z"

// The instants that nanoseconds since 1970 in 64 bits can tell, in whole years.
const minYear, maxYear = 1678, 2261

func formatInstant(t time.Time) (string, error) {
	t = t.UTC()
	if t.Year() < minYear || t.Year() > maxYear {
		return "", fmt.Errorf("instant in year %d; it must be between %d and %d", t.Year(), minYear, maxYear)
	}
	return t.Format(instantLayout), nil
}

func parseInstant(s string) (time.Time, error) {
	t, err := time.Parse(instantLayout, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("instant %q is not RFC 3339 in UTC with nine fractional digits", s)
	}
	return t, nil
}

func parseCommitment(s string) (c [32]byte, err error) { return parseHash("commitment", s) }

func parseHash(what, s string) (c [32]byte, err error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(c) {
		return c, fmt.Errorf("%s %q is not a SHA-256 in hex", what, s)
	}
	return [32]byte(raw), nil
}
