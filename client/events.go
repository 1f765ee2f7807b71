package client

import (
	"context"
	"net/http"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// An Event is what happened elsewhere, for facts to count.
type Event struct {
	Event    string         `json:"event"` // as the schema of the active policy declares it
	Agent    *EventAgent    `json:"agent,omitzero"`
	Resource map[string]any `json:"resource"` // type, id and declared attributes
	Params   map[string]any `json:"params,omitzero"`
}

// An EventAgent is whom an event is about.
type EventAgent struct {
	ID string `json:"id"`
}

// A RecordedEvent is an event that is on disk.
type RecordedEvent struct {
	ReportedAt time.Time       `json:"reported_at"`
	Entry      kernel.EntryRef `json:"entry"`
}

// Report records an event; from its return on every decision counts it. Sent
// again it counts again. It takes a token with the role reporter, of a person
// or service that the schema lists.
func (c *Client) Report(ctx context.Context, e Event) (got RecordedEvent, err error) {
	err = c.post(ctx, "/v1/events", e, http.StatusCreated, &got)
	return got, err
}

// ReportJSON is Report of an event as it is sent.
func (c *Client) ReportJSON(ctx context.Context, event []byte) (got RecordedEvent, err error) {
	err = c.object(ctx, request{method: http.MethodPost, path: "/v1/events", body: event}, http.StatusCreated, &got)
	return got, err
}
