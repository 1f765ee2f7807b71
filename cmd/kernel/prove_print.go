package main

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// printProof prints a line for each answer, and what shows it below.
func (c *cli) printProof(p *app.Proof) {
	if p.Minimized != nil {
		c.printMinimized(p.Minimized)
	}
	for _, q := range p.Questions {
		switch p.Task {
		case "lint":
			c.printFinding(q)
		case "diff":
			c.printChange(q)
		case "minimize":
			c.printAdvice(q)
		default:
			c.printAnswer(q)
		}
	}
	var names []string
	for _, s := range p.Solvers {
		names = append(names, s.Name+" "+s.Version)
	}
	mark := map[app.Outcome]colour{app.Holds: green, app.Noted: green, app.Undecided: yellow, app.Broken: red}[p.Outcome]
	fmt.Fprintf(c.stdout, "%s (%s)\n", c.paint(mark, p.Summary()), strings.Join(names, ", "))
}

func (c *cli) outcomeColour(o app.Outcome) colour {
	return map[app.Outcome]colour{app.Holds: green, app.Noted: yellow, app.Undecided: yellow, app.Broken: red}[o]
}

// printAnswer prints the verdict on a sentence that should hold.
func (c *cli) printAnswer(q app.Question) {
	fmt.Fprintf(c.stdout, "%s  %s", c.paint(c.outcomeColour(q.Outcome), fmt.Sprintf("%-14s", q.Verdict)), safe(q.Name))
	if q.File != "" && q.Outcome != app.Holds {
		fmt.Fprintf(c.stdout, "  (%s:%d)", safe(q.File), q.Line)
	}
	fmt.Fprintln(c.stdout)
	if q.Outcome == app.Holds {
		return
	}
	fmt.Fprintf(c.stdout, "  asked: %s\n", safe(q.Asked))
	c.printWhy(q)
	for _, x := range q.Examples {
		c.printExample(x)
	}
}

func (c *cli) printWhy(q app.Question) {
	if q.Why != "" {
		fmt.Fprintf(c.stdout, "  %s\n", safe(q.Why))
	}
	for _, g := range q.Gaps {
		fmt.Fprintf(c.stdout, "  %s:%d:%d: %s\n", safe(g.File), g.Line, g.Col, safe(g.What))
	}
}

// printFinding prints one finding on one line.
func (c *cli) printFinding(q app.Question) {
	if q.File != "" {
		fmt.Fprintf(c.stdout, "%s:%d:%d: ", safe(q.File), q.Line, q.Col)
	}
	line := safe(q.Why)
	if len(q.By) > 0 {
		line += " (" + safe(strings.Join(q.By, ", ")) + ")"
	}
	for _, x := range q.Examples {
		if q.Outcome == app.Noted {
			break // --json has them
		}
		line += "; " + x.Shows + ": " + string(x.Request)
		if len(x.Facts) > 0 {
			line += " facts " + factsText(x.Facts)
		}
	}
	fmt.Fprintf(c.stdout, "%s: %s: %s\n", c.paint(c.outcomeColour(q.Outcome), q.Kind), safe(q.Name), line)
}

// printChange prints how one action changed in one respect.
func (c *cli) printChange(q app.Question) {
	fmt.Fprintf(c.stdout, "%s  %s  %s\n", c.paint(c.outcomeColour(q.Outcome), fmt.Sprintf("%-12s", q.Direction)), fmt.Sprintf("%-8s", q.Kind), safe(q.Name))
	if q.Direction == "equivalent" {
		return
	}
	c.printWhy(q)
	for _, x := range q.Examples {
		fmt.Fprintf(c.stdout, "  %s:\n", x.Shows)
		c.printRequest(x)
		before, after := said(x.Verdict, x.Refused), ""
		if x.Other != nil {
			after = said(x.Other.Verdict, x.Other.Refused)
		}
		fmt.Fprintf(c.stdout, "    before   %s\n    after    %s\n", safe(before), safe(after))
	}
}

// printExample prints a request with its history, what becomes of it, and the
// test to paste.
func (c *cli) printExample(x app.ProofExample) {
	c.printRequest(x)
	if x.Other != nil {
		fmt.Fprintf(c.stdout, "    first    %s\n    second   %s\n", safe(said(x.Verdict, x.Refused)), safe(said(x.Other.Verdict, x.Other.Refused)))
	} else {
		fmt.Fprintf(c.stdout, "    decided  %s\n", safe(said(x.Verdict, x.Refused)))
	}
	if x.Verdict != nil && len(x.Verdict.Rules) > 0 {
		fmt.Fprintf(c.stdout, "    rules    %s\n", safe(strings.Join(x.Verdict.Rules, ", ")))
	}
	if x.Test != "" {
		fmt.Fprintf(c.stdout, "  as a test, which passes until the policy is mended:\n\n%s\n", indented(x.Test))
	}
}

func (c *cli) printRequest(x app.ProofExample) {
	fmt.Fprintf(c.stdout, "    request  %s\n", x.Request)
	if len(x.Facts) > 0 {
		fmt.Fprintf(c.stdout, "    facts    %s\n", factsText(x.Facts))
	}
}

func factsText(facts map[string]any) string {
	data, err := json.Marshal(facts, json.Deterministic(true))
	if err != nil {
		return "?"
	}
	return string(data)
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// said is a verdict in a few words.
func said(v *kernel.Verdict, refused string) string {
	if v == nil {
		return "refused: " + refused
	}
	text := v.Decision.String()
	if v.ApprovalsRequired > 0 {
		text += fmt.Sprintf(" with %d", v.ApprovalsRequired)
		if len(v.Workflows) > 0 {
			text += " by " + strings.Join(v.Workflows, ", ")
		}
	}
	if v.Code != kernel.CodeRule {
		text += ", " + string(v.Code)
	}
	return text
}
