package pdl

import "github.com/strixlabs/execution-kernel"

var testForm = head("test", sentence(128), "What the cases are about.",
	Key{Name: "base", Form: baseForm, About: "The request that every case begins with."},
	Key{Name: "cases", Required: true, Form: listOf(caseForm), About: "The cases."},
)

var baseForm = &Form{Keys: []Key{
	{Name: "action", Form: naming(ActionName), About: "The action."},
	{Name: "agent", Form: sectionForm("agent"), About: "The agent: id, and the attributes that the schema declares."},
	{Name: "resource", Form: sectionForm("resource"), About: "The resource: type, id, and the attributes that the schema declares."},
	{Name: "params", Form: sectionForm("params"), About: "The parameters of the action."},
	{Name: "context", Form: sectionForm("context"), About: "The context. now is the instant of the decision."},
	{Name: "facts", Form: sectionForm("facts"), About: "What history says; counts and sums that are not mentioned are 0."},
}}

// sectionForm is a section of a request: what it holds is for the schema of
// the bundle to say.
func sectionForm(name string) *Form {
	return mappingOf(Text{Refers: AttributePath}, &Form{Any: true}, "An attribute of "+name+".")
}

var caseForm = &Form{Keys: []Key{
	{Name: "name", Required: true, Form: sentence(1_000), About: "What the case shows."},
	{Name: "set", Form: mappingOf(Text{Refers: RequestPath}, &Form{Any: true}, "A path of the request and its value; a whole section replaces that of the base."),
		About: "What differs from the base.", Examples: []string{"{resource.environment: production, params.amount_cents: 100}"}},
	{Name: "unset", Form: oneOrMore(naming(RequestPath)), About: "Paths that the request does not have.", Examples: []string{"[context.ticket]"}},
	{Name: "expect", Required: true, Form: expectForm, About: "What is expected of the verdict; what is not mentioned is not compared.",
		Examples: []string{"{decision: DENY, rules: [changes/no-juniors-in-production]}"}},
}}

var expectForm = &Form{Keys: []Key{
	{Name: "decision", Form: words(kernel.EffectNames()...), About: "The decision."},
	{Name: "risk_level", Form: words(kernel.RiskNames()...), About: "The risk level."},
	{Name: "approvals_required", Form: countOfVotes(0), About: "How many approvals are required."},
	{Name: "workflows", Form: listOf(sentence(128)), About: "Exactly these approval workflows, in any order."},
	{Name: "constraints", Form: obligationsForm, About: "All constraints with their values."},
	{Name: "code", Form: words(verdictCodes...), About: "What the decision rests on."},
	{Name: "reason", Form: sentence(2 * maxSentence), About: "The reason."},
	{Name: "advice", Form: sentence(maxSentence), About: "The advice; \"\" expects none."},
	{Name: "rules", Form: listOf(naming(RuleName)), About: "Exactly these rules, in any order."},
	{Name: "rules_include", Form: listOf(naming(RuleName)), About: "These rules at least."},
}}
