package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/suggest"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// A tokenView is what is told of a token: not its hash.
type tokenView struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Role      kernel.Role `json:"role"`
	Agent     string      `json:"agent,omitzero"`
	SpeaksFor []string    `json:"speaks_for,omitzero"`
	Principal string      `json:"principal,omitzero"`
	CreatedAt time.Time   `json:"created_at"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"`
	RevokedAt time.Time   `json:"revoked_at,omitzero"`
}

func viewOf(t token.Token) tokenView {
	return tokenView{
		ID: t.ID, Name: t.Name, Role: t.Role, Agent: t.Agent, SpeaksFor: t.SpeaksFor, Principal: t.Principal,
		CreatedAt: t.Created, ExpiresAt: t.Expires, RevokedAt: t.Revoked,
	}
}

// createToken is POST /v1/tokens.
func (d *door) createToken(c *call) (reply, error) {
	spec, err := tokenSpec(c.data)
	if err != nil {
		return reply{}, err
	}
	secret, t, err := d.cfg.Kernel.CreateToken(c.ctx, c.caller, spec)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusCreated, struct {
		Secret string    `json:"secret"`
		Token  tokenView `json:"token"`
	}{secret, viewOf(t)}), nil
}

// listTokens is GET /v1/tokens.
func (d *door) listTokens(c *call) (reply, error) {
	tokens, err := d.cfg.Kernel.Tokens(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	views := make([]tokenView, 0, len(tokens))
	for _, t := range tokens {
		views = append(views, viewOf(t))
	}
	return jsonReply(http.StatusOK, struct {
		Tokens []tokenView `json:"tokens"`
	}{views}), nil
}

// revokeToken is DELETE /v1/tokens/{id}.
func (d *door) revokeToken(c *call) (reply, error) {
	if err := d.cfg.Kernel.RevokeToken(c.ctx, c.caller, c.last); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

var tokenMembers = []string{"name", "role", "agent", "speaks_for", "principal", "expires_in"}

func tokenSpec(data []byte) (token.Spec, error) {
	members, err := decodeObject(data, tokenMembers)
	if err != nil {
		return token.Spec{}, err
	}
	spec := token.Spec{}
	for _, name := range kernel.SortedKeys(members) {
		at, v := kernel.JoinPath("$", name), members[name]
		if name == "speaks_for" {
			if spec.SpeaksFor, err = texts(at, v); err != nil {
				return token.Spec{}, err
			}
			continue
		}
		s, ok := v.(string)
		if !ok {
			return token.Spec{}, kernel.Errorf(kernel.Invalid, "%s is a string", name).At(at)
		}
		switch name {
		case "name":
			spec.Name = s
		case "role":
			spec.Role = kernel.Role(s)
		case "agent":
			spec.Agent = s
		case "principal":
			if spec.Principal = s; s == "" {
				return token.Spec{}, kernel.Errorf(kernel.Invalid, "principal is empty").At(at).WithHint("leave it out")
			}
		case "expires_in":
			if spec.TTL, err = lifetime(at, s); err != nil {
				return token.Spec{}, err
			}
		}
	}
	return spec, nil
}

// lifetime reads hours, minutes and seconds. A life of nothing is an error: it
// would come to mean for ever.
func lifetime(at, s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || strings.Trim(s, "0123456789hms") != "" || strings.Contains(s, "ms") {
		return 0, kernel.Errorf(kernel.Invalid, "a lifetime is a positive number of hours, minutes or seconds").At(at).
			WithHint("720h, or 1h30m; leave it out for a token that lives until it is revoked")
	}
	return d, nil
}

func texts(at string, v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, kernel.Errorf(kernel.Invalid, "it is a list of strings").At(at)
	}
	out := make([]string, 0, len(list))
	for i, element := range list {
		s, ok := element.(string)
		if !ok {
			return nil, kernel.Errorf(kernel.Invalid, "it is a string").At(indexPath(at, i))
		}
		out = append(out, s)
	}
	return out, nil
}

// decodeObject reads a JSON object with no members but the known ones.
func decodeObject(data []byte, known []string) (map[string]any, error) {
	tree, err := kernel.DecodeJSON(data)
	if err != nil {
		return nil, err
	}
	members, ok := tree.(map[string]any)
	if !ok {
		return nil, kernel.Errorf(kernel.Invalid, "the body is a JSON object").At("$")
	}
	if err := onlyMembers("$", members, known); err != nil {
		return nil, err
	}
	return members, nil
}

// onlyMembers refuses a member that is not known.
func onlyMembers(at string, members map[string]any, known []string) error {
	for _, name := range kernel.SortedKeys(members) {
		if !slices.Contains(known, name) {
			e := kernel.Errorf(kernel.Invalid, "unknown member").At(kernel.JoinPath(at, name))
			if near := suggest.DidYouMean(name, known); near != "" {
				return e.WithHint("%s", near)
			}
			return e.WithHint("the members are: %s", strings.Join(known, ", "))
		}
	}
	return nil
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
