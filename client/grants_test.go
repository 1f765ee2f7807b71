package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

func TestAGrantIsCheckedOffline(t *testing.T) {
	key, err := grant.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	set := grant.Keys{}
	if err := set.Add(key.ID(), key.Public()); err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(map[string]any{"keys": set.JWKS()})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := client.ReadKeys(jwks)
	if err != nil {
		t.Fatal(err)
	}
	req := deploy("development")
	digest, err := req.Digest()
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Sign(grant.Claims{
		Issuer: "kernel.example/log", ID: "01JD9XQ4M0000000000000000A", Agent: req.Agent.ID, Action: req.Action,
		ResourceType: req.Resource.Type, ResourceID: req.Resource.ID, Digest: digest, PolicyVersion: "sha256:p",
		Constraints: map[string]any{"canary_only": true, "note": true}, KeptBy: kernel.KeptBy{"note": "caller"},
		IssuedAt: noon, ExpiresAt: noon.Add(time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := keys.Check(token, req, noon.Add(time.Minute-1))
	if err != nil || p.ID != "01JD9XQ4M0000000000000000A" || p.Constraints["canary_only"] != true || !slices.Equal(p.Unkept(), []string{"canary_only"}) {
		t.Errorf("Check = %+v, %v", p, err)
	}
	for _, c := range []struct {
		name  string
		keys  client.Keys
		token string
		req   kernel.Request
		now   time.Time
		want  kernel.Code
	}{
		{"over", keys, token, req, noon.Add(time.Minute), kernel.GrantExpired},
		{"another request", keys, token, deploy("production"), noon, kernel.GrantMismatch},
		{"altered", keys, token[:len(token)-1] + "A", req, noon, kernel.GrantAltered},
		{"no keys", client.Keys{}, token, req, noon, kernel.GrantAltered},
		{"no token", keys, "", req, noon, kernel.GrantAltered},
	} {
		p, err := c.keys.Check(c.token, c.req, c.now)
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != c.want || p.ID != "" {
			t.Errorf("%s: Check = %+v, %v, want %s", c.name, p, err, c.want)
		}
	}
}

func TestAGrantOfAnAnswerIsReadOrRefused(t *testing.T) {
	const id = "01JD9XQ4M0000000000000000A"
	with := func(grant string) string { return strings.Replace(good(t), `"reason"`, grant+`,"reason"`, 1) }
	d, err := answering(t, http.StatusOK, "application/json", with(`"grant":{"id":"`+id+`","token":"a.b.c","expires_at":"2026-11-23T12:01:00Z"}`)).Decide(t.Context(), deploy("development"))
	if err != nil || d.Grant == nil || d.Grant.Token != "a.b.c" || !d.Grant.ExpiresAt.Equal(time.Date(2026, 11, 23, 12, 1, 0, 0, time.UTC)) {
		t.Errorf("Decide = %+v, %v", d.Grant, err)
	}
	for name, bad := range map[string]string{
		"another id": `"grant":{"id":"01JD9XQ4M0000000000000000B","token":"a.b.c","expires_at":"2026-11-23T12:01:00Z"}`,
		"no id":      `"grant":{"token":"a.b.c","expires_at":"2026-11-23T12:01:00Z"}`,
		"no end":     `"grant":{"id":"` + id + `","token":"a.b.c"}`,
	} {
		if d, err := answering(t, http.StatusOK, "application/json", with(bad)).Decide(t.Context(), deploy("development")); err == nil {
			t.Errorf("%s: Decide = %+v", name, d.Grant)
		}
	}
}

func TestOnlyTheGrantThatWasNamedIsAnAnswer(t *testing.T) {
	const id = "01JD9XQ4M0000000000000000A"
	g, err := answering(t, http.StatusOK, "application/json", `{"id":"`+id+`","state":"redeemed","redeemed_by":"gw","new":1}`).Redeem(t.Context(), id, "a.b.c", "")
	if err != nil || g.State != "redeemed" || g.RedeemedBy != "gw" {
		t.Errorf("Redeem = %+v, %v", g, err)
	}
	for _, body := range []string{`{}`, `{"id":"` + id + `"}`, `{"id":"01JD9XQ4M0000000000000000B","state":"redeemed"}`, `[]`, ``} {
		if g, err := answering(t, http.StatusOK, "application/json", body).Redeem(t.Context(), id, "a.b.c", ""); err == nil {
			t.Errorf("Redeem took %s as %+v", body, g)
		}
	}
	if _, err := answering(t, http.StatusOK, "application/json", `{}`).Settle(t.Context(), "../decisions", client.Settlement{Outcome: "failed"}); err == nil {
		t.Error("an id with a slash is sent")
	}
}
