package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// explain prints why the verdict is what it is, and what would change it.
func (c *cli) explain(p *eval.Program, in eval.Input, printed time.Time, asJSON bool) error {
	trace, err := p.Explain(in)
	if err != nil {
		return err
	}
	nearest, err := eval.Nearest(p, in)
	if err != nil {
		return err
	}
	if asJSON {
		err = c.printJSON(struct {
			eval.Trace
			Nearest eval.Counterfactual `json:"nearest"`
			Now     time.Time           `json:"now,omitzero"`
		}{trace, nearest, printed})
		return orCode(err, trace.Verdict.Decision)
	}
	c.printVerdict(trace.Verdict, printed)
	if trace.Shadow != nil {
		fmt.Fprintf(c.stdout, "  with shadow rules enforced: %s, %s\n", trace.Shadow.Decision, safe(trace.Shadow.Reason))
	}
	c.printCandidates(trace)
	c.printNearest(nearest, trace.Verdict.Decision)
	return codeOfDecision(trace.Verdict.Decision)
}

func (c *cli) printVerdict(v kernel.Verdict, printed time.Time) {
	colours := map[kernel.Effect]colour{kernel.Allow: green, kernel.RequireApproval: yellow, kernel.Deny: red}
	fmt.Fprintf(c.stdout, "%s  %s\n", c.paint(colours[v.Decision], v.Decision.String()), safe(v.Reason))
	if v.Advice != "" {
		fmt.Fprintln(c.stdout, "  advice:", safe(v.Advice))
	}
	fmt.Fprintf(c.stdout, "  code %s, risk %s", v.Code, v.RiskLevel)
	if v.ApprovalsRequired > 0 {
		fmt.Fprintf(c.stdout, ", approvals %d", v.ApprovalsRequired)
	}
	if len(v.Workflows) > 0 {
		fmt.Fprintf(c.stdout, " by %s", strings.Join(v.Workflows, ", "))
	}
	if len(v.Constraints) > 0 {
		fmt.Fprintf(c.stdout, ", constraints %s", oneLine(v.Constraints))
	}
	fmt.Fprintln(c.stdout)
	if !printed.IsZero() {
		fmt.Fprintln(c.stdout, "  at", printed.Format(time.RFC3339Nano))
	}
}

// printCandidates lists the rules that hold, then those that do not, each with
// what it saw.
func (c *cli) printCandidates(t eval.Trace) {
	var holds, others []eval.Candidate
	for _, k := range t.Candidates {
		if k.Result == eval.ResultTrue || k.Result == eval.ResultError {
			holds = append(holds, k)
		} else {
			others = append(others, k)
		}
	}
	for _, group := range []struct {
		title string
		list  []eval.Candidate
	}{{"rules that hold:", holds}, {"rules that do not:", others}} {
		if len(group.list) == 0 {
			continue
		}
		fmt.Fprintln(c.stdout, "\n"+group.title)
		for _, k := range group.list {
			c.printCandidate(k)
		}
	}
}

func (c *cli) printCandidate(k eval.Candidate) {
	mode := ""
	if k.Mode == "shadow" {
		mode = " (shadow)"
	}
	fmt.Fprintf(c.stdout, "  %s  %s%s\n", k.Rule, k.Effect, mode)
	switch {
	case k.Failed != nil:
		fmt.Fprintf(c.stdout, "      %s is %s, not %s\n", k.Failed.Path, oneLine(k.Failed.Value), strings.Join(k.Failed.Wanted, " or "))
	case k.BeatenBy != "":
		fmt.Fprintln(c.stdout, "      the row goes first where", k.BeatenBy)
	case k.Error != "":
		fmt.Fprintln(c.stdout, "      its condition has no value:", k.Error)
	}
	for _, v := range k.Values {
		shown := oneLine(v.Value)
		if v.Error != "" {
			shown = "no value: " + v.Error
		}
		fmt.Fprintf(c.stdout, "      %s = %s\n", safe(v.Expression), shown)
	}
}

func (c *cli) printNearest(n eval.Counterfactual, decision kernel.Effect) {
	fmt.Fprintln(c.stdout)
	if n.Tried == 0 {
		fmt.Fprintln(c.stdout, "no rule was looked at: the action, the resource or the agent settles it")
		return
	}
	if len(n.Changes) == 0 {
		fmt.Fprintf(c.stdout, "no change of one or two attributes was found that changes the answer (%d tried)\n", n.Tried)
		return
	}
	fmt.Fprintf(c.stdout, "the answer would not be %s with:\n", decision)
	for _, k := range n.Changes {
		edits := make([]string, len(k.Edits))
		for i, e := range k.Edits {
			edits[i] = editText(e)
		}
		by := ""
		if len(k.Rules) > 0 {
			by = "  (" + strings.Join(k.Rules[:min(len(k.Rules), 3)], ", ") + ")"
		}
		fmt.Fprintf(c.stdout, "  %-16s  %s%s\n", k.Decision, strings.Join(edits, " and "), by)
	}
}

func editText(e eval.Edit) string {
	from, to := "absent", "absent"
	if e.From != nil {
		from = oneLine(e.From)
	}
	switch {
	case e.Other:
		to = "any text that no rule names"
	case e.To != nil:
		to = oneLine(e.To)
	}
	return fmt.Sprintf("%s: %s → %s", e.Path, from, to)
}

// oneLine writes a value as JSON for a terminal.
func oneLine(v any) string {
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return fmt.Sprint(v)
	}
	return safe(string(data))
}
