package token_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/token"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func random() *bytes.Reader { return bytes.NewReader(bytes.Repeat([]byte{7}, 64)) }

func TestATokenStandsForItsCallerUntilItExpiresOrIsRevoked(t *testing.T) {
	secret, tok, err := token.New(token.Spec{Name: "shop", Role: kernel.RoleAgent, Agent: "agent-001", TTL: time.Hour}, "T1", noon, random())
	if err != nil {
		t.Fatal(err)
	}
	if !token.Plausible(secret) || tok.Hash != token.Hash(secret) || strings.Contains(tok.Hash, secret) {
		t.Fatalf("secret %q with record %+v", secret, tok)
	}
	caller, err := tok.Caller(noon.Add(time.Hour - 1))
	if err != nil || !caller.MaySpeakFor("agent-001") || caller.MaySpeakFor("agent-002") {
		t.Fatalf("Caller = %+v, %v", caller, err)
	}
	if _, err := tok.Caller(noon.Add(time.Hour)); !isCode(err, kernel.Unauthenticated) {
		t.Errorf("an expired token: %v, want %s", err, kernel.Unauthenticated)
	}
	tok.Revoked = noon
	if _, err := tok.Caller(noon); !isCode(err, kernel.Unauthenticated) {
		t.Errorf("a revoked token: %v, want %s", err, kernel.Unauthenticated)
	}
}

func TestAnEmptyScopeIsAnError(t *testing.T) {
	for _, spec := range []token.Spec{
		{},
		{Name: "x"},
		{Name: "x", Role: "root"},
		{Role: kernel.RoleAdmin},
		{Name: "x", Role: kernel.RoleAgent},
		{Name: "x", Role: kernel.RoleAdmin, Agent: "agent-001"},
		{Name: "x", Role: kernel.RoleGateway},
		{Name: "x", Role: kernel.RoleGateway, SpeaksFor: []string{""}},
		{Name: "x", Role: kernel.RoleGateway, SpeaksFor: []string{"a*b"}},
		{Name: "x", Role: kernel.RoleAuditor, SpeaksFor: []string{"*"}},
		{Name: "x", Role: kernel.RoleAuditor, TTL: -1},
	} {
		if _, _, err := token.New(spec, "T1", noon, random()); !isCode(err, kernel.Invalid) {
			t.Errorf("New(%+v): %v, want %s", spec, err, kernel.Invalid)
		}
	}
}

func TestARecordIsReadBackAsItWas(t *testing.T) {
	_, want, err := token.New(token.Spec{Name: "gw", Role: kernel.RoleGateway, SpeaksFor: []string{"shop-*"}}, "T1", noon, random())
	if err != nil {
		t.Fatal(err)
	}
	record, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := token.Decode(record)
	if err != nil {
		t.Fatal(err)
	}
	if got.Hash != want.Hash || got.SpeaksFor[0] != "shop-*" || !got.Created.Equal(noon) {
		t.Errorf("Decode = %+v, want %+v", got, want)
	}
	for _, bad := range []string{`{}`, `{"id":"T1","role":"gateway","name":"gw"}`, strings.Replace(string(record), `"name"`, `"nome"`, 1)} {
		if _, err := token.Decode([]byte(bad)); err == nil {
			t.Errorf("Decode(%s) accepted it", bad)
		}
	}
}

func isCode(err error, code kernel.Code) bool {
	var e *kernel.Error
	return errors.As(err, &e) && e.Code == code
}
