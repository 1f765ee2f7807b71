package ledger_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

var update = flag.Bool("update", false, "write golden files that do not exist; those that do are never changed")

const version = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

// golden lists entries whose bytes are in testdata: what was once written must
// be readable and identical for ever.
func golden(t *testing.T) map[string]ledger.Entry {
	at := instant(t, "2026-11-23T10:00:00.12Z")
	base := ledger.Entry{Shard: 0, Instant: at, Node: "node-1", Batch: "01KB0000000000000000000000", Caller: "gateway-001", Door: "decisions"}
	with := func(seq uint64, set func(*ledger.Entry)) ledger.Entry {
		e := base
		e.Seq = seq
		set(&e)
		return e
	}
	commitment := ledger.Commit(bytes.Repeat([]byte{7}, ledger.SaltSize), []byte(`{}`))
	return map[string]ledger.Entry{
		"decision": with(41823, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000001", Agent: "agent-001", Action: "deploy_service", Commitment: commitment,
				Verdict: kernel.Verdict{
					Decision: kernel.RequireApproval, RiskLevel: kernel.High, ApprovalsRequired: 2,
					Constraints: map[string]any{"canary_only": true, "max_replicas": int64(3), "regions": []string{"eu", "us"}, "\u20ac<&>": false},
					Reason:      "outside \"hours\" <é\u2028>\n", Code: kernel.CodeRule, Advice: "wait until Monday",
					Rules: []string{"change-windows/outside-hours", "base/deploy"}, PolicyVersion: version,
				},
			}
		}),
		"decision-workflows": with(7, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000005", Agent: "agent-001", Action: "deploy_service", Commitment: commitment,
				Verdict: kernel.Verdict{
					Decision: kernel.RequireApproval, RiskLevel: kernel.High, ApprovalsRequired: 2, Workflows: []string{"on-call", "owners"},
					Constraints: map[string]any{}, Reason: "2 approvals required by p/r", Code: kernel.CodeRule,
					Rules: []string{"p/r"}, PolicyVersion: version,
				},
			}
		}),
		"decision-facts": with(8, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000006", Agent: "agent-001", Action: "issue_refund", Commitment: commitment,
				Facts: map[string]any{"last_refund": "2026-11-23T09:59:59.5Z", "refunds_1h": int64(4), "spent_today": int64(1<<53 - 1)},
				Verdict: kernel.Verdict{
					Decision: kernel.Allow, RiskLevel: kernel.Medium, Constraints: map[string]any{}, Reason: "allowed by p/r", Code: kernel.CodeRule,
					Rules: []string{"p/r"}, PolicyVersion: version,
				},
			}
		}),
		"decision-registry": with(8, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000006", Agent: "agent-002", Action: "deploy_service", Commitment: commitment,
				Standing: registry.Standing{
					Version: 12, Status: registry.Active, Capability: "01KFG8XN3B2M4Q5R6S7T8V9WXY", Chain: []string{"agent-001"},
					Agent:    map[string]any{"role": "sre", "level": int64(7), "on_call": true, "teams": []any{"a", "b"}},
					Resource: map[string]any{"environment": "production"},
				},
				Verdict: kernel.Verdict{
					Decision: kernel.Allow, RiskLevel: kernel.Low, Constraints: map[string]any{}, Reason: "allowed by p/r",
					Code: kernel.CodeRule, Rules: []string{"p/r"}, PolicyVersion: version,
				},
			}
		}),
		"decision-limit": with(9, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000008", Agent: "agent-002", Action: "issue_refund", Commitment: commitment,
				Standing: registry.Standing{Version: 13, Status: registry.Active, Limit: "by refund, params.amount_cents is at most 100000"},
				Verdict: kernel.Verdict{
					Decision: kernel.Deny, RiskLevel: kernel.Critical, Constraints: map[string]any{}, Reason: "no capability",
					Code: kernel.CodeCapabilityMissing, Rules: []string{}, PolicyVersion: version,
				},
			}
		}),
		"decision-killed": with(9, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000007", Agent: "agent-002", Action: "deploy_service", Commitment: commitment,
				Standing: registry.Standing{Version: 13, Killed: "everything"},
				Verdict: kernel.Verdict{
					Decision: kernel.Deny, RiskLevel: kernel.Critical, Constraints: map[string]any{}, Reason: "a kill switch stops everything",
					Code: kernel.CodeKilled, Rules: []string{}, PolicyVersion: version,
				},
			}
		}),
		"registry-set": with(10, func(e *ledger.Entry) {
			e.Door = ""
			e.Registry = &ledger.RegistryChange{
				Object: "principal", Key: "agent-001", Version: 14, Reason: "incident",
				Value: []byte(`{"attributes":{"role":"sre"},"kind":"agent","status":"suspended"}`),
			}
		}),
		"registry-removed": with(11, func(e *ledger.Entry) {
			e.Door = ""
			e.Registry = &ledger.RegistryChange{Object: "kill", Key: `["all",""]`, Version: 15}
		}),
		"decision-phase1": with(0, func(e *ledger.Entry) {
			e.Door = "evaluate"
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000002", Agent: "anonymous", Action: "ship", Commitment: commitment,
				Phase1: true, ClaimedAt: "2026-01-01T00:00:00Z",
				Verdict: kernel.Verdict{
					Decision: kernel.Deny, RiskLevel: kernel.Critical, Constraints: map[string]any{},
					Reason: "No policy matched", Code: kernel.CodeUnknownResource, Rules: []string{}, PolicyVersion: version,
				},
			}
		}),
		"refusal": with(1, func(e *ledger.Entry) {
			e.Refusal = &ledger.Refused{Code: kernel.Invalid, Path: "$.resource.environment", Size: 312, Count: 1}
		}),
		"refusal-summary": with(9007199254740991, func(e *ledger.Entry) {
			e.Refusal = &ledger.Refused{Code: kernel.Malformed, Size: 1 << 40, Count: 4711}
		}),
		"policy": with(2, func(e *ledger.Entry) {
			e.Door = ""
			e.Policy = &ledger.PolicyChange{Change: "activated", Version: version, Previous: "sha256:00"}
		}),
		"policy-first": with(3, func(e *ledger.Entry) {
			e.Policy = &ledger.PolicyChange{Change: "activated", Version: version}
		}),
		"policy-reason": with(13, func(e *ledger.Entry) {
			e.Policy = &ledger.PolicyChange{Change: "activated", Version: version, Previous: "sha256:00", Reason: "change 17"}
		}),
		"policy-proof": with(13, func(e *ledger.Entry) {
			e.Policy = &ledger.PolicyChange{Change: "activated", Version: version, Previous: version, Reason: "proved", Proof: version}
		}),
		"bundle": with(14, func(e *ledger.Entry) {
			e.Door = ""
			e.Bundle = &ledger.Pushed{Version: version, Rules: 12, Passed: 30, Failed: 1, Reason: "change 17"}
		}),
		"event": with(16, func(e *ledger.Entry) {
			e.Door = "events"
			e.Event = &ledger.Reported{Event: "tests_passed", Commitment: commitment}
		}),
		"event-registry": with(17, func(e *ledger.Entry) {
			e.Door = "events"
			e.Event = &ledger.Reported{
				Event: "tests_passed", Commitment: commitment,
				Standing: registry.Standing{Version: 14, Status: registry.Active, Resource: map[string]any{"environment": "staging"}},
			}
		}),
		"bundle-plain": with(15, func(e *ledger.Entry) {
			e.Door = ""
			e.Bundle = &ledger.Pushed{Version: version}
		}),
		"token-principal": with(12, func(e *ledger.Entry) {
			e.Door = ""
			e.Token = &ledger.TokenChange{
				Change: "created", ID: "01KB0000000000000000000009", Name: "laptop", Roles: []kernel.Role{kernel.RoleAuditor},
				Principal: "person-002", Hash: strings.Repeat("0", 64),
			}
		}),
		"token-created": with(4, func(e *ledger.Entry) {
			e.Token = &ledger.TokenChange{
				Change: "created", ID: "01KB0000000000000000000003", Name: "ci", Roles: []kernel.Role{kernel.RoleGateway},
				SpeaksFor: []string{"agent-001", "ci-*"}, Expires: at.Add(time.Hour),
			}
		}),
		"token-revoked": with(5, func(e *ledger.Entry) {
			e.Token = &ledger.TokenChange{
				Change: "revoked", ID: "01KB0000000000000000000004", Name: "agent", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001",
			}
		}),
		"grant-issued": with(13, func(e *ledger.Entry) {
			e.Grant = &ledger.GrantChange{Change: "issued", ID: "01KB000000000000000000000A", Agent: "agent-001", Action: "deploy_service", Expires: at.Add(time.Minute)}
		}),
		"grant-redeemed": with(14, func(e *ledger.Entry) {
			e.Grant = &ledger.GrantChange{Change: "redeemed", ID: "01KB000000000000000000000A", Agent: "agent-001", Action: "deploy_service"}
		}),
		"grant-settled": with(15, func(e *ledger.Entry) {
			e.Grant = &ledger.GrantChange{
				Change: "settled", ID: "01KB000000000000000000000A", Agent: "agent-001", Action: "deploy_service",
				Outcome: "failed", Result: "sha256:" + strings.Repeat("0a", 32), Released: true,
			}
		}),
		"grant-expired": with(16, func(e *ledger.Entry) {
			e.Door = ""
			e.Grant = &ledger.GrantChange{Change: "expired", ID: "01KB000000000000000000000B", Agent: "agent-001", Action: "deploy_service"}
		}),
		"grantkey-added": with(17, func(e *ledger.Entry) {
			e.Door = ""
			e.GrantKey = &ledger.GrantKeyChange{
				Change: "added", KID: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", Public: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
			}
		}),
		"witness": with(8, func(e *ledger.Entry) {
			e.Door, e.Caller = "", "kernel"
			e.Witness = &ledger.Witnessed{Shard: 3, Size: 41823, Root: commitment}
		}),
		"decision-asks": with(8, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000006", Agent: "agent-001", Action: "deploy_service", Commitment: commitment,
				Verdict: kernel.Verdict{
					Decision: kernel.RequireApproval, RiskLevel: kernel.High, ApprovalsRequired: 2, Workflows: []string{"pair"}, Constraints: map[string]any{},
					Reason: "2 approvals required by base/deploy", Code: kernel.CodeRule, Rules: []string{"base/deploy"}, PolicyVersion: version,
				},
				Opened: &ledger.Opened{Asker: "person-001", Expires: at.Add(4 * time.Hour), Due: at.Add(time.Hour), Needs: []approval.Need{{Needed: 1}, {Workflow: "pair", Needed: 2}}},
			}
		}),
		"decision-answers": with(10, func(e *ledger.Entry) {
			e.Decision = &ledger.Decided{
				ID: "01KB0000000000000000000007", Agent: "agent-001", Action: "deploy_service", Commitment: commitment, Answers: "01KB0000000000000000000006",
				Verdict: kernel.Verdict{
					Decision: kernel.Allow, RiskLevel: kernel.High, Constraints: map[string]any{}, Reason: "approved: 2 approvals required by base/deploy",
					Code: kernel.CodeApproved, Rules: []string{"base/deploy"}, PolicyVersion: version,
				},
			}
		}),
		"approval": with(9, func(e *ledger.Entry) {
			e.Approval = &ledger.ApprovalChange{Change: ledger.ChangeVoted, Question: approval.Question{
				ID: "01KB0000000000000000000006", State: approval.Pending, Agent: "agent-001", Action: "deploy_service", Caller: "gateway-001", Asker: "person-001",
				Opened: at, Expires: at.Add(4 * time.Hour), Due: at.Add(time.Hour), Needs: []approval.Need{{Workflow: "pair", Needed: 2}},
				Votes: []approval.Vote{{By: "person-002", Approve: true, At: at.Add(time.Minute), Reason: "seen"}},
			}}
		}),
		"approval-settled": with(11, func(e *ledger.Entry) {
			e.Approval = &ledger.ApprovalChange{Change: ledger.ChangeSettled, Question: approval.Question{
				ID: "01KB0000000000000000000006", State: approval.Approved, Agent: "agent-001", Action: "deploy_service", Caller: "gateway-001",
				Opened: at, Expires: at.Add(4 * time.Hour), Due: at.Add(time.Hour), Needs: []approval.Need{{Workflow: "pair", Needed: 2}}, Escalated: 1,
				Votes:   []approval.Vote{{By: "release-bot", Approve: true, Automatic: true, At: at.Add(time.Minute)}, {By: "person-002", Approve: true, At: at.Add(time.Minute)}},
				Settled: at.Add(time.Minute), By: "person-002", Code: approval.QuorumReached, Reason: "enough", Answer: "01KB0000000000000000000007",
			}}
		}),
		"breakglass": with(12, func(e *ledger.Entry) {
			e.Glass = &ledger.GlassChange{Change: ledger.GlassReviewed, Glass: approval.Glass{
				ID: "01KB0000000000000000000006", Agent: "agent-001", Action: "deploy_service", By: "person-004", Reason: "nobody answers", At: at, Answer: "01KB0000000000000000000007",
				Reviews: []approval.Review{
					{Workflow: "pair", Of: []approval.Reviewer{{Kind: "role", Name: "auditor"}}, Due: at.Add(24 * time.Hour), By: "person-005", At: at.Add(time.Hour), Justified: true, Note: "seen"},
					{Workflow: "safety", Of: []approval.Reviewer{{Kind: "team_of", Name: "resource.owner_team"}}, Due: at.Add(time.Hour)},
				}, Overdue: true,
			}}
		}),
		"access": with(6, func(e *ledger.Entry) {
			e.Access = &ledger.Access{What: "decisions", Query: "agent=agent-001&limit=100"}
		}),
	}
}

