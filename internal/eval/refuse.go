package eval

import (
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// refuse returns the verdict that is reached before the rules, or nil. Its
// risk is critical: nothing is known about what was asked.
func (p *Program) refuse(in *Input, a *action) *kernel.Verdict {
	req := &in.Request
	if a == nil {
		return refusal(kernel.CodeUnknownAction, didYouMean(req.Action, p.declared, "the declared actions are"),
			"the policy declares no action %q", clip(req.Action))
	}
	if in.Phase1 {
		return a.refusePhase1(req)
	}
	if a.shape(req.Resource.Type) == nil {
		return refusal(kernel.CodeUnknownResource, didYouMean(req.Resource.Type, a.types, a.origin+" takes"),
			"%s takes no resource of type %q", a.origin, clip(req.Resource.Type))
	}
	return nil
}

// refusePhase1 denies what the matrix has no row or column for: there, a value
// is never an error.
func (a *action) refusePhase1(req *kernel.Request) *kernel.Verdict {
	sh := a.shape(req.Resource.Type)
	if sh == nil {
		return refusal(kernel.CodeUnknownResource, didYouMean(req.Resource.Type, a.types, "the declared artifact types are"),
			"No policy matched %s", phase1Cell(req))
	}
	environment, declared := sh.fields["resource.environment"]
	if !declared {
		environment = &field{}
	}
	value, present := req.Resource.Attributes["environment"]
	_, text := value.(string)
	switch {
	case declared && present && value != nil && !text:
		return nil // of the wrong JSON type: binding says so
	case declared && present && value != nil && value != "":
		if problem, _ := misfit(environment.Type, value); problem == "" {
			return nil
		}
	}
	var advice string
	if environment.Type.Kind == pdl.Enum {
		name, _ := value.(string)
		advice = didYouMean(name, environment.Type.Values, "the declared environments are")
	}
	return refusal(kernel.CodeUnknownResource, advice, "No policy matched %s", phase1Cell(req))
}

// phase1Cell names artifact type and environment as the request has them.
func phase1Cell(req *kernel.Request) string {
	kind := "an absent artifact type"
	if req.Resource.Type != "" {
		kind = fmt.Sprintf("artifact type %q", clip(req.Resource.Type))
	}
	if e, ok := req.Resource.Attributes["environment"].(string); ok {
		return fmt.Sprintf("%s in environment %q", kind, clip(e))
	}
	return kind + " without an environment"
}

func refusal(code kernel.Code, advice, format string, args ...any) *kernel.Verdict {
	return &kernel.Verdict{
		Decision: kernel.Deny, RiskLevel: kernel.Critical, Code: code, Advice: advice,
		Reason: fmt.Sprintf(format, args...), Constraints: map[string]any{}, Rules: []string{},
	}
}

func didYouMean(word string, declared []string, intro string) string {
	if len(declared) == 0 {
		return ""
	}
	list := intro + " " + oneOf(declared)
	if near := suggest.DidYouMean(clip(word), declared); near != "" {
		return near + " " + list
	}
	return list
}
