package kernel

import "fmt"

// A Code is what a program reads of an [Error] or a [Verdict]; people read the
// sentence beside it. Verdict codes are upper case, problem codes lower case.
type Code string

// Codes of verdicts: why a decision is what it is (a closed set). The first
// six are of verdicts that the registry reaches before the rules; APPROVED is
// what people made of a REQUIRE_APPROVAL, BREAK_GLASS what somebody did alone.
const (
	CodeKilled             Code = "KILLED"
	CodeUnknownAgent       Code = "UNKNOWN_AGENT"
	CodeAgentSuspended     Code = "AGENT_SUSPENDED"
	CodeAttributeConflict  Code = "ATTRIBUTE_CONFLICT"
	CodeAttributeMissing   Code = "ATTRIBUTE_MISSING"
	CodeCapabilityMissing  Code = "CAPABILITY_MISSING"
	CodeRule               Code = "RULE"
	CodeNoMatchingRule     Code = "NO_MATCHING_RULE"
	CodeEvaluationError    Code = "EVALUATION_ERROR"
	CodeConstraintConflict Code = "CONSTRAINT_CONFLICT"
	CodeUnknownAction      Code = "UNKNOWN_ACTION"
	CodeUnknownResource    Code = "UNKNOWN_RESOURCE"
	CodeApproved           Code = "APPROVED"
	CodeBreakGlass         Code = "BREAK_GLASS"
	CodeUnavailable        Code = "UNAVAILABLE"
)

// Codes of problems: why there is no verdict. A caller may branch on them.
const (
	Invalid          Code = "invalid_request"     // 400: the request does not fit the contract or the schema
	Malformed        Code = "malformed_json"      // 400: not strict JSON
	Unsupported      Code = "unsupported"         // 400: a feature this version refuses by name
	Unauthenticated  Code = "unauthenticated"     // 401: no caller could be established
	Forbidden        Code = "forbidden"           // 403: the caller may not do this
	NotFound         Code = "not_found"           // 404: no such thing, or not the caller's to see
	MethodNotAllowed Code = "method_not_allowed"  // 405
	Timeout          Code = "request_timeout"     // 408: the client was too slow
	Spent            Code = "request_id_spent"    // 409: the recorded ALLOW may no longer be replayed
	Reused           Code = "request_id_reused"   // 409: the request_id came with another request
	Conflict         Code = "conflict"            // 409: what the caller wants to change is not what it believes any more
	TooLarge         Code = "too_large"           // 413: the body is over its limit
	MediaType        Code = "unsupported_media"   // 415: a body that is not application/json
	WrongHost        Code = "misdirected_request" // 421: a Host this server was not given
	Internal         Code = "internal"            // 500: our fault; never a verdict
	Unavailable           = CodeUnavailable       // 503: not recorded, so not decided
)

// Codes of problems of grants. What is not about the caller or the token is 409:
// the grant is genuine and cannot be used, or not any more.
const (
	GrantAltered       Code = "grant_altered"            // 403: no key of this kernel signed it as it is, or it is about another decision
	GrantWrongAgent    Code = "grant_wrong_agent"        // 403: the caller may not act for the agent of the grant
	GrantWrongRedeemer Code = "grant_wrong_redeemer"     // 403: somebody else redeemed it
	GrantMismatch      Code = "grant_request_mismatch"   // 409: it is about another request than the one to be executed
	GrantExpired       Code = "grant_expired"            // 409
	GrantRedeemed      Code = "grant_redeemed"           // 409: it was redeemed before
	GrantPolicy        Code = "grant_policy_changed"     // 409: another policy decides now
	GrantKilled        Code = "grant_killed"             // 409: a kill switch stops the request
	GrantSuspended     Code = "grant_agent_suspended"    // 409: the agent is not active any more
	GrantCapability    Code = "grant_capability_changed" // 409: what covered the request does not any more, or something else does
	GrantRegistry      Code = "grant_registry_changed"   // 409: a trusted attribute is another now
	GrantNotRedeemed   Code = "grant_not_redeemed"       // 409: there is nothing to settle
	GrantSettled       Code = "grant_settled"            // 409: it was settled before, with another outcome
	GrantMissing       Code = "grant_required"           // 409: the action needs a grant, which this door cannot hand out
)

// Codes of problems of links to approvals.
const (
	LinkAltered  Code = "link_altered"          // 403: the kernel did not make it as it is
	LinkMismatch Code = "link_request_mismatch" // 409: the approval is about another request
	LinkSpent    Code = "link_spent"            // 409: the approval is settled already
	LinkExpired  Code = "link_expired"          // 410
)

// An Error is meant for the caller's eyes. Any other error is ours, and the
// caller only learns that something failed.
type Error struct {
	Code    Code
	Message string // a sentence, lower case, no full stop
	Path    string // where in the JSON document: $.resource.environment; empty when nowhere in particular
	Hint    string // what to do about it, when known
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Errorf returns an Error with a code and a message for people.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// At returns a copy of e that points to a place in the caller's document. Of a
// long path it keeps the two ends: errors are for people, and are recorded.
func (e *Error) At(path string) *Error {
	c := *e
	c.Path = shorten(path)
	return &c
}

// WithHint returns a copy of e that says what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}
