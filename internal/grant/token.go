package grant

import (
	"crypto/ed25519"
	"encoding/base64"
	"maps"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/canonical"
)

// Claims are what a token says: the members of a JWT (RFC 7519) in brackets.
type Claims struct {
	Issuer        string         // [iss] the log that has the decision
	ID            string         // [jti] of the decision and of the grant
	Agent         string         // [sub]
	Action        string         // [action]
	ResourceType  string         // [resource.type]
	ResourceID    string         // [resource.id]
	Digest        string         // [request_digest] of the exact request
	PolicyVersion string         // [policy_version]
	Constraints   map[string]any // [constraints] true, int64 or []string
	KeptBy        kernel.KeptBy  // [kept_by] as in the decision
	IssuedAt      time.Time      // [iat] whole seconds
	ExpiresAt     time.Time      // [exp] whole seconds: it may be redeemed before
}

// maxToken bounds what is looked at, in bytes.
const maxToken = 256 << 10

// encoding is base64url without padding (RFC 7515 §2), and strict: a second
// spelling of a signature would be a second token.
var encoding = base64.RawURLEncoding.Strict()

// header is the one header there is for a key. It is compared as bytes and
// never obeyed: what algorithm a token is checked with is not the token's to say.
func header(kid string) string {
	return encoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"` + kid + `","typ":"grant+jwt"}`))
}

// Sign makes the token: a JWS in compact form (RFC 7515, RFC 8037).
func (k *Key) Sign(c Claims) (string, error) {
	payload, ok := canonical.AppendValue(nil, c.tree())
	if !ok {
		return "", kernel.Errorf(kernel.Internal, "the claims of grant %s cannot be written as JSON", c.ID)
	}
	signed := header(k.kid) + "." + encoding.EncodeToString(payload)
	return signed + "." + encoding.EncodeToString(ed25519.Sign(k.private, []byte(signed))), nil
}

// Open checks the signature of a token and reads it. When it is over, and
// whether it is about what is to be done, is for the caller to compare.
func Open(token string, keys Keys) (Claims, error) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 || strings.ContainsAny(token, "\r\n") { // which package base64 skips
		return Claims{}, altered("it is not a JWS in compact form")
	}
	kid, known := keys.signedBy(parts[0])
	if !known {
		return Claims{}, altered("its header is not one of this kernel's keys")
	}
	signature, err := encoding.DecodeString(parts[2])
	if err != nil || len(signature) != ed25519.SignatureSize ||
		!ed25519.Verify(keys[kid], []byte(parts[0]+"."+parts[1]), signature) {
		return Claims{}, altered("its signature does not hold")
	}
	payload, err := encoding.DecodeString(parts[1])
	if err != nil {
		return Claims{}, altered("its payload is not base64url")
	}
	return readClaims(payload)
}

// signedBy finds the key whose header a token has.
func (k Keys) signedBy(head string) (kid string, known bool) {
	for _, kid := range kernel.SortedKeys(k) {
		if header(kid) == head {
			return kid, true
		}
	}
	return "", false
}

func altered(why string) error {
	return kernel.Errorf(kernel.GrantAltered, "the grant was not signed by this kernel as it is: %s", why).At("$.grant").
		WithHint("send grant.token of the decision, unchanged")
}

func (c Claims) tree() map[string]any {
	tree := map[string]any{
		"iss": c.Issuer, "jti": c.ID, "sub": c.Agent, "action": c.Action,
		"resource":       map[string]any{"type": c.ResourceType, "id": c.ResourceID},
		"request_digest": c.Digest, "policy_version": c.PolicyVersion,
		"iat": c.IssuedAt.Unix(), "exp": c.ExpiresAt.Unix(),
	}
	constraints := maps.Clone(c.Constraints)
	if constraints == nil {
		constraints = map[string]any{}
	}
	for _, name := range kernel.SortedKeys(constraints) {
		if set, ok := constraints[name].([]string); ok {
			list := make([]any, len(set))
			for i, s := range set {
				list[i] = s
			}
			constraints[name] = list
		}
	}
	tree["constraints"] = constraints
	if len(c.KeptBy) > 0 {
		kept := map[string]any{}
		for _, name := range kernel.SortedKeys(c.KeptBy) {
			kept[name] = c.KeptBy[name]
		}
		tree["kept_by"] = kept
	}
	return tree
}

// readClaims reads what the signature vouches for. That some claim is missing
// is still an error: the key may have signed other things.
func readClaims(payload []byte) (Claims, error) {
	tree, err := kernel.DecodeJSON(payload)
	if err != nil {
		return Claims{}, altered("its payload is not JSON")
	}
	top, _ := tree.(map[string]any)
	resource, _ := top["resource"].(map[string]any)
	iat, ok1 := top["iat"].(int64)
	exp, ok2 := top["exp"].(int64)
	constraints, ok3 := top["constraints"].(map[string]any)
	c := Claims{
		Issuer: text(top, "iss"), ID: text(top, "jti"), Agent: text(top, "sub"), Action: text(top, "action"),
		ResourceType: text(resource, "type"), ResourceID: text(resource, "id"),
		Digest: text(top, "request_digest"), PolicyVersion: text(top, "policy_version"),
		IssuedAt: time.Unix(iat, 0).UTC(), ExpiresAt: time.Unix(exp, 0).UTC(),
	}
	if !ok1 || !ok2 || !ok3 || c.Issuer == "" || c.ID == "" || c.Agent == "" || c.Action == "" || c.ResourceType == "" || c.Digest == "" || c.PolicyVersion == "" {
		return Claims{}, altered("a claim is missing or of another type")
	}
	if c.Constraints, ok1 = readConstraints(constraints); !ok1 {
		return Claims{}, altered("a constraint is of an unknown type")
	}
	kept, _ := top["kept_by"].(map[string]any)
	for _, name := range kernel.SortedKeys(kept) {
		if c.KeptBy == nil {
			c.KeptBy = kernel.KeptBy{}
		}
		c.KeptBy[name] = text(kept, name)
	}
	return c, nil
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

func readConstraints(m map[string]any) (map[string]any, bool) {
	out := make(map[string]any, len(m))
	for _, name := range kernel.SortedKeys(m) {
		switch v := m[name].(type) {
		case bool, int64:
			out[name] = v
		case []any:
			set := make([]string, 0, len(v))
			for _, one := range v {
				s, ok := one.(string)
				if !ok {
					return nil, false
				}
				set = append(set, s)
			}
			out[name] = set
		default:
			return nil, false
		}
	}
	return out, true
}
