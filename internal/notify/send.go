package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

// Bounds of one attempt.
const (
	sendTime  = 10 * time.Second
	maxAnswer = 16 << 10 // bytes that are read, and dropped
	maxNote   = 200      // bytes of why something failed
)

// A sender sends to one endpoint.
type sender struct {
	Endpoint
	client *http.Client
}

func newSender(e Endpoint, trust *tls.Config) (*sender, error) {
	u, err := e.target()
	if err != nil {
		return nil, err
	}
	d := dialer(loopbackHost(u.Hostname()), e.Private)
	return &sender{e, &http.Client{
		Timeout: sendTime,
		// No proxy: it would be the one that dials, and check no address.
		Transport: &http.Transport{
			DialContext: d.DialContext, TLSClientConfig: trust, ForceAttemptHTTP2: true, DisableCompression: true,
			TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: inFlight, MaxResponseHeaderBytes: maxAnswer,
		},
		// A redirect could lead where the endpoint may not: it is an answer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// send makes one attempt. Wait is left at what the receiver asked for.
func (s *sender) send(ctx context.Context, id string, body []byte, now time.Time) gate.Sent {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return gate.Sent{Note: "the url cannot be asked"}
	}
	timestamp, signature := webhook.Sign(s.Secrets, id, now, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "execution-kernel")
	req.Header.Set(webhook.HeaderID, id)
	req.Header.Set(webhook.HeaderTimestamp, timestamp)
	req.Header.Set(webhook.HeaderSignature, signature)
	resp, err := s.client.Do(req)
	if err != nil {
		return gate.Sent{Note: cause(err)}
	}
	defer func() { _ = resp.Body.Close() }()                             // nothing of it is used
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))     // so that the connection can be used again
	sent := gate.Sent{Note: fmt.Sprintf("answered %d", resp.StatusCode)} // never what it says: that is somebody else's text
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		sent.OK = true
	case resp.StatusCode == http.StatusGone:
		sent.Gone = true
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		sent.Note += ": redirects are not followed"
	}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 20); err == nil {
		sent.Wait = time.Duration(seconds) * time.Second
	}
	return sent
}

// cause is why a receiver could not be reached, without its URL.
func cause(err error) string {
	if errors.Is(err, context.Canceled) {
		return "the kernel stopped meanwhile"
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		if failed.Timeout() {
			return fmt.Sprintf("no answer within %s", sendTime)
		}
		err = failed.Err
	}
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxNote)], "")
}
