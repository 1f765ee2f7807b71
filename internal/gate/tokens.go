package gate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// tokens holds every token in memory, by hash: who calls is known without
// asking the disk, and a revocation holds from the commit that records it.
type tokens struct {
	mu     sync.RWMutex
	byHash map[string]versioned
}

type versioned struct {
	token.Token
	version uint64
}

// load reads what was made of tokens, by this gate and by others.
func (t *tokens) load(ctx context.Context, r store.Reader) error {
	read := map[string]versioned{}
	for rec, err := range r.Records(ctx, recordToken, "") {
		if err != nil {
			return err
		}
		tok, err := token.Decode(rec.Value)
		if err != nil {
			return err
		}
		read[rec.Key] = versioned{tok, rec.Version}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byHash == nil {
		t.byHash = read
	}
	for hash, v := range read {
		if v.version > t.byHash[hash].version { // what this gate changed meanwhile is newer
			t.byHash[hash] = v
		}
	}
	return nil
}

func (t *tokens) set(tok token.Token, version uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byHash[tok.Hash] = versioned{tok, version}
}

func (t *tokens) find(match func(token.Token) bool) (versioned, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, v := range t.byHash {
		if match(v.Token) {
			return v, true
		}
	}
	return versioned{}, false
}

// Authenticate returns who a bearer token stands for. The error is a
// *kernel.Error with the code Unauthenticated.
func (g *Gate) Authenticate(secret string) (kernel.Caller, error) {
	g.tokens.mu.RLock()
	v, known := g.tokens.byHash[token.Hash(secret)]
	g.tokens.mu.RUnlock()
	if !known || !token.Plausible(secret) {
		return kernel.Caller{}, kernel.Errorf(kernel.Unauthenticated, "unknown token").
			WithHint("send one from `kernel tokens create`, whole: kt_…")
	}
	caller, err := v.Caller(g.instant())
	if err == nil {
		err = standsFor(g.registry.Load(), v.Token)
	}
	if err != nil {
		return kernel.Caller{}, err
	}
	return caller, nil
}

// standsFor reports why a token is worth nothing by what the registry says of
// whom it stands for. A suspended agent may still ask, so that each of its
// requests is denied and recorded; a retired one may not even do that.
func standsFor(s *registry.Snapshot, t token.Token) error {
	id := cmp.Or(t.Agent, t.Principal)
	if id == "" {
		return nil
	}
	p, known := s.Principal(id)
	switch {
	case t.Agent != "":
		if known && (p.Status == registry.Retired || p.Kind != registry.Agent) {
			return kernel.Errorf(kernel.Unauthenticated, "the agent of the token may not ask any more").WithHint("ask an administrator")
		}
	case !known || p.Status != registry.Active || p.Kind == registry.Agent:
		return kernel.Errorf(kernel.Unauthenticated, "whom the token stands for is not active in the registry").WithHint("ask an administrator")
	case !slices.Contains(p.Roles, string(t.Role)):
		return kernel.Errorf(kernel.Unauthenticated, "whom the token stands for has not the role %s any more", t.Role).WithHint("ask an administrator")
	}
	return nil
}

// CreateToken makes a token and records who made it. The secret is returned
// once and kept nowhere. Only an admin may.
func (g *Gate) CreateToken(ctx context.Context, caller kernel.Caller, spec token.Spec) (string, token.Token, error) {
	if !caller.Is(kernel.RoleAdmin) {
		return "", token.Token{}, adminOnly()
	}
	var secret string
	var tok token.Token
	err := g.submit(ctx, &job{apply: func(b *batch) (err error) {
		id, err := ulid.New(ulid.Timestamp(b.now), g.cfg.Rand)
		if err != nil {
			return fmt.Errorf("make a token id: %w", err)
		}
		if secret, tok, err = token.New(spec, id.String(), b.now, g.cfg.Rand); err != nil {
			return err
		}
		if why := standsFor(b.registry, tok); why != nil {
			return kernel.Errorf(kernel.Invalid, "a token for %q with the role %s: the registry has to know whom it stands for, active and with that role", cmp.Or(tok.Agent, tok.Principal), tok.Role).
				At("$.principal").WithHint("register it with the role, by \"kernel registry apply\"")
		}
		return g.changeToken(b, caller, tok, 0, "created")
	}})
	if err != nil {
		return "", token.Token{}, err
	}
	return secret, tok, nil
}

// RevokeToken ends a token at once and records who ended it. Revoking a
// revoked token changes nothing. Only an admin may.
func (g *Gate) RevokeToken(ctx context.Context, caller kernel.Caller, id string) error {
	if !caller.Is(kernel.RoleAdmin) {
		return adminOnly()
	}
	return g.submit(ctx, &job{apply: func(b *batch) error {
		v, known := g.tokens.find(func(t token.Token) bool { return t.ID == id })
		if !known {
			return kernel.Errorf(kernel.NotFound, "no token %q", id).WithHint("kernel tokens list shows them")
		}
		if !v.Revoked.IsZero() {
			return nil
		}
		v.Token.Revoked = b.now
		return g.changeToken(b, caller, v.Token, v.version, "revoked")
	}})
}

func (g *Gate) changeToken(b *batch, caller kernel.Caller, tok token.Token, from uint64, change string) error {
	record, err := tok.Encode()
	if err != nil {
		return fmt.Errorf("encode token: %w", err)
	}
	_, err = b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal,
		Token: &ledger.TokenChange{
			Change: change, ID: tok.ID, Name: tok.Name, Roles: []kernel.Role{tok.Role},
			Agent: tok.Agent, SpeaksFor: tok.SpeaksFor, Principal: tok.Principal, Expires: tok.Expires, Hash: tok.Hash,
		},
	}, nil)
	if err != nil {
		return err
	}
	b.change(store.Transition{RecordKey: store.RecordKey{Kind: recordToken, Key: tok.Hash}, From: from, Value: record})
	b.announce = append(b.announce, recordToken)
	b.after = append(b.after, func() { g.tokens.set(tok, from+1) })
	return nil
}

