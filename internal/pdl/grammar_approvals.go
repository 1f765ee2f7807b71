package pdl

var approvalForm = head("approval", matching(namePattern, 128), "Names the workflow, for rules: approval: name. `default` is that of rules that name none.",
	Key{Name: "quorum", Form: countOfVotes(1), About: "How many votes at least; 1 where nothing is said."},
	Key{Name: "of", Required: true, Form: listOf(voterForm), About: "Who may vote.", Examples: []string{"[{role: sre}, {team_of: resource.owner_team}]"}},
	Key{Name: "require", Form: listOf(&Form{Keys: append(voterKeys, Key{Name: "min", Required: true, Form: countOfVotes(1), About: "How many of them."})}),
		About: "Whose votes have to be among them.", Examples: []string{"[{role: sre, min: 1}]"}},
	Key{Name: "separation_of_duty", Form: oneOrMore(words(separations...)), About: "Who may not vote.", Examples: []string{"[requester, policy_author]"}},
	Key{Name: "expires", Form: sentence(64), About: "How long a request waits.", Examples: []string{"4h"}},
	Key{Name: "on_timeout", Form: words("DENY"), About: "What becomes of a request that nobody answers: DENY, the default."},
	Key{Name: "escalate", Form: listOf(&Form{Keys: []Key{
		{Name: "after", Required: true, Form: sentence(64), About: "How long after the request."},
		{Name: "to", Required: true, Form: listOf(voterForm), About: "Who may vote from then on."},
	}}), About: "Who else may vote when nobody does.", Examples: []string{"[{after: 30m, to: [{role: sre_lead}]}]"}},
	Key{Name: "auto", Form: listOf(&Form{Keys: []Key{
		{Name: "when", Required: true, Form: conditionForm, About: "When it votes."},
		{Name: "as", Required: true, Form: matching(namePattern, 128), About: "The principal whose vote it is."},
	}}), About: "Votes that nobody has to give.", Examples: []string{"[{when: params.strategy == \"canary\", as: release-bot}]"}},
	Key{Name: "break_glass", Form: breakGlassForm, About: "Who may allow it alone, with a reason, and who looks at that afterwards.",
		Examples: []string{"{of: [{role: sre_lead}], review: {of: [{role: security}], within: 24h}}"}},
)

var breakGlassForm = &Form{Keys: []Key{
	{Name: "of", Required: true, Form: listOf(voterForm), About: "Who may allow it alone."},
	{Name: "min_reason", Form: &Form{Text: &Text{Integer: true, Min: 1, Max: maxMinReason}}, About: "How many characters the reason has at least; 10 where nothing is said."},
	{Name: "expires", Form: sentence(64), About: "How long after the request; as long as it waits where nothing is said.", Examples: []string{"30m"}},
	{Name: "review", Required: true, Form: &Form{Keys: []Key{
		{Name: "of", Required: true, Form: listOf(voterForm), About: "Who may close the review."},
		{Name: "within", Required: true, Form: sentence(64), About: "How long afterwards at most. While one is overdue nobody breaks the glass of the workflow."},
	}}, About: "Who looks at it afterwards, and until when.", Examples: []string{"{of: [{role: security}], within: 24h}"}},
}}

var voterForm = &Form{Keys: voterKeys}

var voterKeys = []Key{
	{Name: "role", Form: sentence(256), About: "Whoever has the role."},
	{Name: "group", Form: sentence(256), About: "Whoever is in the group."},
	{Name: "principal", Form: sentence(256), About: "One principal."},
	{Name: "team_of", Form: naming(AttributePath), About: "The team that an attribute names."},
}
