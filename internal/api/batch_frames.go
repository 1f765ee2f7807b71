package api

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
)

// readItems reads what a batch asks, each request by itself: nil where the
// body is no batch, whatever its requests are.
//
// A body that is strict JSON is read at once. Else what is wrong may be inside
// one request, as a member that is there twice, and that one alone is refused.
func readItems(data []byte, problem error) []any {
	var e *kernel.Error
	if !errors.As(problem, &e) || !strings.HasPrefix(e.Path, "$.requests[") {
		return nil
	}
	frames, ok := splitBatch(data)
	if !ok {
		return nil
	}
	list := make([]any, len(frames))
	for i, frame := range frames {
		tree, err := kernel.DecodeJSON(frame)
		if list[i] = tree; err != nil {
			list[i] = err
		}
	}
	return list
}

// splitBatch splits a body into its requests, without looking into them.
func splitBatch(data []byte) (frames [][]byte, ok bool) {
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	next := func(kind jsontext.Kind, want string) bool {
		t, err := dec.ReadToken()
		return err == nil && t.Kind() == kind && t.String() == want
	}
	if !next('{', "{") || !next('"', "requests") || !next('[', "[") {
		return nil, false
	}
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil || len(frames) == kernel.MaxRequests {
			return nil, false
		}
		frames = append(frames, v.Clone())
	}
	if !next(']', "]") || !next('}', "}") {
		return nil, false
	}
	_, err := dec.ReadToken()
	return frames, len(frames) > 0 && errors.Is(err, io.EOF)
}
