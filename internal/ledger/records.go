package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Kinds of records that a kernel keeps beside its log.
const (
	recordRequest = "request"  // key [caller, agent, request_id]; value: the place of its decision
	recordToken   = "token"    // key: the hash of the secret
	recordBundle  = "bundle"   // key: a policy version; value: its source files
	recordActive  = "active"   // key "policy"; value: the active version
	recordGrant   = "grant"    // key: the id of a decision and its grant
	recordKeys    = "grantkey" // key: the name of a key that signs grants
	recordBasis   = "basis"    // key "version"; its version goes up with the registry and the active policy
	recordFact    = "fact"     // key: that of a fact; its version goes up with each event under it

	recordWebhook  = "webhook"          // key: an endpoint; value: how far it was told
	recordDelivery = "webhook_delivery" // key [endpoint, id]; value: a message under way
	recordDead     = "webhook_dead"     // the same, of one that was given up
)

// maxCatchUps bounds how often entries that were written meanwhile are read
// before records that disagree with them are findings.
const maxCatchUps = 5

// records compares the records with what the entries say.
func (v *verification) records(ctx context.Context) error {
	if v.history == nil {
		return nil
	}
	if err := v.inForce(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{v.bundles, v.requests, v.kinds} {
		if err := v.orFinding(ctx, step(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// orFinding makes a failure to read a finding, unless ctx ended.
func (v *verification) orFinding(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return v.unreadable(nil, "the records could not be read", err)
}

// inForce checks the tokens and the active policy. A kernel that runs may have
// changed them since the last entry was read: then its entries are read first.
func (v *verification) inForce(ctx context.Context) error {
	for range maxCatchUps {
		problems, err := v.differences(ctx)
		if err != nil {
			return v.orFinding(ctx, err)
		}
		if len(problems) == 0 || v.Count > 0 || !v.grown(ctx) {
			v.listed(problems)
			return ctx.Err()
		}
		if err := v.readOn(ctx); err != nil {
			return err
		}
	}
	problems, err := v.differences(ctx)
	v.listed(problems)
	return v.orFinding(ctx, err)
}

// grown reports whether there are entries that were not read yet.
func (v *verification) grown(ctx context.Context) bool {
	for _, p := range v.all() {
		if head, err := v.reader.Head(ctx, p.shard); err == nil && head.Size > p.next {
			return true
		}
	}
	return false
}

// readOn reads what was written since every shard was read.
func (v *verification) readOn(ctx context.Context) error {
	for _, p := range v.all() {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if err := v.foresee(ctx); err != nil {
		return err
	}
	for _, p := range v.all() {
		if err := v.orFinding(ctx, p.readFrom(ctx, p.next)); err != nil {
			return err
		}
		if p.bodies != nil {
			p.root = p.bodies.Root()
		}
	}
	return nil
}

func (v *verification) listed(problems []string) {
	for _, p := range problems {
		v.log("%s", p)
	}
}

func (v *verification) differences(ctx context.Context) (problems []string, err error) {
	seen := map[string]bool{}
	for r, err := range v.reader.Records(ctx, recordToken, "") {
		if err != nil {
			return nil, err
		}
		id, problem := v.history.compareToken(r)
		if seen[id] && problem == "" {
			problem = "it is the second record of that token"
		}
		if seen[id] = true; problem != "" {
			problems = append(problems, fmt.Sprintf("the record of token %q: %s", id, problem))
		}
	}
	for _, id := range kernel.SortedKeys(v.history.tokens) {
		if !seen[id] {
			problems = append(problems, fmt.Sprintf("the record of token %q is missing", id))
		}
	}
	more, err := v.registryDifferences(ctx)
	if err != nil {
		return nil, err
	}
	problems = append(problems, more...)
	if more, err = v.approvalDifferences(ctx); err != nil {
		return nil, err
	}
	problems = append(problems, more...)
	if more, err = v.grantDifferences(ctx); err != nil {
		return nil, err
	}
	problems = append(problems, more...)
	active, err := v.activeRecord(ctx)
	if err == nil && active != v.history.active() {
		problems = append(problems, fmt.Sprintf("the record of the active policy says %s, the entries say %s", orNone(active), orNone(v.history.active())))
	}
	return problems, err
}

func (v *verification) activeRecord(ctx context.Context) (string, error) {
	r, err := v.reader.Record(ctx, store.RecordKey{Kind: recordActive, Key: "policy"})
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return string(r.Value), err
}

// tokenRecord is a token record as far as it can be compared with entries.
type tokenRecord struct {
	ID        string      `json:"id"`
	Hash      string      `json:"hash"`
	Name      string      `json:"name"`
	Role      kernel.Role `json:"role"`
	Agent     string      `json:"agent"`
	SpeaksFor []string    `json:"speaks_for"`
	Principal string      `json:"principal"`
	Created   time.Time   `json:"created"`
	Expires   time.Time   `json:"expires"`
	Revoked   time.Time   `json:"revoked"`
}

func (h *history) compareToken(r store.Record) (id, problem string) {
	var t tokenRecord
	if err := json.Unmarshal(r.Value, &t, json.RejectUnknownMembers(true)); err != nil {
		return r.Key, "it cannot be read"
	}
	past, known := h.tokens[t.ID]
	says := TokenChange{Name: t.Name, Roles: []kernel.Role{t.Role}, Agent: t.Agent, SpeaksFor: t.SpeaksFor, Principal: t.Principal, Expires: t.Expires, Hash: t.Hash}
	if known && past.Hash == "" {
		says.Hash = "" // an entry from before it was kept
	}
	switch {
	case t.Hash != r.Key:
		return t.ID, "it is kept under another secret than its own"
	case !known:
		return t.ID, "no entry says that it was created"
	case !past.same(says):
		return t.ID, "it is not the token that was created"
	case past.revoked.IsZero() != t.Revoked.IsZero():
		return t.ID, "it and the entries disagree on whether it was revoked"
	case r.Expires != 0:
		return t.ID, "it would be forgotten"
	}
	return t.ID, ""
}

// bundles compiles every bundle: its version is a hash of what it means.
func (v *verification) bundles(ctx context.Context) error {
	kept := map[string]bool{}
	for r, err := range v.reader.Records(ctx, recordBundle, "") {
		if err != nil {
			return err
		}
		kept[r.Key] = true
		if !v.history.seen[r.Key] {
			v.log("the bundle record %s: no entry says that it was pushed or activated", r.Key)
			continue
		}
		var files []pdl.File
		if err := json.Unmarshal(r.Value, &files, json.RejectUnknownMembers(true)); err != nil {
			v.log("the bundle record %s cannot be read", r.Key)
			continue
		}
		bundle, _ := pdl.Compile(files)
		switch {
		case bundle == nil:
			v.log("the bundle record %s does not compile", r.Key)
		case bundle.Version != r.Key:
			v.log("the bundle record %s was changed: its sources have version %s", r.Key, bundle.Version)
		}
	}
	for _, version := range kernel.SortedKeys(v.history.seen) {
		if !kept[version] {
			v.log("the bundle record %s is missing: its decisions cannot be evaluated again", version)
		}
	}
	return nil
}

// requests looks up the decision of every request_id.
func (v *verification) requests(ctx context.Context) error {
	for r, err := range v.reader.Records(ctx, recordRequest, "") {
		if err != nil {
			return err
		}
		problem, err := v.request(ctx, r)
		if err != nil {
			return err
		}
		if problem != "" {
			v.log("the record of request_id %s: %s", r.Key, problem)
		}
	}
	return nil
}

func (v *verification) request(ctx context.Context, r store.Record) (problem string, err error) {
	var key []string
	at, parse := ParsePlace(r.Value)
	if json.Unmarshal([]byte(r.Key), &key) != nil || len(key) != 3 || parse != nil {
		return "it cannot be read", nil
	}
	row, err := v.reader.Entry(ctx, at.Shard, at.Seq)
	if errors.Is(err, store.ErrNotFound) {
		return "there is no " + at.String(), nil
	}
	if err != nil {
		return "", err
	}
	e, err := Decode(row.Body)
	if err != nil || e.Decision == nil || e.Caller != key[0] || e.Decision.Agent != key[1] {
		return at.String() + " is no decision of that caller about that agent", nil
	}
	return "", nil
}

// kinds finds records that no kernel keeps.
func (v *verification) kinds(ctx context.Context) error {
	lister, ok := v.reader.(store.KindLister)
	if !ok {
		return nil
	}
	kinds, err := lister.Kinds(ctx)
	for _, k := range kinds {
		if !slices.Contains(append(registry.RecordKinds(), recordActive, recordBasis, recordBundle, recordFact, RecordCheckpoint, recordRequest, recordToken, recordGrant, recordKeys, recordApproval, recordDue, recordGlassOpen, recordGlass, recordWebhook, recordDelivery, recordDead), k) {
			v.log("there are records of the kind %q, which this version does not keep", k)
		}
	}
	return err
}