func TestEntriesAreWrittenAndReadAsOnTheFirstDay(t *testing.T) {
	seen := map[ledger.Kind]bool{}
	for name, e := range golden(t) {
		path := filepath.Join("testdata", "entries", name+".json")
		body, err := ledger.Encode(e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *update {
			err = os.WriteFile(path, body, 0o644)
			want = body
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body, want) {
			t.Errorf("%s: the format changed; old logs could no longer be verified\n got %s\nwant %s", name, body, want)
		}
		got, err := ledger.Decode(want)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: Decode = %+v, %v, want %+v", name, got, err, e)
		}
		seen[e.Kind()] = true
	}
	files, err := filepath.Glob(filepath.Join("testdata", "entries", "*.json"))
	if err != nil || len(files) != len(golden(t)) {
		t.Errorf("%d golden files (%v), want one for each of %d entries", len(files), err, len(golden(t)))
	}
	for _, k := range ledger.Kinds() {
		if !seen[k] {
			t.Errorf("no golden file for kind %s", k)
		}
	}
}

func TestDecodeRefusesWhatEncodeDoesNotWrite(t *testing.T) {
	entries := golden(t)
	encode := func(name string) string {
		body, err := ledger.Encode(entries[name])
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	access, decision, policy := encode("access"), encode("decision"), encode("policy")
	replace := func(s, old, new string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("%s has no %s", s, old)
		}
		return strings.Replace(s, old, new, 1)
	}
	for name, body := range map[string]string{
		"empty":                       "",
		"null":                        "null",
		"an array":                    "[]",
		"cut":                         access[:len(access)-1],
		"trailing data":               access + " ",
		"two documents":               access + access,
		"leading space":               " " + access,
		"another version":             replace(access, `"v":1`, `"v":2`),
		"no version":                  replace(access, `,"v":1`, ``),
		"unknown member":              replace(access, `{"access"`, `{"abc":1,"access"`),
		"unknown member of the body":  replace(access, `{"query"`, `{"a":1,"query"`),
		"duplicate member":            replace(access, `"v":1`, `"v":1,"v":1`),
		"member in another case":      replace(access, `"v":1`, `"V":1`),
		"member missing":              replace(access, `"node":"node-1",`, ``),
		"member null":                 replace(access, `"node":"node-1"`, `"node":null`),
		"wrong order":                 replace(replace(access, `,"v":1`, ``), `{"access"`, `{"v":1,"access"`),
		"number spelt otherwise":      replace(access, `"v":1`, `"v":1.0`),
		"string spelt otherwise":      replace(access, `node-1`, `node\u002d1`),
		"instant with less digits":    replace(access, `.120000000Z`, `.12Z`),
		"instant with offset":         replace(access, `.120000000Z`, `.120000000+00:00`),
		"instant in another zone":     replace(access, `.120000000Z`, `.120000000+01:00`),
		"instant that does not exist": replace(access, `2026-11-23`, `2026-02-30`),
		"instant too early":           replace(access, `2026`, `1600`),
		"seq negative":                replace(access, `"seq":6`, `"seq":-6`),
		"seq beyond 2^53":             replace(access, `"seq":6`, `"seq":9007199254740993`),
		"shard negative":              replace(access, `"shard":0`, `"shard":-1`),
		"kind of another body":        replace(access, `"kind":"access"`, `"kind":"policy"`),
		"no body":                     replace(policy, `"policy":{"change":"activated","previous":"sha256:00","version":"`+version+`"},`, ``),
		"two bodies":                  replace(access, `"seq"`, `"policy":{"change":"activated","version":"x"},"seq"`),
		"policy change unknown":       replace(policy, `activated`, `retired`),
		"commitment in capitals":      replace(decision, `"commitment":"`, `"commitment":"A`),
		"effect unknown":              replace(decision, `REQUIRE_APPROVAL`, `MAYBE`),
		"constraint a string":         replace(decision, `"canary_only":true`, `"canary_only":"true"`),
		"constraint null":             replace(decision, `"canary_only":true`, `"canary_only":null`),
		"constraint an object":        replace(decision, `"canary_only":true`, `"canary_only":{}`),
		"constraint a fraction":       replace(decision, `"max_replicas":3`, `"max_replicas":3.5`),
		"rules null":                  replace(decision, `"rules":["change-windows/outside-hours","base/deploy"]`, `"rules":null`),
		"digest in the verdict":       replace(decision, `"risk_level"`, `"request_digest":"sha256:00","risk_level"`),
		"phase1 false":                replace(decision, `"policy_version"`, `"phase1":false,"policy_version"`),
		"claimed_at empty":            replace(decision, `"commitment"`, `"claimed_at":"","commitment"`),
		"not UTF-8":                   replace(access, `node-1`, "node-\xff"),
		"expires empty":               replace(encode("token-revoked"), `"id"`, `"expires":"","id"`),
		"speaks_for empty":            replace(encode("token-revoked"), `},"v"`, `,"speaks_for":[]},"v"`),
	} {
		if e, err := ledger.Decode([]byte(body)); err == nil {
			t.Errorf("%s: Decode(%s) = %+v, want an error", name, body, e)
		}
	}
}

