package contest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A Request is what engines decide. Its JSON is the document of
// `POST /v1/decisions`.
type Request struct {
	Agent    Agent    `json:"agent"`
	Action   string   `json:"action"`
	Resource Resource `json:"resource"`
	Params   Params   `json:"params"`
	Context  Context  `json:"context,omitzero"`
}

// An Agent is whoever asks.
type Agent struct {
	ID   string `json:"id"`
	Role string `json:"role"`
	Team string `json:"team,omitempty"`
}

// A Resource is what is asked for.
type Resource struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Environment string `json:"environment"`
	Sensitivity string `json:"sensitivity"`
	OwnerTeam   string `json:"owner_team,omitempty"`
}

// Params are the arguments of the action. Rules read the amount alone.
type Params struct {
	Amount   int64    `json:"amount"`
	Version  string   `json:"version,omitempty"`
	Strategy string   `json:"strategy,omitempty"`
	Labels   []string `json:"labels,omitempty"`
}

// Context is what no rule reads. It makes a body as long as real ones are.
type Context struct {
	Ticket   string `json:"ticket,omitempty"`
	SourceIP string `json:"source_ip,omitempty"`
}

// Requests makes n requests. Three of four aim at a rule, with an amount at its
// limit or beside it, so that rules hold; the others are drawn from everything
// the rules speak about.
func (s Set) Requests(n int) []Request {
	random := rand.New(rand.NewPCG(s.seed+1, uint64(len(s.Rules))))
	requests := make([]Request, n)
	for i := range requests {
		q := Request{
			Agent:  Agent{ID: fmt.Sprintf("agent-%03d", random.IntN(200)), Role: pick(random, Roles)},
			Action: pick(random, s.Actions),
			Resource: Resource{Type: "service", ID: fmt.Sprintf("svc/%d", random.IntN(500)),
				Environment: pick(random, Environments), Sensitivity: pick(random, Sensitivities)},
			Params: Params{Amount: random.Int64N(MaxAmount + 1)},
		}
		if i%4 != 0 {
			q.aim(pick(random, s.Rules), random)
		}
		requests[i] = q
	}
	return requests
}

func (q *Request) aim(r Rule, random *rand.Rand) {
	q.Action, q.Agent.Role = r.Action, r.Role
	q.Resource.Environment, q.Resource.Sensitivity = r.Environment, r.Sensitivity
	switch random.IntN(3) {
	case 0:
		q.Params.Amount = min(r.Limit, MaxAmount)
	case 1:
		q.Params.Amount = r.Limit - 1
	}
}

// BodySize is the length of [Request.Body].
const BodySize = 600

// Body returns the request as JSON of 600 bytes: with everything an agent
// would add that no rule reads.
func (q Request) Body() []byte {
	q.Agent.Team, q.Resource.OwnerTeam = "payments", "payments"
	q.Params.Version, q.Params.Strategy = "1.4.2", "canary"
	q.Params.Labels = []string{"region=eu-central-1", "tier=frontend", "release=2026-11", "component=checkout-api", "managed-by=release-bot"}
	q.Context = Context{Ticket: "CHG-17", SourceIP: "192.0.2.17"}
	q.Context.Ticket += strings.Repeat("0", max(0, BodySize-len(q.marshal())))
	return q.marshal()
}

func (q Request) marshal() []byte {
	body, err := json.Marshal(q)
	if err != nil { // a struct of texts and numbers always has a JSON form
		panic(err)
	}
	return body
}
