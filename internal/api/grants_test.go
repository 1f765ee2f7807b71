package api_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// compiled is a program of files.
func compiled(t *testing.T, files []pdl.File) *eval.Program {
	t.Helper()
	b, diags := pdl.Compile(files)
	if b == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(b)
	must(t, err)
	return program
}

var b64 = base64.RawURLEncoding

type grantedBody struct {
	decisionBody
	Grant struct{ ID, Token string } `json:"grant"`
}

// granted asks as the gateway for an ALLOW with a grant.
func (h *house) granted(agent string) grantedBody {
	h.t.Helper()
	d := into[grantedBody](h.t, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions",
		strings.Replace(deployTo("development", `,"grant":true`), "agent-001", agent, 1))))
	if d.Grant.Token == "" || d.Grant.ID != d.ID {
		h.t.Fatalf("no grant: %+v", d)
	}
	return d
}

func TestEachItemOfABatchHasTheGrantThatItAsksFor(t *testing.T) {
	h := newHouse(t, nil)
	allow, grant := deployTo("development", ""), deployTo("development", `,"grant":true`)
	a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(allow, grant, deployTo("staging", `,"grant":true`), grant)))
	got := into[struct{ Decisions []grantedBody }](t, a).Decisions
	if len(got) != 4 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for i, wants := range []bool{false, true, false, true} {
		d := got[i]
		if !wants {
			if d.Grant.Token != "" {
				t.Errorf("item %d (%v) has a grant", i, d.Decision)
			}
			continue
		}
		redeemed := h.do(h.as(kernel.RoleGateway, "POST", "/v1/grants/"+d.ID+":redeem", redeemBody(d.Grant.Token)))
		if d.Decision != kernel.Allow || d.Grant.ID != d.ID || redeemed.status != http.StatusOK {
			t.Errorf("item %d: %+v, redeemed with %d %s", i, d, redeemed.status, redeemed.body)
		}
	}
}

func TestListsOfDecisionsHaveNoGrants(t *testing.T) {
	h := newHouse(t, nil)
	d := h.granted("agent-001")
	if one := h.do(h.as(kernel.RoleGateway, "GET", "/v1/decisions/"+d.ID, "")); !strings.Contains(one.body, d.Grant.Token) {
		t.Errorf("the single decision: %d %s, want its grant", one.status, one.body)
	}
	list := h.do(h.as(kernel.RoleGateway, "GET", "/v1/decisions", ""))
	if !strings.Contains(list.body, d.ID) || strings.Contains(list.body, `"grant"`) {
		t.Errorf("the list: %d %s, want the decision without its grant", list.status, list.body)
	}
}

func redeemBody(token string) string { return `{"grant":"` + token + `"}` }

// forged signs a payload in another way than kernels do.
func forged(header, payload string, sign func(string) []byte) string {
	signed := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	return signed + "." + b64.EncodeToString(sign(signed))
}

func payloadOf(t *testing.T, token string) string {
	t.Helper()
	data, err := b64.DecodeString(strings.Split(token, ".")[1])
	must(t, err)
	return string(data)
}

