// Package ledger turns what happened into entries of the log, and the log into
// evidence: every entry is a leaf of a Merkle tree whose head is signed.
//
// It promises that an entry, once encoded, can be read, verified and replayed
// by every later version, byte for byte.
package ledger

import (
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// Version is the version of the entry format: the member v of every entry.
const Version = 1

// A Kind says what an entry records.
type Kind string

// The kinds of this version. Kinds are added, never changed.
const (
	KindDecision Kind = "decision"   // a verdict about a request
	KindRefusal  Kind = "refusal"    // a call turned away before it was decided
	KindPolicy   Kind = "policy"     // another bundle decides from here on
	KindEvent    Kind = "event"      // somebody reported what happened elsewhere
	KindBundle   Kind = "bundle"     // a bundle was pushed: it is kept and may become the active one
	KindToken    Kind = "token"      // a token was created or revoked
	KindAccess   Kind = "access"     // somebody read the log or an explanation
	KindGrant    Kind = "grant"      // a grant was issued, redeemed, settled, or expired
	KindGrantKey Kind = "grantkey"   // a key that signs grants was added or retired
	KindApproval Kind = "approval"   // somebody voted on a decision that asks people, or it was settled
	KindGlass    Kind = "breakglass" // somebody allowed alone what others were asked, or that was reviewed
	KindRegistry Kind = "registry"   // a principal, a resource, a delegation or a kill switch was set or removed
	KindWitness  Kind = "witness"    // another shard of the log was seen, and was this
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{KindDecision, KindRefusal, KindPolicy, KindToken, KindAccess, KindRegistry, KindBundle, KindEvent, KindGrant, KindGrantKey, KindWitness, KindApproval, KindGlass}
}

// An Entry is what one leaf of the log says. Exactly one of the pointers is
// set; it gives the entry its kind. The zero Entry cannot be encoded.
type Entry struct {
	Shard   int
	Seq     uint64    // position in the shard, from 0 without gaps
	Instant time.Time // what it was decided for; never before that of the entry before
	Node    string    // who wrote it
	Batch   string    // the commit it was written in
	Caller  string    // the principal behind it
	Door    string    // where it came in; empty for what the kernel does by itself

	Decision *Decided
	Refusal  *Refused
	Policy   *PolicyChange
	Bundle   *Pushed
	Event    *Reported
	Token    *TokenChange
	Access   *Access
	Registry *RegistryChange
	Grant    *GrantChange
	GrantKey *GrantKeyChange
	Witness  *Witnessed
	Approval *ApprovalChange
	Glass    *GlassChange
}

// Decided is the body of a decision. The request is not in it: it and its
// digest lie beside the entry, bound to it by the commitment, so that they can
// be erased without breaking the log.
type Decided struct {
	ID         string // decision id
	Agent      string
	Action     string
	Commitment [32]byte       // [Commit] of salt and canonical request
	Phase1     bool           // the verdict answers the Phase 1 contract
	Facts      map[string]any // what rules could read of the history then: int64, RFC 3339 text for the last of something; counts and sums of 0 are left out
	ClaimedAt  string         // the time the caller of Phase 1 claimed, as sent; nothing rests on it
	Verdict    kernel.Verdict // without RequestDigest, an unsalted hash

	// Standing is what the registry said of the request, as far as the policy
	// looks at it; the zero Standing where it had nothing to say.
	Standing registry.Standing

	// Opened is what a REQUIRE_APPROVAL asks people; nil where nobody was
	// asked. Answers is, of an ALLOW that people gave, the decision that asked
	// them.
	Opened  *Opened
	Answers string
}

// Opened is the beginning of an approval, whose id is that of its decision.
type Opened struct {
	Asker   string // the principal whose token asked; empty: it is nobody's
	Expires time.Time
	Due     time.Time // when something happens to it by itself for the first time
	Needs   []approval.Need
}

// ApprovalChange is the body of an approval entry: what became of a question.
type ApprovalChange struct {
	Change   string            // "voted", "escalated" or "settled"
	Question approval.Question // as its record is from here on
}

// Reported is the body of an event: whoever reported it is the entry's caller.
// What was reported lies beside the entry like the request of a decision, and
// in the form of one: its action is the event.
type Reported struct {
	Event      string   // as the schema declares it
	Commitment [32]byte // [Commit] of salt and canonical request

	// Standing is what the registry said of the resource, and of the agent that
	// it is about, as far as the policy looks at it.
	Standing registry.Standing
}

// commitment is what a private part beside the entry has to fit; nil for kinds
// that have none.
func (e *Entry) commitment() *[32]byte {
	switch {
	case e.Decision != nil:
		return &e.Decision.Commitment
	case e.Event != nil:
		return &e.Event.Commitment
	}
	return nil
}

// Refused is the body of a refusal: what was wrong and how large the body was,
// never the body.
type Refused struct {
	Code  kernel.Code
	Path  string // where in the JSON document; empty when nowhere in particular
	Size  int64  // bytes of the body, or of all bodies when Count > 1
	Count int    // calls this entry stands for: 1, or many of one caller in one second
}

// PolicyChange is the body of a policy entry.
type PolicyChange struct {
	Change   string // "activated"
	Version  string // sha256:… of the bundle
	Previous string // of the one before; empty for the first
	Reason   string // for people, where one was given
	Proof    string // sha256:… of the signed proof record that it took; empty: it took none
}

// Pushed is the body of a bundle entry: whoever pushed it is the entry's caller.
type Pushed struct {
	Version string // sha256:… of the bundle: the key of its record
	Rules   int
	Passed  int    // of its own tests
	Failed  int    // of its own tests: whoever pushed it said that they may
	Reason  string // for people, where one was given
}

// TokenChange is the body of a token entry; of the secret it has the hash.
type TokenChange struct {
	Change    string // "created" or "revoked"
	ID        string
	Name      string
	Roles     []kernel.Role
	Agent     string    // with the role agent
	SpeaksFor []string  // with the role gateway
	Expires   time.Time // zero: never
	Principal string    // the person or service that it stands for; empty: nobody's
	Hash      string    // hex SHA-256 of the secret: the key of its record; empty in entries of before it was kept
}

// RegistryChange is the body of a registry entry: one object as it is from
// here on. Several objects that were changed at once have the same version.
type RegistryChange struct {
	Object  string // principal, resource, delegation or kill
	Key     string // of its record
	Value   []byte // canonical JSON, as its record has it; nil: it was removed
	Version uint64 // of the registry, with this change
	Reason  string // for people, where one was given
}

// Witnessed is the body of a witness entry: what a signed checkpoint says that
// another shard was. A shard that is cut off later, or gone, is missed by it.
type Witnessed struct {
	Shard int
	Size  uint64 // its entries
	Root  merkle.Hash
}

// Access is the body of an access entry: who read is the entry's caller.
type Access struct {
	What  string // what was read: "decision", "decisions", "explain", "dryrun"
	Query string // which of it, as the door was asked
}

// Kind returns the kind of the entry, or "" unless exactly one body is set.
func (e Entry) Kind() Kind {
	var kind Kind
	n := 0
	for _, b := range []struct {
		set  bool
		kind Kind
	}{
		{e.Decision != nil, KindDecision},
		{e.Refusal != nil, KindRefusal},
		{e.Policy != nil, KindPolicy},
		{e.Bundle != nil, KindBundle},
		{e.Event != nil, KindEvent},
		{e.Token != nil, KindToken},
		{e.Access != nil, KindAccess},
		{e.Registry != nil, KindRegistry},
		{e.Grant != nil, KindGrant},
		{e.GrantKey != nil, KindGrantKey},
		{e.Witness != nil, KindWitness},
		{e.Approval != nil, KindApproval},
		{e.Glass != nil, KindGlass},
	} {
		if b.set {
			kind = b.kind
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return kind
}
