package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// describe prints a decision for people.
func describe(out *os.File, d kernel.Decision) {
	p := painter(out)
	verdict := map[kernel.Effect]func(string) string{kernel.Allow: p.green, kernel.RequireApproval: p.yellow}[d.Decision]
	if verdict == nil {
		verdict = p.red
	}
	fmt.Fprintf(out, "%s %s\n", verdict(p.bold(d.Decision.String())), p.dim("risk "+d.RiskLevel.String()))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "  %s %s\n", p.dim(fmt.Sprintf("%-11s", name)), strings.ReplaceAll(printable(value), "\n", `\n`))
		}
	}
	line("reason", d.Reason)
	line("advice", d.Advice)
	line("rules", strings.Join(d.Rules, ", "))
	if d.Decision == kernel.RequireApproval {
		line("approvals", approvals(d))
	}
	line("constraints", strings.Join(demanded(d), ", "))
	line("recorded as", d.ID)
}

// approvals says how many approvals are required, and what the answer says of
// who may give them.
func approvals(d kernel.Decision) string {
	n := fmt.Sprintf("%d required", d.ApprovalsRequired)
	if _, apart := d.Constraints["no_self_approval"]; apart {
		return n + ", none of them from whoever asked"
	}
	return n
}
