// Package token makes and checks the bearer tokens that stand for callers.
//
// It promises that a token is worth nothing to whoever reads the store: only
// the SHA-256 of its 256 random bits is kept.
package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
)

// Prefix begins every token, so that scanners for leaked secrets find it.
const Prefix = "kt_"

const secretBytes = 32

// A Spec says what a new token may do. Every role has its scope, and an empty
// scope is an error.
type Spec struct {
	Name      string        // for people: 1–128 characters
	Role      kernel.Role   // exactly one
	Agent     string        // with agent: the one agent it is
	SpeaksFor []string      // with gateway: agent ids, or prefixes that end in *
	Principal string        // the person or service of the registry that it stands for; empty: nobody's; with agent: its agent is
	TTL       time.Duration // life from now; 0: until revoked
}

// A Token is what the kernel keeps of a token.
type Token struct {
	ID        string      `json:"id"`   // a ULID
	Hash      string      `json:"hash"` // hex SHA-256 of the secret
	Name      string      `json:"name"`
	Role      kernel.Role `json:"role"`
	Agent     string      `json:"agent,omitzero"`
	SpeaksFor []string    `json:"speaks_for,omitzero"`
	Principal string      `json:"principal,omitzero"`
	Created   time.Time   `json:"created"`
	Expires   time.Time   `json:"expires,omitzero"`
	Revoked   time.Time   `json:"revoked,omitzero"`
}

// New makes a token of a spec. The secret is returned once and kept nowhere;
// random yields its 32 bytes.
func New(spec Spec, id string, now time.Time, random io.Reader) (secret string, t Token, err error) {
	if err := spec.check(); err != nil {
		return "", Token{}, err
	}
	var raw [secretBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", Token{}, fmt.Errorf("read randomness for a token: %w", err)
	}
	secret = Prefix + base64.RawURLEncoding.EncodeToString(raw[:])
	t = Token{
		ID: id, Hash: Hash(secret), Name: spec.Name, Role: spec.Role,
		Agent: spec.Agent, SpeaksFor: slices.Clone(spec.SpeaksFor), Principal: spec.Principal, Created: now.UTC(),
	}
	if spec.TTL > 0 {
		t.Expires = now.Add(spec.TTL).UTC()
	}
	return secret, t, nil
}

func (s Spec) check() error {
	switch {
	case s.Name == "" || len(s.Name) > 128:
		return kernel.Errorf(kernel.Invalid, "a token needs a name of 1 to 128 characters").At("$.name").
			WithHint("name what uses it: ci, payments-gateway")
	case !slices.Contains(kernel.Roles(), s.Role):
		return kernel.Errorf(kernel.Invalid, "unknown role %q", s.Role).At("$.role").
			WithHint("one of %s", listed(kernel.Roles()))
	case s.TTL < 0:
		return kernel.Errorf(kernel.Invalid, "a token cannot expire before it is made").At("$.expires_in")
	case s.Role == kernel.RoleAgent && (s.Agent == "" || len(s.Agent) > kernel.MaxName):
		return kernel.Errorf(kernel.Invalid, "an agent token needs the id of its one agent").At("$.agent")
	case s.Role != kernel.RoleAgent && s.Agent != "":
		return kernel.Errorf(kernel.Invalid, "agent is for tokens with the role agent, not %s", s.Role).At("$.agent")
	case s.Role == kernel.RoleGateway && (len(s.SpeaksFor) == 0 || slices.Contains(s.SpeaksFor, "")):
		return kernel.Errorf(kernel.Invalid, "a gateway token needs the agents it speaks for").At("$.speaks_for").
			WithHint("agent ids, or prefixes that end in *; * alone means every agent")
	case s.Role == kernel.RoleAgent && s.Principal != "":
		return kernel.Errorf(kernel.Invalid, "an agent's token stands for its agent, and for nobody else").At("$.principal").WithHint("leave it out")
	case s.Role == kernel.RoleReporter && s.Principal == "":
		return kernel.Errorf(kernel.Invalid, "a reporter's token needs the person or service that reports").At("$.principal").
			WithHint("the schema says who may report what, by their roles, groups and ids in the registry")
	case s.Role == kernel.RoleApprover && s.Principal == "":
		return kernel.Errorf(kernel.Invalid, "an approver's token needs the principal who votes with it").At("$.principal").
			WithHint("name a person of the registry who has the role approver")
	case len(s.Principal) > kernel.MaxName:
		return kernel.Errorf(kernel.Invalid, "principal is longer than %d bytes", kernel.MaxName).At("$.principal")
	case s.Role != kernel.RoleGateway && len(s.SpeaksFor) > 0:
		return kernel.Errorf(kernel.Invalid, "speaks_for is for tokens with the role gateway, not %s", s.Role).At("$.speaks_for")
	}
	for _, p := range s.SpeaksFor {
		if i := strings.IndexByte(p, '*'); i >= 0 && i != len(p)-1 {
			return kernel.Errorf(kernel.Invalid, "%q: a * stands only at the end", p).At("$.speaks_for")
		}
	}
	return nil
}

// Hash returns what is stored of a secret: hex SHA-256. The secret has 256
// bits of randomness, so no salt or slow hash is needed, and finding a record
// by its hash leaks no timing about the secret.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Plausible reports whether secret has the form of a token at all.
func Plausible(secret string) bool {
	text, ok := strings.CutPrefix(secret, Prefix)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return ok && err == nil && len(raw) == secretBytes
}

// Caller returns who the token stands for at this instant, or an
// Unauthenticated error when it is revoked or expired.
func (t Token) Caller(now time.Time) (kernel.Caller, error) {
	switch {
	case !t.Revoked.IsZero():
		return kernel.Caller{}, kernel.Errorf(kernel.Unauthenticated, "the token was revoked").
			WithHint("ask an administrator for a new one")
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return kernel.Caller{}, kernel.Errorf(kernel.Unauthenticated, "the token expired at %s", t.Expires.Format(time.RFC3339)).
			WithHint("ask an administrator for a new one")
	}
	return kernel.Caller{
		Principal: "token:" + t.ID, Roles: []kernel.Role{t.Role},
		Agent: t.Agent, SpeaksFor: slices.Clone(t.SpeaksFor), StandsFor: t.Principal,
	}, nil
}

// Encode returns the record of a token.
func (t Token) Encode() ([]byte, error) {
	return json.Marshal(t, json.Deterministic(true))
}

// Decode reads a record that Encode wrote. A record with an unknown member, an
// unknown role or an empty scope is an error: it must not be half understood.
func Decode(record []byte) (Token, error) {
	var t Token
	if err := json.Unmarshal(record, &t, json.RejectUnknownMembers(true)); err != nil {
		return Token{}, fmt.Errorf("decode token record: %w", err)
	}
	spec := Spec{Name: t.Name, Role: t.Role, Agent: t.Agent, SpeaksFor: t.SpeaksFor, Principal: t.Principal}
	if err := spec.check(); err != nil {
		return Token{}, fmt.Errorf("token %s: %w", t.ID, err)
	}
	return t, nil
}

// listed names roles for people: admin or auditor.
func listed(roles []kernel.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, " or ")
}
