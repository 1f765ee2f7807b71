package grant_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func key(t testing.TB, b byte) *grant.Key {
	t.Helper()
	k, err := grant.NewKey(bytes.Repeat([]byte{b}, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keysOf(t testing.TB, list ...*grant.Key) grant.Keys {
	t.Helper()
	keys := grant.Keys{}
	for _, k := range list {
		if err := keys.Add(k.ID(), k.Public()); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func claims() grant.Claims {
	return grant.Claims{
		Issuer: "kernel.example/log", ID: "01KB000000000000000000000A", Agent: "agent-001", Action: "deploy",
		ResourceType: "service", ResourceID: "svc/checkout", Digest: "sha256:" + strings.Repeat("0a", 32), PolicyVersion: "sha256:p",
		Constraints: map[string]any{"canary_only": true, "max_rows": int64(100), "hosts": []string{"b", "a"}},
		KeptBy:      kernel.KeptBy{"hosts": "caller"}, IssuedAt: noon, ExpiresAt: noon.Add(time.Minute),
	}
}

func TestATokenSaysWhatWasSigned(t *testing.T) {
	k, other := key(t, 1), key(t, 2)
	token, err := k.Sign(claims())
	if err != nil {
		t.Fatal(err)
	}
	got, err := grant.Open(token, keysOf(t, k, other))
	if err != nil || !reflect.DeepEqual(got, claims()) {
		t.Errorf("Open = %+v, %v, want %+v", got, err, claims())
	}
	again, err := k.Sign(claims())
	if err != nil || again != token {
		t.Error("the same claims make another token")
	}
	for name, keys := range map[string]grant.Keys{"no keys": nil, "another key": keysOf(t, other)} {
		if _, err := grant.Open(token, keys); codeOf(err) != kernel.GrantAltered {
			t.Errorf("%s: Open = %v", name, err)
		}
	}
}

func codeOf(err error) kernel.Code {
	var e *kernel.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestEveryByteOfATokenMatters changes each in turn.
func TestEveryByteOfATokenMatters(t *testing.T) {
	k := key(t, 1)
	token, err := k.Sign(claims())
	if err != nil {
		t.Fatal(err)
	}
	for i := range token {
		for _, c := range []byte{'A', 'B', '_', '.', '='} {
			if token[i] == c {
				continue
			}
			changed := token[:i] + string(c) + token[i+1:]
			if _, err := grant.Open(changed, keysOf(t, k)); codeOf(err) != kernel.GrantAltered {
				t.Fatalf("byte %d as %q: Open = %v", i, c, err)
			}
		}
	}
}

// FuzzOpen: nothing but what the key signed is taken.
func FuzzOpen(f *testing.F) {
	k := key(f, 1)
	good, err := k.Sign(claims())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, "", "..", "a.b.c", strings.Replace(good, ".", "..", 1), good + "A"} {
		f.Add(seed)
	}
	keys := keysOf(f, k)
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := grant.Open(token, keys); err == nil && token != good {
			t.Errorf("Open(%q) = %+v", token, c)
		}
	})
}

// TestTheKeySetIsThatOfTheStandard reads the example of RFC 8037, appendix A.
func TestTheKeySetIsThatOfTheStandard(t *testing.T) {
	const kid, x = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	set := `{"keys":[{"alg":"EdDSA","crv":"Ed25519","kid":"` + kid + `","kty":"OKP","use":"sig","x":"` + x + `"},
		{"kty":"RSA","alg":"RS256","use":"sig","kid":"r","n":"AQAB","e":"AQAB"}]}`
	keys, err := grant.ReadJWKS([]byte(set))
	if err != nil || len(keys) != 1 || len(keys[kid]) != ed25519.PublicKeySize {
		t.Fatalf("ReadJWKS = %v, %v", keys, err)
	}
	list, err := json.Marshal(map[string]any{"keys": keys.JWKS()})
	if err != nil || !strings.HasPrefix(set, strings.TrimSuffix(string(list), "]}")) {
		t.Errorf("JWKS = %s, %v", list, err)
	}
	for name, bad := range map[string]string{
		"another name":   strings.Replace(set, kid, "kid", 1),
		"another key":    strings.Replace(set, "11qY", "11qZ", 1),
		"a short key":    strings.Replace(set, x, x[:10], 1),
		"for encryption": strings.Replace(set, `"sig"`, `"enc"`, 1),
		"HS256":          strings.Replace(set, "EdDSA", "HS256", 1),
		"a symmetric":    strings.Replace(set, "OKP", "oct", 1),
		"no keys":        `{"keys":[]}`,
		"not JSON":       `{`,
		"twice a member": `{"keys":[],"keys":[]}`,
	} {
		if keys, err := grant.ReadJWKS([]byte(bad)); err == nil {
			t.Errorf("%s: ReadJWKS = %v", name, keys)
		}
	}
	if _, err := grant.NewKey([]byte("short")); err == nil {
		t.Error("a short seed is a key")
	}
}

// TestNoStateIsLeftTwice tries every change in every state.
func TestNoStateIsLeftTwice(t *testing.T) {
	open := grant.Record{ID: "g", State: grant.Issued, ExpiresAt: noon.Add(time.Minute)}
	must := func(r grant.Record, err error) grant.Record {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	redeemed := must(open.Redeem("gw", noon))
	settled, changed, err := redeemed.Settle("gw", false, grant.Settlement{Outcome: grant.Succeeded}, noon)
	if must(settled, err); !changed {
		t.Fatal("not settled")
	}
	expired, ends := open.Expire(noon.Add(time.Minute))
	if !ends || !expired.Released {
		t.Fatalf("Expire = %+v, %v", expired, ends)
	}
	late := noon.Add(time.Minute)
	for _, c := range []struct {
		name           string
		r              grant.Record
		now            time.Time
		redeem, settle kernel.Code
		expires        bool
	}{
		{"issued", open, noon, "", kernel.GrantNotRedeemed, false},
		{"issued, a nanosecond before its end", open, late.Add(-1), "", kernel.GrantNotRedeemed, false},
		{"issued, at its end", open, late, kernel.GrantExpired, kernel.GrantNotRedeemed, true},
		{"redeemed", redeemed, noon, kernel.GrantRedeemed, "", false},
		{"redeemed, long ago", redeemed, late.Add(time.Hour), kernel.GrantRedeemed, "", false},
		{"settled", settled, late, kernel.GrantRedeemed, kernel.GrantSettled, false},
		{"expired", expired, late, kernel.GrantExpired, kernel.GrantNotRedeemed, false},
		{"no state at all", grant.Record{ExpiresAt: late}, noon, kernel.Unavailable, kernel.Unavailable, false},
	} {
		if _, err := c.r.Redeem("other", c.now); codeOf(err) != c.redeem {
			t.Errorf("%s: Redeem = %v, want %q", c.name, err, c.redeem)
		}
		if _, _, err := c.r.Settle("gw", false, grant.Settlement{Outcome: grant.Failed}, c.now); codeOf(err) != c.settle {
			t.Errorf("%s: Settle = %v, want %q", c.name, err, c.settle)
		}
		if _, ends := c.r.Expire(c.now); ends != c.expires {
			t.Errorf("%s: Expire = %v, want %v", c.name, ends, c.expires)
		}
	}
}

func TestOnlyAnEnforcementPointReleases(t *testing.T) {
	redeemed := grant.Record{ID: "g", State: grant.Redeemed, RedeemedBy: "gw"}
	none := grant.Settlement{Outcome: grant.Failed, NoEffect: true}
	for _, c := range []struct {
		isAgent bool
		s       grant.Settlement
		want    bool
	}{
		{false, none, true}, {true, none, false}, {false, grant.Settlement{Outcome: grant.Failed}, false},
	} {
		r, _, err := redeemed.Settle("gw", c.isAgent, c.s, noon)
		if err != nil || r.Released != c.want {
			t.Errorf("Settle(agent %v, %+v) released %v, %v, want %v", c.isAgent, c.s, r.Released, err, c.want)
		}
	}
	for _, bad := range []grant.Settlement{
		{}, {Outcome: "fine"}, {Outcome: grant.Succeeded, NoEffect: true}, {Outcome: grant.Abandoned, NoEffect: true},
		{Outcome: grant.Failed, Result: "sha256:"}, {Outcome: grant.Failed, Result: "sha256:" + strings.Repeat("0A", 32)},
	} {
		if bad.Check() == nil {
			t.Errorf("Check(%+v) takes it", bad)
		}
	}
}

// TestATokenHasOneSpelling: package base64 skips line breaks, and a token with
// one more would be another token.
func TestATokenHasOneSpelling(t *testing.T) {
	key, err := grant.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	keys := grant.Keys{}
	if err := keys.Add(key.ID(), key.Public()); err != nil {
		t.Fatal(err)
	}
	token, err := key.Sign(grant.Claims{Issuer: "i", ID: "d", Agent: "a", Action: "x", ResourceType: "t", Digest: "sha256:0", PolicyVersion: "sha256:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grant.Open(token, keys); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{token + "\n", token + "\r\n", token[:len(token)-3] + "\n" + token[len(token)-3:], token + "=", token + " ", token + "."} {
		if _, err := grant.Open(other, keys); err == nil {
			t.Errorf("%q is opened", other)
		}
	}
	if err := keys.Add(key.ID(), key.Public()+"\n"); err == nil {
		t.Error("a key is spelled with a line break")
	}
}
