package pdl

import "github.com/strixlabs/execution-kernel"

// A documentForm is a kind of document and how it is written.
type documentForm struct {
	kind, about string
	form        *Form
}

// documentForms are the kinds, in the order of the reference.
var documentForms = []documentForm{
	{"schema", "What may be asked: agents, resources, actions, their attributes, and the constraints. A bundle has exactly one.", schemaForm},
	{"policy", "Rules, and variables that they share.", policyForm},
	{"table", "A decision table: rules as rows over attributes with few values.", tableForm},
	{"approval", "An approval workflow: who may vote, and how many have to.", approvalForm},
	{"data", "Typed constants, read in conditions as data.document.name.", dataForm},
	{"calendar", "Weekly hours and freezes in a time zone, asked in conditions as calendar.name.active(context.now).", calendarForm},
	{"property", "What has to hold for all requests; proved by kernel prove, and no part of the policy version.", propertyForm},
	{"test", "Requests with the verdicts they are expected to get; run by kernel test.", testForm},
}

// head makes the keys that every document begins with, and adds its own.
func head(kind string, name *Form, about string, own ...Key) *Form {
	return &Form{Keys: append([]Key{
		{Name: "pdl", Required: true, Form: words("v1"), About: "The version of the language."},
		{Name: "kind", Required: true, Form: words(kind), About: "What the document holds."},
		{Name: "name", Required: true, Form: name, About: about},
	}, own...)}
}

var (
	namePattern      = unanchored(documentName.String())
	memberPattern    = unanchored(memberName.String())
	lowerPattern     = unanchored(memberNameLower.String())
	attributePattern = memberPattern + `\??`
	pathPattern      = `(agent|context|params|resource)(\.` + memberPattern + `)+`

	ruleNames = "Its name in answers and in the log is document/id."
)

var schemaForm = head("schema", matching(namePattern, 128), "Names the bundle.",
	Key{Name: "agents", Form: words("registered", "any"),
		About: "Who may ask. `registered` (the default): agents that the registry knows. `any`: whoever asks, the request says who the agent is."},
	Key{Name: "strict", Form: boolForm,
		About: "true (the default): a rule whose condition may err is refused, such as one that may read an absent attribute. false: it is warned about, and errs when it does."},
	Key{Name: "agent", Form: attributesForm("request", "registry", "registry?"), About: "The attributes of the agent. agent.id always exists."},
	Key{Name: "resources", Required: true, About: "Resource types with their attributes; {} for a type without any.",
		Form:     mappingOf(Text{Most: 256}, attributesForm("request", "registry", "registry?"), "A resource type: its attributes. resource.type and resource.id always exist."),
		Examples: []string{"{service: {environment: \"enum(staging, production)\"}}"}},
	Key{Name: "actions", Required: true, Form: mappingOf(Text{Most: 256}, actionForm, "An action, or a family: mcp.github.* is every action under it."), About: "What can be asked for."},
	Key{Name: "context", Form: attributesForm("request"), About: "What else a request may tell. context.now, the instant of the decision, always exists."},
	Key{Name: "facts", Form: mappingOf(Text{Pattern: attributePattern, Most: 129}, factForm, "A fact, read as facts.name. A last is optional: its name ends in ?."),
		About: "What rules can read of the history.", Examples: []string{"{deploys_1h: {event: deploy, by: [agent.id], count: true, within: 1h}}"}},
	Key{Name: "events", Form: mappingOf(Text{Most: 256}, eventForm, "An event."), About: "What others may report, for facts to count."},
	Key{Name: "constraints", Form: mappingOf(Text{Pattern: memberPattern, Most: 128}, constraintForm, "A constraint: how two values of it merge."),
		About: "What an answer may oblige its receiver to.", Examples: []string{"{canary_only: flag, max_rows: int.min}"}},
)

var boolForm = &Form{Text: &Text{Bool: true}}

// attributesForm is the form of declared attributes, whose values come from
// one of the given sources.
func attributesForm(from ...string) *Form {
	long := attributeForm(recordForm, Key{Name: "from", Form: words(from...), About: "Where the value comes from."})
	return mappingOf(Text{Pattern: attributePattern, Most: 129}, long, aboutAttribute)
}

// paramsForm is the form of the parameters of an action.
func paramsForm() *Form {
	form := attributesForm("request")
	form.Other.Names.Pattern = attributePattern + `|\*`
	return form
}

const aboutAttribute = "An attribute: its type, or the members of a record. A name that ends in ? is optional, and read behind has()."

// attributeForm is the form of one attribute: a type, a record, or either of
// them with further keys.
func attributeForm(record *Form, further ...Key) *Form {
	syntax := &Text{Refers: TypeSyntax, Most: 1 << 16}
	return &Form{
		Text: syntax,
		Keys: append([]Key{{Name: "type", Required: true, Form: &Form{Text: syntax, Or: record}, About: "The type, or the members of a record.",
			Examples: []string{"string(..64)", "int(0..10)", "\"enum(low, high)\"", "\"list(string, ..16)\"", "{amount_cents: int(0..)}"}}}, further...),
		Or: record,
	}
}

