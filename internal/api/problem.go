package api

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// A problem is an error as HTTP tells it (RFC 9457).
type problem struct {
	Type     string      `json:"type"`
	Title    string      `json:"title"`
	Status   int         `json:"status"`
	Code     kernel.Code `json:"code"`
	Detail   string      `json:"detail"`
	Path     string      `json:"path,omitzero"`      // where in the body: $.…
	Param    string      `json:"parameter,omitzero"` // which query parameter
	Hint     string      `json:"hint,omitzero"`
	Decision string      `json:"decision,omitzero"` // DENY, with UNAVAILABLE

	Diagnostics []diagnosticView  `json:"diagnostics,omitzero"`  // of a bundle that is not taken
	FailedTests []eval.CaseResult `json:"failed_tests,omitzero"` // of a bundle that is not taken
}

// statuses of the codes of problems. A code that is not here is our fault.
var statuses = map[kernel.Code]int{
	kernel.Invalid:            http.StatusBadRequest,
	kernel.Malformed:          http.StatusBadRequest,
	kernel.Unsupported:        http.StatusBadRequest,
	kernel.Unauthenticated:    http.StatusUnauthorized,
	kernel.Forbidden:          http.StatusForbidden,
	kernel.NotFound:           http.StatusNotFound,
	kernel.MethodNotAllowed:   http.StatusMethodNotAllowed,
	kernel.Timeout:            http.StatusRequestTimeout,
	kernel.Spent:              http.StatusConflict,
	kernel.Reused:             http.StatusConflict,
	kernel.Conflict:           http.StatusConflict,
	kernel.GrantAltered:       http.StatusForbidden,
	kernel.GrantWrongAgent:    http.StatusForbidden,
	kernel.GrantWrongRedeemer: http.StatusForbidden,
	kernel.GrantMismatch:      http.StatusConflict,
	kernel.GrantExpired:       http.StatusConflict,
	kernel.GrantRedeemed:      http.StatusConflict,
	kernel.GrantPolicy:        http.StatusConflict,
	kernel.GrantKilled:        http.StatusConflict,
	kernel.GrantSuspended:     http.StatusConflict,
	kernel.GrantCapability:    http.StatusConflict,
	kernel.GrantRegistry:      http.StatusConflict,
	kernel.GrantNotRedeemed:   http.StatusConflict,
	kernel.GrantSettled:       http.StatusConflict,
	kernel.GrantMissing:       http.StatusConflict,
	kernel.LinkAltered:        http.StatusForbidden,
	kernel.LinkMismatch:       http.StatusConflict,
	kernel.LinkSpent:          http.StatusConflict,
	kernel.LinkExpired:        http.StatusGone,
	kernel.TooLarge:           http.StatusRequestEntityTooLarge,
	kernel.MediaType:          http.StatusUnsupportedMediaType,
	kernel.WrongHost:          http.StatusMisdirectedRequest,
	kernel.Internal:           http.StatusInternalServerError,
	kernel.Unavailable:        http.StatusServiceUnavailable,
}

func problemOf(e *kernel.Error) problem {
	status, known := statuses[e.Code]
	if !known {
		e, status = kernel.Errorf(kernel.Internal, "something failed here"), http.StatusInternalServerError
	}
	p := problem{
		Type:  "urn:execution-kernel:problem:" + strings.ReplaceAll(strings.ToLower(string(e.Code)), "_", "-"),
		Title: http.StatusText(status), Status: status, Code: e.Code,
		Detail: e.Message, Hint: e.Hint,
	}
	if strings.HasPrefix(e.Path, "$") {
		p.Path = e.Path
	} else {
		p.Param = e.Path
	}
	if e.Code == kernel.Unavailable {
		p.Decision = kernel.Deny.String()
	}
	return p
}

func (p problem) reply() reply {
	rep := jsonReply(p.Status, p)
	rep.kind = "application/problem+json"
	if p.Status == http.StatusServiceUnavailable {
		rep.header = http.Header{"Retry-After": {"1"}}
	}
	return rep
}

// jsonReply encodes a value of ours: members in the order of the struct, maps
// sorted.
func jsonReply(status int, v any) reply {
	var body bytes.Buffer
	body.Grow(1 << 10) // few answers are larger
	if err := json.MarshalWrite(&body, v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		panic(err) // answered as a refusal; our own types always encode
	}
	body.WriteByte('\n')
	return reply{status: status, kind: "application/json", body: body.Bytes()}
}