// TestAttacksOnGrantsAreRefusedAndRecorded: each by its own code, and in the log.
func TestAttacksOnGrantsAreRefusedAndRecorded(t *testing.T) {
	own := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32))
	public := own.Public().(ed25519.PublicKey)
	ours, err := grant.NewKey(own.Seed())
	must(t, err)
	header := `{"alg":"EdDSA","kid":"` + ours.ID() + `","typ":"grant+jwt"}`
	signer := func(key ed25519.PrivateKey) func(string) []byte {
		return func(s string) []byte { return ed25519.Sign(key, []byte(s)) }
	}
	mac := func(secret []byte) func(string) []byte {
		return func(s string) []byte { m := hmac.New(sha256.New, secret); m.Write([]byte(s)); return m.Sum(nil) }
	}
	none := func(string) []byte { return nil }
	change := func(old, new string) func(*house, *grantedBody) {
		return func(h *house, d *grantedBody) {
			p := payloadOf(h.t, d.Grant.Token)
			if !strings.Contains(p, old) {
				h.t.Fatalf("%s does not contain %s", p, old)
			}
			d.Grant.Token = forged(header, strings.Replace(p, old, new, 1), signer(own))
		}
	}
	resign := func(header string, sign func(string) []byte) func(*house, *grantedBody) {
		return func(h *house, d *grantedBody) { d.Grant.Token = forged(header, payloadOf(h.t, d.Grant.Token), sign) }
	}
	for _, c := range []struct {
		name   string
		attack func(*house, *grantedBody)
		want   kernel.Code
	}{
		{"nothing is wrong", func(*house, *grantedBody) {}, ""},
		{"expired", func(h *house, _ *grantedBody) { h.pass(time.Minute) }, kernel.GrantExpired},
		{"replayed", func(h *house, d *grantedBody) {
			h.do(h.as(kernel.RoleGateway, "POST", "/v1/grants/"+d.ID+":redeem", redeemBody(d.Grant.Token)))
		}, kernel.GrantRedeemed},
		{"replayed after it was settled", func(h *house, d *grantedBody) {
			h.do(h.as(kernel.RoleGateway, "POST", "/v1/grants/"+d.ID+":redeem", redeemBody(d.Grant.Token)))
			h.do(h.as(kernel.RoleGateway, "POST", "/v1/grants/"+d.ID+":settle", `{"outcome":"failed","no_effect":true}`))
		}, kernel.GrantRedeemed},
		{"a byte of the signature", func(_ *house, d *grantedBody) {
			parts := strings.Split(d.Grant.Token, ".")
			raw, _ := b64.DecodeString(parts[2])
			raw[5] ^= 1
			d.Grant.Token = parts[0] + "." + parts[1] + "." + b64.EncodeToString(raw)
		}, kernel.GrantAltered},
		{"a payload under the old signature", func(h *house, d *grantedBody) {
			parts := strings.Split(d.Grant.Token, ".")
			longer := strings.Replace(payloadOf(h.t, d.Grant.Token), "svc/checkout", "svc/payments", 1)
			d.Grant.Token = parts[0] + "." + b64.EncodeToString([]byte(longer)) + "." + parts[2]
		}, kernel.GrantAltered},
		{"another agent, signed by the stolen key", change(`"agent-001"`, `"agent-002"`), kernel.GrantAltered},
		{"another resource, signed by the stolen key", change("svc/checkout", "svc/payments"), kernel.GrantAltered},
		{"another digest, signed by the stolen key", change(`"sha256:`, `"sha256:0`), kernel.GrantAltered},
		{"fewer constraints, signed by the stolen key", change(`"max_rows":100`, `"max_rows":999`), kernel.GrantAltered},
		{"another issuer, signed by the stolen key", change("kernel.example/log", "kernel.example/gol"), kernel.GrantAltered},
		{"another kernel's key", resign(header, signer(other)), kernel.GrantAltered},
		{"another key by its own name", resign(strings.Replace(header, ours.ID(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", 1), signer(other)), kernel.GrantAltered},
		{"alg none", resign(`{"alg":"none"}`, none), kernel.GrantAltered},
		{"alg none with our kid", resign(strings.Replace(header, "EdDSA", "none", 1), none), kernel.GrantAltered},
		{"no signature under our header", resign(header, none), kernel.GrantAltered},
		{"HS256 with the public key", resign(strings.Replace(header, "EdDSA", "HS256", 1), mac(public)), kernel.GrantAltered},
		{"HS256 with the public key as text", resign(strings.Replace(header, "EdDSA", "HS256", 1), mac([]byte(ours.Public()))), kernel.GrantAltered},
		{"the right key, a header with an embedded key", resign(strings.Replace(header, `"typ"`, `"jwk":{"kty":"OKP"},"typ"`, 1), signer(own)), kernel.GrantAltered},
		{"the right key, an unprotected spelling", resign(" "+header, signer(own)), kernel.GrantAltered},
		{"padding", func(_ *house, d *grantedBody) { d.Grant.Token += "==" }, kernel.GrantAltered},
		{"a fourth part", func(_ *house, d *grantedBody) { d.Grant.Token += "." }, kernel.GrantAltered},
		{"of another grant", func(h *house, d *grantedBody) { d.Grant.Token = h.granted("agent-001").Grant.Token }, kernel.GrantAltered},
		{"another request", func(_ *house, d *grantedBody) {
			d.Grant.Token += `","request_digest":"sha256:` + strings.Repeat("0", 64)
		}, kernel.GrantMismatch},
		{"another policy", func(h *house, _ *grantedBody) {
			data := []byte("pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {service: {}}\nactions: {deploy_service: {resource: service}}\n")
			files := []pdl.File{{Name: "b.yaml", Data: data}}
			program := compiled(h.t, files)
			must(h.t, h.gate.Activate(h.t.Context(), admin, program, files))
		}, kernel.GrantPolicy},
		{"killed after it was issued", func(h *house, _ *grantedBody) {
			must(h.t, h.gate.Kill(h.t.Context(), admin, registry.ScopeAction, "deploy_*", "incident"))
		}, kernel.GrantKilled},
		{"everything killed", func(h *house, _ *grantedBody) {
			must(h.t, h.gate.Kill(h.t.Context(), admin, registry.ScopeAll, "", "incident"))
		}, kernel.GrantKilled},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, nil)
			d := h.granted("agent-001")
			c.attack(h, &d)
			a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/grants/"+d.ID+":redeem", redeemBody(d.Grant.Token)))
			last := h.last()
			if c.want == "" {
				if a.status != http.StatusOK || last.Grant == nil || last.Grant.Change != "redeemed" {
					t.Errorf("redeem: %d %s, recorded %+v", a.status, a.body, last.Grant)
				}
				return
			}
			if p := into[problem](t, a); a.status < 400 || p.Code != c.want {
				t.Errorf("redeem: %d %s, want %s", a.status, a.body, c.want)
			}
			if last.Refusal == nil || last.Refusal.Code != c.want || last.Door != "grants" {
				t.Errorf("recorded %+v %+v through %q, want the refusal %s", last.Kind(), last.Refusal, last.Door, c.want)
			}
		})
	}
}

