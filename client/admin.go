package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// A TokenSpec says what a new token may do.
type TokenSpec struct {
	Name      string        // what uses it: 1–128 characters
	Role      kernel.Role   // exactly one
	Agent     string        // with the role agent: the one agent it is
	SpeaksFor []string      // with the role gateway: agent ids, or prefixes that end in *
	Principal string        // the person or service of the registry that it stands for
	ExpiresIn time.Duration // whole seconds; 0: until it is revoked
}

// A Token is what the kernel tells of a token: never its secret.
type Token struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Role      kernel.Role `json:"role"`
	Agent     string      `json:"agent,omitzero"`
	SpeaksFor []string    `json:"speaks_for,omitzero"`
	Principal string      `json:"principal,omitzero"`
	CreatedAt time.Time   `json:"created_at"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"` // zero: never
	RevokedAt time.Time   `json:"revoked_at,omitzero"` // zero: it was not
}

// CreateToken makes a token. The secret is told here and never again. It takes
// an admin.
func (c *Client) CreateToken(ctx context.Context, spec TokenSpec) (secret string, t Token, err error) {
	body, err := spec.encode()
	if err != nil {
		return "", Token{}, err
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/tokens", body: body}, http.StatusCreated, jsonType)
	if err != nil {
		return "", Token{}, err
	}
	var created struct {
		Secret string `json:"secret"`
		Token  Token  `json:"token"`
	}
	if err := json.Unmarshal(data, &created); err != nil {
		return "", Token{}, fmt.Errorf("read the new token: %w", err)
	}
	if !plausible(created.Secret) || created.Token.ID == "" {
		return "", Token{}, fmt.Errorf("the answer holds no token")
	}
	return created.Secret, created.Token, nil
}

func (s TokenSpec) encode() ([]byte, error) {
	if s.ExpiresIn < 0 || s.ExpiresIn%time.Second != 0 {
		return nil, kernel.Errorf(kernel.Invalid, "a token lives for whole seconds, not %v", s.ExpiresIn).At("$.expires_in")
	}
	wire := struct {
		Name      string      `json:"name"`
		Role      kernel.Role `json:"role"`
		Agent     string      `json:"agent,omitzero"`
		SpeaksFor []string    `json:"speaks_for,omitzero"`
		Principal string      `json:"principal,omitzero"`
		ExpiresIn string      `json:"expires_in,omitzero"`
	}{Name: s.Name, Role: s.Role, Agent: s.Agent, SpeaksFor: s.SpeaksFor, Principal: s.Principal}
	if s.ExpiresIn > 0 {
		wire.ExpiresIn = s.ExpiresIn.String()
	}
	return json.Marshal(wire)
}

// Tokens returns every token, revoked ones too. It takes an admin.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	data, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/tokens"}, http.StatusOK, jsonType)
	if err != nil {
		return nil, err
	}
	var list struct {
		Tokens []Token `json:"tokens"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	return list.Tokens, nil
}

// RevokeToken makes a token worth nothing, for ever. It takes an admin.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	path, err := below("/v1/tokens/", id)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, request{method: http.MethodDelete, path: path}, http.StatusNoContent, "")
	return err
}

// Checkpoint returns the latest signed checkpoint of the log, a signed note
// (C2SP tlog-checkpoint). Its signature is for whoever has the log's public
// key to check. It takes an admin or auditor.
func (c *Client) Checkpoint(ctx context.Context) (string, error) {
	return c.note(ctx, http.MethodGet, nil, nil)
}

// ShardCheckpoint is Checkpoint of one shard of the log; Checkpoint is that of
// the shard which the kernel writes.
func (c *Client) ShardCheckpoint(ctx context.Context, shard int) (string, error) {
	return c.note(ctx, http.MethodGet, url.Values{"shard": {strconv.Itoa(shard)}}, nil)
}

// A LogShard is the part of the log that one kernel writes.
type LogShard struct {
	Shard       int    `json:"shard"`        // its number, as the entries of decisions have it
	Size        uint64 `json:"size"`         // entries
	WrittenHere bool   `json:"written_here"` // by the kernel that was asked
}

// LogShards returns the shards of the log by their numbers. It takes an admin
// or auditor.
func (c *Client) LogShards(ctx context.Context) ([]LogShard, error) {
	var got struct {
		Shards []LogShard `json:"shards"`
	}
	err := c.object(ctx, request{method: http.MethodGet, path: "/v1/log/shards"}, http.StatusOK, &got)
	return got.Shards, err
}

// SignCheckpoint makes the kernel sign a checkpoint of its log as it is now.
// It takes an admin.
func (c *Client) SignCheckpoint(ctx context.Context) (string, error) {
	return c.note(ctx, http.MethodPost, nil, []byte("{}"))
}

func (c *Client) note(ctx context.Context, method string, query url.Values, body []byte) (string, error) {
	data, err := c.do(ctx, request{method: method, path: "/v1/log/checkpoint", query: query, body: body}, http.StatusOK, "text/plain")
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(data), "\n\n— ") {
		return "", fmt.Errorf("the answer is not a signed note")
	}
	return string(data), nil
}

// Ready reports why the kernel cannot decide now, or nil. A kernel that says
// what it lacks is an error with the code [kernel.Unavailable]. It takes no
// token.
func (c *Client) Ready(ctx context.Context) error {
	got, err := c.send(ctx, request{method: http.MethodGet, path: "/readyz"})
	if err != nil {
		return err
	}
	if got.kind == problemType && got.status >= 400 {
		return problem(got)
	}
	var r struct {
		Ready   bool `json:"ready"`
		Missing []struct {
			Part   string `json:"part"`
			Detail string `json:"detail"`
		} `json:"missing"`
	}
	if got.kind != jsonType || json.Unmarshal(got.body, &r) != nil || r.Ready != (got.status == http.StatusOK) {
		return c.stranger(got)
	}
	if r.Ready {
		return nil
	}
	var parts []string
	for _, m := range r.Missing {
		parts = append(parts, m.Part+": "+m.Detail)
	}
	return kernel.Errorf(kernel.Unavailable, "the kernel is not ready: %s", strings.Join(parts, "; "))
}

// below appends an id to a path. An id is one segment, whatever is in it.
func below(path, id string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.Contains(id, "/") || url.PathEscape(id) != id {
		return "", kernel.Errorf(kernel.NotFound, "%q is not an id", id)
	}
	return path + id, nil
}
