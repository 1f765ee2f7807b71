package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/link"
)

// A route is one method of one path. The zero route is for nobody.
type route struct {
	method, path string
	roles        []kernel.Role // any of them; none: nobody, unless public
	public       bool          // needs no caller
	params       []string      // the query parameters it takes
	body         bool          // takes a JSON body; else it takes none
	most         int64         // bytes of the body; 0: kernel.MaxBody
	door         string        // it decides: the door's name, in the log and for refusals
	probe        bool          // has the probes' lane
	vote         bool          // has the votes' lane
	page         bool          // has the pages' lane and is for browsers: answers are pages, and the body is a form
	serve        func(*door, *call) (reply, error)
}

// routes is who may do what. It is compared with openapi.yaml by a test.
func routes() []route {
	const admin, gateway, agent, auditor = kernel.RoleAdmin, kernel.RoleGateway, kernel.RoleAgent, kernel.RoleAuditor
	const reporter = kernel.RoleReporter
	askers, readers, anyone := []kernel.Role{admin, gateway, agent}, []kernel.Role{admin, auditor}, kernel.Roles()
	concerned := []kernel.Role{admin, gateway, agent, auditor}
	approvers, involved := []kernel.Role{kernel.RoleApprover}, []kernel.Role{admin, gateway, agent, auditor, kernel.RoleApprover}
	return []route{
		{method: "POST", path: "/v1/decisions", roles: askers, body: true, door: doorDecisions, serve: (*door).decide},
		{method: "GET", path: "/v1/decisions", roles: concerned, params: queryParams(), serve: (*door).list},
		{method: "GET", path: "/v1/decisions/{id}", roles: concerned, params: []string{"wait"}, serve: (*door).decision},
		{method: "POST", path: "/v1/decisions:batch", roles: askers, body: true, door: doorBatch, serve: (*door).decideBatch},
		{method: "POST", path: "/v1/decisions:dryrun", roles: readers, body: true, serve: (*door).dryRun},
		{method: "POST", path: "/v1/decisions:explain", roles: readers, body: true, serve: (*door).explain},
		{method: "POST", path: "/evaluate", roles: askers, body: true, door: doorEvaluate, serve: (*door).evaluate},

		{method: "GET", path: "/v1/approvals", roles: involved, params: []string{"state", "for", "review", "limit"}, serve: (*door).listApprovals},
		{method: "GET", path: "/v1/approvals/stream", roles: involved, params: []string{"for"}, serve: (*door).streamApprovals},
		{method: "GET", path: "/v1/approvals/{id}", roles: involved, serve: (*door).showApproval},
		{method: "POST", path: "/v1/approvals/{id}:approve", roles: approvers, body: true, vote: true, door: doorApprovals, serve: (*door).approve},
		{method: "POST", path: "/v1/approvals/{id}:reject", roles: approvers, body: true, vote: true, door: doorApprovals, serve: (*door).reject},
		{method: "POST", path: "/v1/approvals/{id}:breakglass", roles: approvers, body: true, vote: true, door: doorApprovals, serve: (*door).breakGlass},
		{method: "POST", path: "/v1/approvals/{id}:review", roles: approvers, body: true, vote: true, door: doorApprovals, serve: (*door).review},
		{method: "POST", path: "/v1/approvals/{id}:cancel", roles: askers, body: true, door: doorApprovals, serve: (*door).cancelApproval},

		{method: "GET", path: link.Path + "{id}", public: true, page: true, params: linkParams(), serve: (*door).showPage},
		{method: "POST", path: link.Path + "{id}", public: true, page: true, params: linkParams(), body: true, most: maxForm, door: doorApprovals, serve: (*door).votePage},

		{method: "POST", path: "/v1/events", roles: []kernel.Role{reporter}, body: true, door: doorEvents, serve: (*door).report},

		{method: "POST", path: "/v1/tokens", roles: []kernel.Role{admin}, body: true, serve: (*door).createToken},
		{method: "GET", path: "/v1/tokens", roles: []kernel.Role{admin}, serve: (*door).listTokens},
		{method: "DELETE", path: "/v1/tokens/{id}", roles: []kernel.Role{admin}, serve: (*door).revokeToken},
		{method: "GET", path: "/v1/registry", roles: readers, serve: (*door).exportRegistry},
		{method: "POST", path: "/v1/registry:apply", roles: []kernel.Role{admin}, body: true, serve: (*door).applyRegistry},
		{method: "GET", path: "/v1/agents", roles: readers, params: []string{"id", "kind", "status"}, serve: (*door).listAgents},
		{method: "POST", path: "/v1/agents:status", roles: []kernel.Role{admin}, body: true, probe: true, serve: (*door).setStatus},
		{method: "GET", path: "/v1/kills", roles: readers, serve: (*door).listKills},
		{method: "POST", path: "/v1/kills", roles: []kernel.Role{admin}, body: true, probe: true, serve: (*door).kill},
		{method: "POST", path: "/v1/kills:lift", roles: []kernel.Role{admin}, body: true, probe: true, serve: (*door).lift},
		{method: "GET", path: "/v1/delegations", roles: readers, serve: (*door).listDelegations},
		{method: "POST", path: "/v1/delegations", roles: askers, body: true, serve: (*door).lend},
		{method: "DELETE", path: "/v1/delegations/{id}", roles: askers, serve: (*door).revoke},
		{method: "GET", path: "/v1/policies", roles: readers, serve: (*door).listPolicies},
		{method: "POST", path: "/v1/policies", roles: []kernel.Role{admin}, body: true, most: maxBundle, serve: (*door).pushPolicy},
		{method: "GET", path: "/v1/policies/{id}", roles: readers, serve: (*door).policy},
		{method: "GET", path: "/v1/policies:diff", roles: readers, params: []string{"from", "to"}, serve: (*door).diffPolicies},
		{method: "POST", path: "/v1/policies:activate", roles: []kernel.Role{admin}, body: true, serve: (*door).activatePolicy},
		{method: "GET", path: "/v1/grants", roles: readers, params: []string{"state", "agent", "limit", "cursor"}, serve: (*door).listGrants},
		{method: "GET", path: "/v1/grants/{id}", roles: concerned, serve: (*door).grant},
		{method: "POST", path: "/v1/grants/{id}:redeem", roles: askers, body: true, door: doorGrants, serve: (*door).redeem},
		{method: "POST", path: "/v1/grants/{id}:settle", roles: askers, body: true, door: doorGrants, serve: (*door).settle},
		{method: "GET", path: "/v1/webhooks", roles: readers, serve: (*door).listWebhooks},
		{method: "POST", path: "/v1/webhooks:test", roles: []kernel.Role{admin}, body: true, serve: (*door).testWebhook},
		{method: "POST", path: "/v1/webhooks:retry", roles: []kernel.Role{admin}, body: true, serve: (*door).retryWebhook},
		{method: "GET", path: "/v1/log/shards", roles: readers, serve: (*door).listShards},
		{method: "GET", path: "/v1/log/checkpoint", roles: readers, params: []string{"shard"}, serve: (*door).latestCheckpoint},
		{method: "POST", path: "/v1/log/checkpoint", roles: []kernel.Role{admin}, body: true, serve: (*door).signCheckpoint},

		{method: "GET", path: "/.well-known/jwks.json", public: true, serve: (*door).jwks},
		{method: "GET", path: "/healthz", public: true, probe: true, serve: (*door).health},
		{method: "GET", path: "/readyz", public: true, probe: true, serve: (*door).ready},
		{method: "GET", path: "/metrics", roles: anyone, probe: true, serve: (*door).metrics},
		{method: "GET", path: "/openapi.yaml", roles: anyone, serve: (*door).openAPI},
		{method: "GET", path: "/schemas/{name}", roles: anyone, serve: (*door).schema},
	}
}

