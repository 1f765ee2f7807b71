package app

import (
	"net/url"
	"path/filepath"
	"strings"
)

// The parts of SARIF 2.1.0 that tools for code review read:
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string            `json:"ruleId"`
		RuleIndex int               `json:"ruleIndex"`
		Level     string            `json:"level"`
		Message   sarifText         `json:"message"`
		Locations []sarifLocation   `json:"locations"`
		Prints    map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
)

// SARIF is the proof for tools that show findings beside the code; questions
// whose answer is as it should be are left out.
func (p *Proof) SARIF(version string) any {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "kernel prove", Version: Version(version), Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
	}
	index := map[string]int{}
	for _, q := range p.Questions {
		if q.Outcome == Holds {
			continue
		}
		id := p.Task + "/" + q.Kind
		if _, known := index[id]; !known {
			index[id] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{id, sarifText{sarifAbout(p.Task, q)}})
		}
		run.Results = append(run.Results, p.sarifResult(id, index[id], q))
	}
	return sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}
}

// sarifAbout is what all findings of one kind have in common.
func sarifAbout(task string, q Question) string {
	if task == "properties" {
		return "A property of kind " + q.Kind + " does not hold, or was not decided."
	}
	return strings.ToUpper(q.Asked[:1]) + q.Asked[1:] + "?"
}

func (p *Proof) sarifResult(id string, index int, q Question) sarifResult {
	level := map[Outcome]string{Broken: "error", Undecided: "warning", Noted: "note"}[q.Outcome]
	if p.Task == "lint" && q.Outcome == Broken {
		level = "warning"
	}
	text := q.Name + ": " + string(q.Verdict)
	if q.Direction != "" {
		text = q.Name + ": " + q.Direction + " in " + q.Kind
	}
	if q.Why != "" {
		text += ": " + q.Why
	}
	for _, x := range q.Examples {
		text += "\n" + x.Shows + ": " + string(x.Request)
	}
	line, col := max(1, q.Line), max(1, q.Col)
	return sarifResult{
		RuleID: id, RuleIndex: index, Level: level, Message: sarifText{text},
		Locations: []sarifLocation{{sarifPhysical{sarifArtifact{p.sarifURI(q)}, sarifRegion{line, col}}}},
		Prints:    map[string]string{"question/v1": p.Task + " " + q.Kind + " " + q.Name},
	}
}

// sarifURI is the file, or for what stands in no single file the bundle.
func (p *Proof) sarifURI(q Question) string {
	file := q.File
	if file == "" {
		file = q.Bundle
	}
	file = filepath.ToSlash(filepath.Clean(file))
	if filepath.IsAbs(file) {
		return (&url.URL{Scheme: "file", Path: file}).String()
	}
	return (&url.URL{Path: file}).EscapedPath()
}