// recordForm is the form of the members of a record, which can be records.
var recordForm = func() *Form {
	record := &Form{Shared: "record"}
	record.Other = &Rest{Names: Text{Pattern: attributePattern, Most: 129}, Form: attributeForm(record), About: aboutAttribute}
	return record
}()

var actionForm = &Form{Keys: []Key{
	{Name: "resource", Required: true, Form: oneOrMore(naming(ResourceTypeName)), About: "The resource types it takes: one, a list, or any.",
		Examples: []string{"service", "[service, database]", "any"}},
	{Name: "params", Form: paramsForm(), About: "Its parameters. \"*\": json takes further ones, which are not looked into."},
	{Name: "risk", Form: words(kernel.RiskNames()...), About: "The least risk of a decision about it; low where nothing is said."},
	{Name: "grant", Form: words("required"), About: "required: every ALLOW hands out a single-use grant."},
}}

var eventForm = &Form{Keys: []Key{
	{Name: "reporters", Required: true, Form: oneOrMore(sentence(256)), About: "Who may report it.", Examples: []string{"[\"role:ci\"]"}},
	{Name: "resource", Required: true, Form: oneOrMore(naming(ResourceTypeName)), About: "The resource types it is about: one, a list, or any."},
	{Name: "params", Form: attributesForm("request"), About: "What is reported with it."},
}}

var factForm = &Form{Keys: []Key{
	{Name: "event", Required: true, Form: naming(EventName), About: "The action or the event that is counted."},
	{Name: "by", Required: true, Form: listOf(naming(AttributePath)), About: "The attributes that have to be equal.", Examples: []string{"[agent.id]"}},
	{Name: "count", Form: words("true"), About: "How many there were."},
	{Name: "sum", Form: naming(AttributePath), About: "The sum of a parameter that is never negative."},
	{Name: "distinct", Form: naming(AttributePath), About: "How many values of an attribute there were."},
	{Name: "last", Form: words("true"), About: "When the last one was."},
	{Name: "within", Required: true, Form: sentence(256), About: "The window that ends now: a duration, or a day of a time zone.",
		Examples: []string{"1h", "\"day(Europe/Berlin)\""}},
	{Name: "counts", Form: words("allowed", "attempted"), About: "allowed (the default): what was allowed. attempted: every request."},
}}

var constraintForm = &Form{
	Text: &Text{Words: meetNames},
	Keys: []Key{
		{Name: "merge", Required: true, Form: words(meetNames...), About: "How two values merge."},
		{Name: "by", Form: words(keeperNames...), About: "Who keeps it: the door that executes the action (the default), the kernel itself, or the caller."},
	},
}

var policyForm = head("policy", matching(namePattern, 128), "Names the policy. "+ruleNames,
	Key{Name: "variables", Form: mappingOf(Text{Pattern: lowerPattern, Most: 128}, conditionForm, "A variable, read as variables.name."),
		About: "Named expressions that the rules of this document share."},
	Key{Name: "rules", Required: true, Form: &Form{Items: ruleForm, Apart: true}, About: "The rules; their order has no influence."},
)

var conditionForm = &Form{Text: &Text{Condition: true, Most: maxCondition}}

var ruleForm = &Form{Keys: []Key{
	{Name: "id", Required: true, Form: matching(namePattern, 128), About: "Unique in the document. " + ruleNames},
	{Name: "mode", Form: words("enforce", "shadow"),
		About: "enforce (the default), or shadow: evaluated, explained and counted by tests, never part of an answer."},
	{Name: "match", Required: true, Form: matchForm, About: "Equalities that must all hold.",
		Examples: []string{"{action: deploy, resource.environment: production}"}},
	{Name: "when", Form: conditionForm, About: "A condition in CEL; without it the rule holds wherever it matches.",
		Examples: []string{"has(context.ticket) && params.amount_cents <= 20000"}},
	{Name: "effect", Required: true, Form: words(kernel.EffectNames()...), About: "What the rule says when it holds: a DENY beats REQUIRE_APPROVAL, which beats ALLOW."},
	{Name: "risk", Form: words(kernel.RiskNames()...), About: "The least risk of the answer when the rule holds; low where nothing is said."},
	{Name: "approvals", Form: countOfVotes(1), About: "How many approvals, for REQUIRE_APPROVAL only; 1 where nothing is said."},
	{Name: "approval", Form: naming(ApprovalName), About: "The approval document that says who may vote; `default`, if there is one, where nothing is said."},
	{Name: "constraints", Form: obligationsForm, About: "What the answer obliges to. Not for DENY."},
	{Name: "reason", Form: sentence(maxSentence), About: "Why, for whoever reads the answer."},
	{Name: "advice", Form: sentence(maxSentence), About: "What to do instead."},
}}

