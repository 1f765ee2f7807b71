package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// decideBatch asks about many requests and prints an answer a line.
func (c *cli) decideBatch(ctx context.Context, k *client.Client, requests []kernel.Request) error {
	answers, err := k.DecideBatch(ctx, requests)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if err := c.printLine(lineOf(a)); err != nil {
			return err
		}
	}
	return codeOfAnswers(answers)
}

// readRequests reads {"requests": […]}, or a request on each line.
func readRequests(data []byte) ([]kernel.Request, error) {
	var requests []kernel.Request
	if tree, err := kernel.DecodeJSON(data); err == nil {
		top, _ := tree.(map[string]any)
		list, isBatch := top["requests"].([]any)
		if isBatch && len(top) == 1 {
			for i, one := range list {
				req, err := kernel.RequestFromTree(one)
				if err != nil {
					return nil, fmt.Errorf("request %d: %w", i, err)
				}
				requests = append(requests, req)
			}
			return requests, nil
		}
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		req, err := kernel.DecodeRequest(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		requests = append(requests, req)
	}
	return requests, nil
}

// lineOf is what is printed of an answer: the decision, or the error in its
// place.
func lineOf(a client.Answer) any {
	if a.Err == nil {
		return a.Decision
	}
	type wrong struct {
		Code   kernel.Code `json:"code,omitzero"`
		Detail string      `json:"detail"`
		Path   string      `json:"path,omitzero"`
		Hint   string      `json:"hint,omitzero"`
	}
	w := wrong{Detail: a.Err.Error()}
	var e *kernel.Error
	if errors.As(a.Err, &e) {
		w = wrong{e.Code, e.Message, e.Path, e.Hint}
	}
	return struct {
		Error wrong `json:"error"`
	}{w}
}

// codeOfAnswers is 0 only if everything is allowed. Else it is the gravest:
// what was not decided, then what was denied, then what waits for approval.
func codeOfAnswers(answers []client.Answer) error {
	var codes []int
	for _, a := range answers {
		var e *kernel.Error
		switch {
		case errors.As(a.Err, &e):
			codes = append(codes, codeOf(e.Code))
		case a.Err != nil:
			codes = append(codes, exitFailed)
		default:
			codes = append(codes, codeOfEffect(a.Decision.Decision))
		}
	}
	for _, code := range []int{exitUnreachable, exitFailed, exitMisuse, exitDeny, exitApproval} {
		if slices.Contains(codes, code) {
			return exitError(code)
		}
	}
	return nil
}
