package app

import (
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A ClaimsReport says which ALLOW rules rest on what the caller says and nobody
// proves; see [pdl.Claims].
type ClaimsReport struct {
	AnyAgent bool          `json:"any_agent"`            // agents: any
	Allow    int           `json:"allow_rules"`          // that are enforced
	Inputs   int           `json:"on_params_or_context"` // of those
	Rules    []ClaimedRule `json:"rules"`                // on claimed attributes of agent or resource; never nil
}

// A ClaimedRule is an ALLOW rule, where it stands, and the claimed attributes
// that it rests on.
type ClaimedRule struct {
	Rule       string             `json:"rule"`
	File       string             `json:"file"`
	Line       int                `json:"line"`
	Col        int                `json:"col"`
	Attributes []ClaimedAttribute `json:"attributes"`
}

// A ClaimedAttribute is one attribute; From is request or registry?.
type ClaimedAttribute struct {
	Path string `json:"path"`
	From string `json:"from"`
}

// A ServeReport says whether kernel serve of this version takes the bundle,
// and if not what it refuses and where.
type ServeReport struct {
	OK          bool         `json:"ok"`
	Diagnostics []Diagnostic `json:"diagnostics"` // never nil
}

func reportClaims(b *pdl.Bundle) *ClaimsReport {
	claims := b.Claims()
	r := &ClaimsReport{AnyAgent: claims.AnyAgent, Allow: claims.Allow, Inputs: claims.Inputs, Rules: []ClaimedRule{}}
	for _, c := range claims.Rules {
		rule := ClaimedRule{Rule: c.Rule.Name, File: c.Rule.Pos.File, Line: c.Rule.Pos.Line, Col: c.Rule.Pos.Col}
		for _, a := range c.Attributes {
			rule.Attributes = append(rule.Attributes, ClaimedAttribute{a.Path, a.From.String()})
		}
		r.Rules = append(r.Rules, rule)
	}
	return r
}

func reportServe(b *pdl.Bundle) *ServeReport {
	refused := gate.Unmet(b.Needs())
	return &ServeReport{OK: len(refused) == 0, Diagnostics: reportDiagnostics(refused)}
}