// linkParams are the query parameters of links.
func linkParams() []string { return []string{link.Digest, link.Expires, link.Whole, link.Signature} }

// maxForm bounds a form, in bytes.
const maxForm = 16 << 10

// limit is how many bytes of a body the route takes.
func (r *route) limit() int64 { return cmp.Or(r.most, kernel.MaxBody) }

// media is the type of the bodies that the route takes.
func (r *route) media() string {
	if r.page {
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// A table finds routes by path. It is not http.ServeMux, because that answers
// redirects and plain text of its own.
type table map[string]map[string]*route // path → method → route

func newTable(routes []route) table {
	t := table{}
	for _, r := range routes {
		if t[r.path] == nil {
			t[r.path] = map[string]*route{}
		}
		t[r.path][r.method] = &r
		if r.method == http.MethodGet {
			t[r.path][http.MethodHead] = &r
		}
	}
	return t
}

// find returns the methods of a path, and the value of its last segment where
// the path has a parameter.
func (t table) find(path string) (methods map[string]*route, last string) {
	if m, ok := t[path]; ok && !strings.HasSuffix(path, "}") {
		return m, ""
	}
	i := strings.LastIndexByte(path, '/') + 1
	if path[i:] == "" {
		return nil, ""
	}
	if at := i + strings.LastIndexByte(path[i:], ':'); at > i { // {id}:verb
		if m, ok := t[path[:i]+"{id}"+path[at:]]; ok {
			return m, path[i:at]
		}
	}
	for _, param := range []string{"{id}", "{name}"} {
		if m, ok := t[path[:i]+param]; ok {
			return m, path[i:]
		}
	}
	return nil, ""
}

// allowed lists the methods of a path, for the header Allow.
func allowed(methods map[string]*route) string {
	names := append(kernel.SortedKeys(methods), http.MethodOptions)
	slices.Sort(names)
	return strings.Join(names, ", ")
}