// Tokens returns every token, the oldest first, without secrets. Only an admin
// may see them.
func (g *Gate) Tokens(_ context.Context, caller kernel.Caller) ([]token.Token, error) {
	if !caller.Is(kernel.RoleAdmin) {
		return nil, adminOnly()
	}
	g.tokens.mu.RLock()
	defer g.tokens.mu.RUnlock()
	list := make([]token.Token, 0, len(g.tokens.byHash))
	for _, v := range g.tokens.byHash {
		list = append(list, v.Token)
	}
	slices.SortFunc(list, func(a, b token.Token) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// KnowToken makes a secret that was chosen elsewhere (the admin token in the
// data folder) a token of this kernel, unless it is one already.
func (g *Gate) KnowToken(ctx context.Context, secret, name string, role kernel.Role) error {
	if !token.Plausible(secret) {
		return kernel.Errorf(kernel.Invalid, "the secret for %q is no token", name)
	}
	g.tokens.mu.RLock()
	v, known := g.tokens.byHash[token.Hash(secret)]
	g.tokens.mu.RUnlock()
	if known {
		_, err := v.Caller(g.instant())
		return err
	}
	return g.submit(ctx, &job{apply: func(b *batch) error {
		if _, known := g.tokens.find(func(t token.Token) bool { return t.Hash == token.Hash(secret) }); known {
			return nil // another gate was faster
		}
		id, err := ulid.New(ulid.Timestamp(b.now), g.cfg.Rand)
		if err != nil {
			return fmt.Errorf("make a token id: %w", err)
		}
		tok := token.Token{ID: id.String(), Hash: token.Hash(secret), Name: name, Role: role, Created: b.now}
		return g.changeToken(b, kernel.Caller{Principal: g.cfg.Node}, tok, 0, "created")
	}})
}

func adminOnly() error {
	return kernel.Errorf(kernel.Forbidden, "only an admin may do this")
}
