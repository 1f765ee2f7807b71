package proof_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/proof"
)

const text = `pdl: v1
kind: schema
name: s
agents: any
resources: {account: {}}
actions: {pay: {resource: account, params: {amount: "int(0..100)"}}}
---
pdl: v1
kind: policy
name: p
rules: [{id: all, match: {action: pay}, when: params.amount < 50, effect: ALLOW}]
---
pdl: v1
kind: property
name: q
properties:
  - {id: never, scope: {action: pay}, never: ALLOW, when: params.amount > 60}
  - {id: some, scope: {action: pay}, reachable: ALLOW}
`

func compile(t *testing.T, text string) *pdl.Bundle {
	t.Helper()
	b, found := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(text)}})
	if b == nil {
		t.Fatal(found)
	}
	return b
}

// key makes a key pair from a seed.
func key(t *testing.T, seed byte) (private string, keys *proof.Keys) {
	t.Helper()
	private, public, err := proof.GenerateKey("ci", bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	if err == nil {
		keys, err = proof.ParseKeys("# CI\n\n" + public + "\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	return private, keys
}

// recordOf is the record that proves a bundle, as kernel prove would write it.
func recordOf(b *pdl.Bundle) map[string]any {
	questions := []any{}
	for _, p := range b.Properties {
		questions = append(questions, map[string]any{
			"bundle": "shop", "name": p.Name, "kind": p.Claim.String(), "asked": p.Sentence(), "verdict": "PROVED", "outcome": "holds",
		})
	}
	return map[string]any{
		"record": "kernel-proof/1", "kernel": "devel", "at": "2026-11-29T10:00:00Z", "task": "properties", "outcome": "holds",
		"bundles": []any{map[string]any{"name": "shop", "policy_version": b.Version}},
		"solvers": []any{map[string]any{"name": "cvc5", "version": "1.0.3", "sha256": strings.Repeat("ab", 32)}}, "questions": questions,
	}
}

func signed(t *testing.T, private string, record map[string]any) string {
	t.Helper()
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text, err := proof.Sign(private, string(data)+"\n")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestARecordOfTheVeryBundleIsTaken(t *testing.T) {
	private, keys := key(t, 1)
	b := compile(t, text)
	record := signed(t, private, recordOf(b))
	digest, err := keys.Check(record, b)
	if err != nil || !strings.HasPrefix(digest, "sha256:") || len(digest) != 71 {
		t.Errorf("Check = %q, %v", digest, err)
	}
	// A record of several bundles proves each of them.
	both := recordOf(b)
	both["bundles"] = append(both["bundles"].([]any), map[string]any{"name": "other", "policy_version": "sha256:00"})
	both["questions"] = append(both["questions"].([]any), map[string]any{"bundle": "other", "name": "x/y", "kind": "never", "asked": "z", "verdict": "PROVED", "outcome": "holds"})
	if _, err := keys.Check(signed(t, private, both), b); err != nil {
		t.Errorf("a record of two bundles: %v", err)
	}
}

// TestWhatDoesNotProveTheBundleIsRefused: even when the right key signed it.
func TestWhatDoesNotProveTheBundleIsRefused(t *testing.T) {
	private, keys := key(t, 1)
	b := compile(t, text)
	question := func(r map[string]any, i int) map[string]any { return r["questions"].([]any)[i].(map[string]any) }
	for says, change := range map[string]func(map[string]any){
		"the record is not about policy version": func(r map[string]any) {
			r["bundles"] = []any{map[string]any{"name": "shop", "policy_version": "sha256:" + strings.Repeat("0", 64)}}
		},
		"alone": func(r map[string]any) {
			r["bundles"] = append(r["bundles"].([]any), map[string]any{"name": "shop", "policy_version": "sha256:00"})
		},
		"leaves out the property q/some":           func(r map[string]any) { r["questions"] = r["questions"].([]any)[:1] },
		"leaves out the property q/never":          func(r map[string]any) { question(r, 0)["bundle"] = "other" },
		"q/never is UNKNOWN in the record":         func(r map[string]any) { question(r, 0)["verdict"] = "UNKNOWN" },
		"q/some is POSSIBLE in the record":         func(r map[string]any) { question(r, 1)["verdict"] = "POSSIBLE" },
		"q/never is PROVED in the record, not":     func(r map[string]any) { question(r, 0)["outcome"] = "undecided" },
		`the record says "broken"`:                 func(r map[string]any) { r["outcome"] = "broken" },
		`and the bundle asks "never ALLOW, of pay`: func(r map[string]any) { question(r, 0)["asked"] = "never ALLOW, of pay, when params.amount > 90" },
		"the record asked of q/some":               func(r map[string]any) { question(r, 1)["kind"] = "never" },
		"more than once":                           func(r map[string]any) { r["questions"] = append(r["questions"].([]any), question(r, 0)) },
		"answers 3 properties": func(r map[string]any) {
			r["questions"] = append(r["questions"].([]any), map[string]any{"bundle": "shop", "name": "q/gone", "kind": "never", "asked": "x", "verdict": "PROVED", "outcome": "holds"})
		},
		"names no solver":                        func(r map[string]any) { r["solvers"] = []any{} },
		"which solver answered":                  func(r map[string]any) { r["solvers"].([]any)[0].(map[string]any)["sha256"] = "ab" },
		"the record is a kernel-proof/1 of lint": func(r map[string]any) { r["task"] = "lint" },
		"the record is a kernel-proof/9":         func(r map[string]any) { r["record"] = "kernel-proof/9" },
		"cannot be read":                         func(r map[string]any) { r["questions"] = "none" },
	} {
		r := recordOf(b)
		change(r)
		refuses(t, keys, signed(t, private, r), b, says)
	}
	bare, _, _ := strings.Cut(text, "---\npdl: v1\nkind: property")
	none := compile(t, bare)
	refuses(t, keys, signed(t, private, recordOf(none)), none, "the bundle has no properties")
	// A bundle that asks more has the same version, and another proof.
	more := compile(t, text+"  - {id: more, scope: {action: pay}, never: DENY}\n")
	if more.Version != b.Version {
		t.Fatal("properties are part of the version")
	}
	refuses(t, keys, signed(t, private, recordOf(b)), more, "leaves out the property q/more")
}

func refuses(t *testing.T, keys *proof.Keys, record string, b *pdl.Bundle, says string) {
	t.Helper()
	digest, err := keys.Check(record, b)
	var ours *kernel.Error
	if digest != "" || !errors.As(err, &ours) || ours.Path != "$.proof" || ours.Hint == "" || !strings.Contains(ours.Message, says) {
		t.Errorf("Check = %q, %v, want a refusal that says %q", digest, err, says)
	}
}

// TestAnAlteredRecordIsRefused: whatever byte of it is another, and whoever
// signed it but the key that is trusted.
func TestAnAlteredRecordIsRefused(t *testing.T) {
	private, keys := key(t, 1)
	stranger, _ := key(t, 2)
	b := compile(t, text)
	record := signed(t, private, recordOf(b))
	for i := range record {
		altered := []byte(record)
		altered[i] ^= 1
		if digest, err := keys.Check(string(altered), b); err == nil {
			t.Fatalf("with another byte at %d it is taken: %s", i, digest)
		}
	}
	open := recordOf(b)
	open["questions"].([]any)[0].(map[string]any)["verdict"] = "UNKNOWN"
	unknown := signed(t, private, open)
	text, _, _ := strings.Cut(record, "\n\n")
	unsigned := text + "\n"
	for what, altered := range map[string]string{
		"nothing at all": "", "without its signature": unsigned, "signed by a stranger": signed(t, stranger, recordOf(b)),
		"an UNKNOWN that became a PROVED": strings.Replace(unknown, "UNKNOWN", "PROVED", 1), "half of it": record[:len(record)/2], "twice": record + record,
	} {
		if digest, err := keys.Check(altered, b); err == nil {
			t.Errorf("%s is taken: %s", what, digest)
		}
	}
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	for _, text := range []string{"", "# nobody\n", "ci+00000000+AAAA", "ci"} {
		if _, err := proof.ParseKeys(text); err == nil {
			t.Errorf("%q is taken for keys", text)
		}
	}
	if _, err := proof.Sign("ci", "{}\n"); err == nil {
		t.Error("something that is no key signs")
	}
	if _, _, err := proof.GenerateKey("a b", bytes.NewReader(make([]byte, 32))); err == nil {
		t.Error("a key has a name with a space")
	}
}