func TestOnlyWhoMayActForTheAgentRedeemsAndOnlyTheRedeemerSettles(t *testing.T) {
	h := newHouse(t, nil)
	d := h.granted("agent-002")
	post := func(role kernel.Role, verb, body string) (int, kernel.Code) {
		a := h.do(h.as(role, "POST", "/v1/grants/"+d.ID+":"+verb, body))
		if a.status == http.StatusOK {
			return a.status, ""
		}
		return a.status, into[problem](t, a).Code
	}
	for _, c := range []struct {
		role       kernel.Role
		verb, body string
		status     int
		code       kernel.Code
	}{
		{kernel.RoleAgent, "redeem", redeemBody(d.Grant.Token), http.StatusForbidden, kernel.GrantWrongAgent}, // agent-001's token
		{kernel.RoleAuditor, "redeem", redeemBody(d.Grant.Token), http.StatusForbidden, kernel.Forbidden},
		{kernel.RoleGateway, "settle", `{"outcome":"succeeded"}`, http.StatusConflict, kernel.GrantNotRedeemed},
		{kernel.RoleGateway, "redeem", redeemBody(d.Grant.Token), http.StatusOK, ""},
		{kernel.RoleAdmin, "settle", `{"outcome":"succeeded"}`, http.StatusForbidden, kernel.GrantWrongRedeemer},
		{kernel.RoleAgent, "settle", `{"outcome":"succeeded"}`, http.StatusNotFound, kernel.NotFound}, // not its own: there is none
		{kernel.RoleGateway, "settle", `{"outcome":"fine"}`, http.StatusBadRequest, kernel.Invalid},
		{kernel.RoleGateway, "settle", `{"outcome":"succeeded","no_effect":true}`, http.StatusBadRequest, kernel.Invalid},
		{kernel.RoleGateway, "settle", `{"outcome":"succeeded","result":"ok"}`, http.StatusBadRequest, kernel.Invalid},
		{kernel.RoleGateway, "settle", `{"outcome":"succeeded"}`, http.StatusOK, ""},
		{kernel.RoleGateway, "settle", `{"outcome":"succeeded"}`, http.StatusOK, ""},
		{kernel.RoleGateway, "settle", `{"outcome":"failed"}`, http.StatusConflict, kernel.GrantSettled},
	} {
		if status, code := post(c.role, c.verb, c.body); status != c.status || code != c.code {
			t.Errorf("%s as %s %s: %d %s, want %d %s", c.verb, c.role, c.body, status, code, c.status, c.code)
		}
	}
	if a := h.do(h.as(kernel.RoleAgent, "GET", "/v1/grants/"+d.ID, "")); a.status != http.StatusNotFound {
		t.Errorf("another agent's grant: %d %s", a.status, a.body)
	}
	a := h.do(h.as(kernel.RoleAuditor, "GET", "/v1/grants", ""))
	if list := into[struct{ Grants []grantedState }](t, a); len(list.Grants) != 1 || list.Grants[0].State != "settled" {
		t.Errorf("GET /v1/grants: %s", a.body)
	}
	if last := h.last(); last.Access == nil || last.Access.What != "grants" {
		t.Errorf("that it was read is not recorded: %+v", last)
	}
}