var matchForm = &Form{
	Keys: []Key{{Name: "action", Required: true, Form: oneOrMore(naming(ActionName)), About: "The action or the family of actions, or a list of them.",
		Examples: []string{"deploy", "[deploy, rollback]", "mcp.github.*"}}},
	Other: &Rest{Names: Text{Pattern: pathPattern, Refers: AttributePath}, Form: oneOrMore(naming(AttributeValue)),
		About: "A required attribute of type enum, string or bool: its value, or a list that means any of them."},
}

var obligationsForm = mappingOf(Text{Pattern: memberPattern, Refers: ConstraintName}, &Form{
	Text: &Text{}, Items: &Form{Text: &Text{}},
}, "A constraint of the schema with its value: true, an integer, or a list of texts.")

var tableForm = head("table", matching(namePattern, 128), "Names the table. A row is called after its values: table/webapp-production.",
	Key{Name: "match", Required: true, Form: matchForm, About: "What every row is about."},
	Key{Name: "variables", Form: mappingOf(Text{Pattern: lowerPattern, Most: 128}, conditionForm, "A variable, read as variables.name."),
		About: "Named expressions, for inputs.", Examples: []string{"{amount: 'params.cents > 10000 ? \"large\" : \"small\"'}"}},
	Key{Name: "inputs", Required: true, Form: listOf(naming(AttributePath)),
		About: "The first columns, one to eight: required attributes of type enum, resource.type, or variables whose values can be told from their text.", Examples: []string{"[resource.type, resource.environment]"}},
	Key{Name: "outputs", Required: true, Form: listOf(words(tableOutputs...)), About: "What the further columns hold; effect is needed.",
		Examples: []string{"[effect, risk, approvals]"}},
	Key{Name: "rows", Required: true, About: "For each input a value, or \"*\" for every value; then the outputs.",
		Form:     &Form{Rows: true, Items: listOf(cellForm)},
		Examples: []string{"[[webapp, production, REQUIRE_APPROVAL, high, 2], [\"*\", \"*\", DENY, critical, 0]]"}},
)

var cellForm = &Form{Text: &Text{}, Other: obligationsForm.Other}

var dataForm = head("data", matching(lowerPattern, 128), "The document's name in conditions: data.name.constant.",
	Key{Name: "types", Required: true, Form: mappingOf(Text{Pattern: lowerPattern, Most: 128}, naming(TypeSyntax), "The type of a constant."),
		About: "The constants and their types.", Examples: []string{"{limit_cents: int, labels: list(string)}"}},
	Key{Name: "values", Required: true, Form: mappingOf(Text{Pattern: lowerPattern, Most: 128}, &Form{Text: &Text{}, Items: &Form{Text: &Text{}}}, "The value of a constant."),
		About: "A value for every constant.", Examples: []string{"{limit_cents: 20000, labels: [duplicate, damaged]}"}},
)

var calendarForm = head("calendar", matching(lowerPattern, 128), "The calendar's name in conditions: calendar.name.active(context.now).",
	Key{Name: "zone", Required: true, Form: &Form{Text: &Text{Most: 128}}, About: "The time zone of everything in it, by its name in the IANA Time Zone Database.",
		Examples: []string{"Europe/Berlin", "America/New_York", "UTC"}},
	Key{Name: "weekly", Form: listOf(hoursForm), About: "Hours of every week.",
		Examples: []string{"[{days: [mon, tue, wed, thu, fri], from: \"09:00\", to: \"17:00\"}]"}},
	Key{Name: "entries", Form: listOf(entryForm), About: "Single stretches of time.",
		Examples: []string{"[{name: black-friday, from: 2026-11-26T00:00, to: 2026-12-01T00:00}]"}},
	Key{Name: "except", Form: listOf(entryForm), About: "When it is not active, whatever weekly and entries say.",
		Examples: []string{"[{from: 2026-12-24T00:00, to: 2026-12-27T00:00}]"}},
)

var hoursForm = &Form{Keys: []Key{
	{Name: "days", Required: true, Form: oneOrMore(words(weekdays...)), About: "The days of the week."},
	{Name: "from", Required: true, Form: clockForm, About: "The time of day at which they begin.", Examples: []string{"\"09:00\""}},
	{Name: "to", Required: true, Form: clockForm, About: "The time of day at which they end, which is no part of them; at most 24:00.", Examples: []string{"\"17:00\""}},
}}

var clockForm = matching(`([01][0-9]|2[0-3]):[0-5][0-9]|24:00`, 5)

var entryForm = &Form{Keys: []Key{
	{Name: "name", Form: sentence(128), About: "What it is; unique in its list."},
	{Name: "from", Required: true, Form: localForm, About: "The local time at which it begins.", Examples: []string{"2026-11-26T00:00"}},
	{Name: "to", Required: true, Form: localForm, About: "The local time at which it ends, which is no part of it.", Examples: []string{"2026-12-01T00:00"}},
}}

var localForm = matching(unanchored(localTime.String()), 16)
