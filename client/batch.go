package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/strixlabs/execution-kernel"
)

// An Answer is what became of one request of a batch. With an error there is
// no decision: the zero Decision denies.
type Answer struct {
	Decision kernel.Decision
	Err      error // a *kernel.Error whose Path begins with $.requests[…]; nil: there is a decision
}

// DecideBatch asks about 1 to [kernel.MaxRequests] requests at once and returns
// an answer to each, in their order. Each is decided as by [Client.Decide],
// and compared with what was sent; it is no transaction.
//
// The error is about all of them: a request that is none (nothing was sent
// then), more than fit into a body of [kernel.MaxBody] bytes, a kernel that
// could not record any. Nothing is permitted by such a call.
func (c *Client) DecideBatch(ctx context.Context, requests []kernel.Request) ([]Answer, error) {
	body, digests, err := encodeBatch(requests)
	if err != nil {
		return nil, err
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/decisions:batch", body: body}, http.StatusOK, jsonType)
	if err != nil {
		return nil, err
	}
	return decodeBatch(data, digests)
}

func encodeBatch(requests []kernel.Request) (body []byte, digests []string, err error) {
	if len(requests) == 0 || len(requests) > kernel.MaxRequests {
		return nil, nil, kernel.Errorf(kernel.Invalid, "a batch has 1 to %d requests, not %d", kernel.MaxRequests, len(requests)).
			WithHint("split it")
	}
	list := make([]json.RawMessage, len(requests))
	digests = make([]string, len(requests))
	for i, req := range requests {
		if list[i], digests[i], err = encode(req); err != nil {
			return nil, nil, inRequest(err, i)
		}
	}
	if body, err = json.Marshal(map[string]any{"requests": list}); err != nil {
		return nil, nil, fmt.Errorf("encode the batch: %w", err)
	}
	if len(body) > kernel.MaxBody {
		return nil, nil, kernel.Errorf(kernel.TooLarge, "the batch has %d bytes, over %d", len(body), kernel.MaxBody).WithHint("split it")
	}
	return body, digests, nil
}

// inRequest says which request of a batch an error is about.
func inRequest(err error, i int) error {
	var e *kernel.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("request %d: %w", i, err)
	}
	at := fmt.Sprintf("$.requests[%d]", i)
	if len(e.Path) > 0 && e.Path[0] == '$' {
		at += e.Path[1:]
	}
	return e.At(at)
}

// decodeBatch reads one answer for each digest that was sent. What answers
// another request, or more or fewer of them, answers nothing.
func decodeBatch(data []byte, digests []string) ([]Answer, error) {
	_, items, err := decodeItems(data)
	if err != nil {
		return nil, err
	}
	if len(items) != len(digests) {
		return nil, fmt.Errorf("the kernel gave %d answers to %d requests", len(items), len(digests))
	}
	answers := make([]Answer, len(digests))
	for i, item := range items {
		if answers[i], err = decodeAnswer(item); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
		if d := answers[i]; d.Err == nil && d.Decision.RequestDigest != digests[i] {
			return nil, fmt.Errorf("answer %d: the kernel decided another request: %s, not %s", i, d.Decision.RequestDigest, digests[i])
		}
	}
	return answers, nil
}

// decodeAnswer reads an item: a decision, or nothing but an error.
func decodeAnswer(item []byte) (Answer, error) {
	tree, err := kernel.DecodeJSON(item)
	top, _ := tree.(map[string]any)
	failed, refused := top["error"]
	if err != nil || !refused {
		d, err := decodeDecision(item)
		return Answer{Decision: d}, err
	}
	if _, both := top["decision"]; both {
		return Answer{}, errors.New("a decision and an error")
	}
	problem, ok := problemOf(failed)
	if !ok {
		return Answer{}, errors.New("an error without code and detail")
	}
	return Answer{Err: problem}, nil
}

// DryRun asks what the verdict would be now. Nothing is decided, so the answer
// permits nothing. It takes an admin or auditor.
func (c *Client) DryRun(ctx context.Context, req kernel.Request) (kernel.Verdict, error) {
	body, digest, err := encode(req)
	if err != nil {
		return kernel.Verdict{}, err
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/decisions:dryrun", body: body}, http.StatusOK, jsonType)
	if err != nil {
		return kernel.Verdict{}, err
	}
	v, err := decodeVerdict(data)
	if err == nil && v.RequestDigest != digest {
		err = fmt.Errorf("the kernel was asked about another request: %s, not %s", v.RequestDigest, digest)
	}
	if err != nil {
		return kernel.Verdict{}, err
	}
	return v, nil
}