type grantedState struct{ ID, State string }

// TestTheGrantIsForWhoAskedAlone: others see that there is one, not its token.
func TestTheGrantIsForWhoAskedAlone(t *testing.T) {
	h := newHouse(t, nil)
	d := h.granted("agent-001")
	for role, want := range map[kernel.Role]bool{kernel.RoleGateway: true, kernel.RoleAgent: true, kernel.RoleAuditor: false, kernel.RoleAdmin: false} {
		got := into[grantedBody](t, h.do(h.as(role, "GET", "/v1/decisions/"+d.ID, "")))
		if got.Grant.ID != d.ID || (got.Grant.Token == d.Grant.Token) != want || !want && got.Grant.Token != "" {
			t.Errorf("as %s: token told %v, want %v", role, got.Grant.Token != "", want)
		}
	}
	h.pass(2 * time.Minute)
	if got := into[grantedBody](t, h.do(h.as(kernel.RoleGateway, "GET", "/v1/decisions/"+d.ID, ""))); got.Grant.Token != "" {
		t.Error("an expired grant's token is handed out again")
	}
}

func TestKeysAreForEverybodyAndCheckGrantsOffline(t *testing.T) {
	h := newHouse(t, nil)
	d := h.granted("agent-001")
	a := h.do(h.request("GET", "/.well-known/jwks.json", ""))
	keys, err := grant.ReadJWKS([]byte(a.body))
	if err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	claims, err := grant.Open(d.Grant.Token, keys)
	if err != nil || claims.ID != d.ID || claims.Agent != "agent-001" || claims.Digest != d.Digest || claims.PolicyVersion != d.Version {
		t.Errorf("Open = %+v, %v", claims, err)
	}
}

func TestASuspendedAgentsGrantIsWorthNothing(t *testing.T) {
	h := newHouse(t, nil)
	document, err := registry.ReadDocument(map[string]any{"registry": "v1", "agents": map[string]any{"agent-001": map[string]any{}}})
	must(t, err)
	_, err = h.gate.Apply(t.Context(), admin, document, gate.ApplyOptions{})
	must(t, err)
	d := h.granted("agent-001")
	must(t, h.gate.SetStatus(t.Context(), admin, "agent-001", registry.Suspended, "incident"))
	a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/grants/"+d.ID+":redeem", redeemBody(d.Grant.Token)))
	if p := into[problem](t, a); p.Code != kernel.GrantSuspended {
		t.Errorf("redeem: %d %s", a.status, a.body)
	}
}