func TestEncodeRefusesWhatDecodeCouldNotGiveBack(t *testing.T) {
	change := func(name string, set func(*ledger.Entry)) ledger.Entry {
		e := golden(t)[name]
		set(&e)
		return e
	}
	for name, e := range map[string]ledger.Entry{
		"the zero entry":         {},
		"no body":                change("access", func(e *ledger.Entry) { e.Access = nil }),
		"two bodies":             change("access", func(e *ledger.Entry) { e.Policy = &ledger.PolicyChange{Change: "activated", Version: "x"} }),
		"no instant":             change("access", func(e *ledger.Entry) { e.Instant = time.Time{} }),
		"instant too late":       change("access", func(e *ledger.Entry) { e.Instant = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"seq beyond 2^53":        change("access", func(e *ledger.Entry) { e.Seq = 1 << 53 }),
		"negative shard":         change("access", func(e *ledger.Entry) { e.Shard = -1 }),
		"invalid UTF-8":          change("access", func(e *ledger.Entry) { e.Caller = "\xff" }),
		"access to nothing":      change("access", func(e *ledger.Entry) { e.Access.What = "" }),
		"refusal of nobody":      change("refusal", func(e *ledger.Entry) { e.Refusal.Count = 0 }),
		"negative size":          change("refusal", func(e *ledger.Entry) { e.Refusal.Size = -1 }),
		"token without id":       change("token-created", func(e *ledger.Entry) { e.Token.ID = "" }),
		"event of nothing":       change("event", func(e *ledger.Entry) { e.Event.Event = "" }),
		"event of no commitment": change("event", func(e *ledger.Entry) { e.Event.Commitment = [32]byte{} }),
		"bundle of nothing":      change("bundle", func(e *ledger.Entry) { e.Bundle.Version = "" }),
		"negative rules":         change("bundle", func(e *ledger.Entry) { e.Bundle.Rules = -1 }),
		"no commitment":          change("decision", func(e *ledger.Entry) { e.Decision.Commitment = [32]byte{} }),
		"no id":                  change("decision", func(e *ledger.Entry) { e.Decision.ID = "" }),
		"request digest":         change("decision", func(e *ledger.Entry) { e.Decision.Verdict.RequestDigest = "sha256:00" }),
		"effect unknown":         change("decision", func(e *ledger.Entry) { e.Decision.Verdict.Decision = 9 }),
		"constraint int":         change("decision", func(e *ledger.Entry) { e.Decision.Verdict.Constraints["n"] = 1 }),
		"constraint beyond":      change("decision", func(e *ledger.Entry) { e.Decision.Verdict.Constraints["n"] = int64(1) << 53 }),
		"constraint nil":         change("decision", func(e *ledger.Entry) { e.Decision.Verdict.Constraints["n"] = nil }),
	} {
		if body, err := ledger.Encode(e); err == nil {
			t.Errorf("%s: Encode = %s, want an error", name, body)
		}
	}
}

func TestZonesDoNotReachAnEntry(t *testing.T) {
	e := golden(t)["access"]
	want, err := ledger.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	e.Instant = e.Instant.In(time.FixedZone("east", 3600))
	if got, err := ledger.Encode(e); err != nil || !bytes.Equal(got, want) {
		t.Errorf("Encode in another zone = %s, %v, want %s", got, err, want)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "entries", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal("no golden entries", err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ledger.Decode(body)
		if err != nil {
			return
		}
		if again, err := ledger.Encode(e); err != nil || !bytes.Equal(again, body) {
			t.Errorf("Decode accepted %s, Encode gives %s, %v", body, again, err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e := golden(&testing.T{})["decision"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ledger.Encode(e); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEncodeWritesTheFormOfRFC8785(t *testing.T) {
	entries := golden(t)
	odd := entries["decision"]
	odd.Decision.Verdict.Constraints = map[string]any{
		"\U00010000": true, "\uffff": int64(-9007199254740991), "": []string{}, "b\tc": []string{"\x00", "\u007f", "/"}, "B": false,
	}
	odd.Caller = "\b\f\n\r\t\x1f\"\\/\u2028\u2029\U0001F600<script>"
	entries["odd"] = odd
	for name, e := range entries {
		body, err := ledger.Encode(e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		canonical := jsontext.Value(bytes.Clone(body))
		if err := canonical.Canonicalize(); err != nil || !bytes.Equal(canonical, body) {
			t.Errorf("%s: Encode = %s, want %s (%v)", name, body, canonical, err)
		}
		if got, err := ledger.Decode(body); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: Decode = %+v, %v, want %+v", name, got, err, e)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	body, err := ledger.Encode(golden(&testing.T{})["decision"])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ledger.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
