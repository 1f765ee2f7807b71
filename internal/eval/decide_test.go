package eval_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

func TestUnknownNamesAreDeniedBeforeTheShapeOfARequest(t *testing.T) {
	p, b := program(t, everyType)
	long := strings.Repeat("ä", 300)
	for _, c := range []struct {
		name           string
		change         func(*kernel.Request)
		code           kernel.Code
		reason, advice string
	}{
		{"an unknown action", func(r *kernel.Request) { r.Action = "deploi" },
			kernel.CodeUnknownAction, `the policy declares no action "deploi"`, `did you mean "deploy"? the declared actions are deploy, look`},
		{"an action in another case", func(r *kernel.Request) { r.Action = "Deploy" },
			kernel.CodeUnknownAction, `the policy declares no action "Deploy"`, `did you mean "deploy"? the declared actions are deploy, look`},
		{"no action", func(r *kernel.Request) { r.Action = "" },
			kernel.CodeUnknownAction, `the policy declares no action ""`, "the declared actions are deploy, look"},
		{"a long action", func(r *kernel.Request) { r.Action = long },
			kernel.CodeUnknownAction, `the policy declares no action "` + strings.Repeat("ä", 64) + `…"`, "the declared actions are deploy, look"},
		{"an unknown type", func(r *kernel.Request) { r.Resource.Type = "servise" },
			kernel.CodeUnknownResource, `deploy takes no resource of type "servise"`, `did you mean "service"? deploy takes service`},
		{"a known type that the action does not take", func(r *kernel.Request) { r.Resource.Type = "page" },
			kernel.CodeUnknownResource, `deploy takes no resource of type "page"`, "deploy takes service"},
		{"no type", func(r *kernel.Request) { r.Resource.Type = "" },
			kernel.CodeUnknownResource, `deploy takes no resource of type ""`, "deploy takes service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := deploy()
			req.Params["replicas"] = "of the wrong type"
			c.change(&req)
			want := kernel.Verdict{
				Decision: kernel.Deny, RiskLevel: kernel.Critical, Constraints: map[string]any{}, Rules: []string{},
				Code: c.code, Reason: c.reason, Advice: c.advice, PolicyVersion: b.Version,
			}
			want.RequestDigest, _ = req.Digest()
			v, err := p.Decide(eval.Input{Request: req, Now: noon()})
			if err != nil || text(t, v) != text(t, want) {
				t.Errorf("Decide = %s, %v, want %s", text(t, v), err, text(t, want))
			}
			trace, err := p.Explain(eval.Input{Request: req, Now: noon()})
			if err != nil || text(t, trace.Verdict) != text(t, want) || len(trace.Candidates) != 0 || trace.Candidates == nil || trace.Shadow != nil {
				t.Errorf("Explain = %s, %v, want the verdict and no candidates", text(t, trace), err)
			}
		})
	}
}

func TestTheZeroProgramDeniesEverything(t *testing.T) {
	v, err := new(eval.Program).Decide(eval.Input{Request: deploy(), Now: noon()})
	if err != nil || v.Decision != kernel.Deny || v.Code != kernel.CodeUnknownAction || v.RiskLevel != kernel.Critical {
		t.Errorf("Decide = %v, %v, want DENY %s", v, err, kernel.CodeUnknownAction)
	}
}

func TestARequestThatIsNoJSONHasNoVerdict(t *testing.T) {
	p, _ := program(t, everyType)
	req := deploy()
	req.Action, req.Params["f"] = "unknown", func() {}
	_, err := p.Decide(eval.Input{Request: req, Now: noon()})
	var e *kernel.Error
	if !errors.As(err, &e) || e.Code != kernel.Invalid {
		t.Errorf("Decide = %v, want code %s", err, kernel.Invalid)
	}
}

func TestAVerdictIsTheCallersOwn(t *testing.T) {
	p, _ := program(t, strings.Replace(everyType, "    effect: ALLOW\n", "    effect: ALLOW\n    constraints: {zones: [a, b]}\n", 1)+
		"---\n"+"pdl: v1\nkind: policy\nname: q\nrules: [{id: r, match: {action: look}, effect: DENY}]\n")
	first, err := p.Decide(eval.Input{Request: deploy(), Now: noon()})
	if err != nil {
		t.Fatal(err)
	}
	before := text(t, first)
	first.Constraints["zones"].([]string)[0] = "changed"
	first.Rules[0] = "changed"
	second, err := p.Decide(eval.Input{Request: deploy(), Now: noon()})
	if err != nil || text(t, second) != before {
		t.Errorf("Decide = %s, %v after a caller changed an earlier verdict, want %s", text(t, second), err, before)
	}
}
