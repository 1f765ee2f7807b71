package pdl

import "github.com/strixlabs/execution-kernel"

var propertyForm = head("property", matching(namePattern, 128), "Names the properties. One is called document/id.",
	Key{Name: "properties", Required: true, Form: &Form{Items: propertyItemForm, Apart: true}, About: "What has to hold for all requests."},
)

var propertyItemForm = &Form{Keys: []Key{
	{Name: "id", Required: true, Form: matching(namePattern, 128), About: "Unique in the document. It is called document/id."},
	{Name: "scope", Form: scopeForm, About: "Equalities that say which requests it is about, as match in a rule; every request where nothing is said.",
		Examples: []string{"{action: deploy, resource.environment: production}"}},
	{Name: "assume", Form: conditionForm, About: "What is taken for granted: nothing is said of requests where it is not true.",
		Examples: []string{"params.fee_cents >= 0"}},
	{Name: "never", Form: verdictsForm, About: "No request gets one of these decisions.", Examples: []string{"ALLOW", "[ALLOW, REQUIRE_APPROVAL]"}},
	{Name: "always", Form: verdictsForm, About: "Every request gets one of these decisions.", Examples: []string{"DENY", "{at_least: REQUIRE_APPROVAL, approvals: 2}"}},
	{Name: "implies", Form: impliesForm, About: "Of every request with this decision, a condition is true.",
		Examples: []string{"{decision: ALLOW, then: \"has(context.ticket)\"}"}},
	{Name: "reachable", Form: verdictsForm, About: "Some request gets one of these decisions.", Examples: []string{"ALLOW"}},
	{Name: "when", Form: conditionForm, About: "Which of the requests in scope it is about.", Examples: []string{"params.amount_cents > 1000000"}},
}}

// scopeForm is matchForm with nothing required.
var scopeForm = &Form{
	Keys: []Key{{Name: "action", Form: oneOrMore(naming(ActionName)), About: "The action or the family of actions, or a list of them.",
		Examples: []string{"deploy", "[deploy, rollback]", "mcp.github.*"}}},
	Other: matchForm.Other,
}

// leastWords are the decisions that something is stricter than, or that are the strictest.
var leastWords = []string{kernel.RequireApproval.String(), kernel.Deny.String()}

var verdictForm = &Form{
	Text: &Text{Words: kernel.EffectNames()},
	Keys: []Key{
		{Name: "at_least", Required: true, Form: words(leastWords...), About: "This decision or a stricter one. DENY is the strictest, ALLOW the least strict."},
		{Name: "approvals", Form: countOfVotes(1), About: "With REQUIRE_APPROVAL: how many approvals at least."},
	},
}

var verdictsForm = &Form{Text: verdictForm.Text, Keys: verdictForm.Keys, Items: verdictForm}

var impliesForm = &Form{Keys: []Key{
	{Name: "decision", Required: true, Form: verdictsForm, About: "The decisions."},
	{Name: "then", Required: true, Form: conditionForm, About: "What is true of every request that gets one of them.", Examples: []string{"has(context.ticket)"}},
}}
