// Package client asks a kernel over HTTP.
//
// It promises that nothing but a decision the kernel gave for this very
// request comes back without an error: an answer that is not understood whole
// is an error, and so is every status but success.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// ErrUnreachable is wrapped by the errors of calls that no kernel answered:
// nothing listens there, the time was over, or something answered that is no
// kernel. Nothing may be done on the strength of such a call.
var ErrUnreachable = errors.New("no kernel answered")

// Media types of answers.
const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// Limits of one call. The kernel itself gives up earlier.
const (
	timeout   = 30 * time.Second
	maxAnswer = 32 << 20 // bytes
)

// A Client asks one kernel. It is safe for concurrent use.
//
// Errors are *[kernel.Error] when the kernel says why it does not answer,
// and wrap [ErrUnreachable] when no kernel did. Nothing is retried.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// New returns a client of the kernel at a base URL such as
// http://127.0.0.1:7373. The token is a bearer token (kt_…); an empty one is
// for a kernel that runs with --dev. A token goes in clear to this machine
// only: any other needs https.
func New(baseURL, token string) (*Client, error) {
	base, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return nil, kernel.Errorf(kernel.Invalid, "the kernel's address is not a URL").WithHint("write it as http://127.0.0.1:7373")
	case base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "":
		return nil, kernel.Errorf(kernel.Invalid, "the kernel's address %q is not an http or https URL", base.Redacted()).
			WithHint("write it as http://127.0.0.1:7373")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "" || base.Opaque != "":
		return nil, kernel.Errorf(kernel.Invalid, "the kernel's address has more than scheme, host, port and path").
			WithHint("credentials are a token of their own")
	case token != "" && !plausible(token):
		return nil, kernel.Errorf(kernel.Invalid, "that is not a token of a kernel").WithHint("a token is kt_ and 43 letters, digits, - or _")
	case token != "" && base.Scheme == "http" && !loopback(base.Hostname()):
		return nil, kernel.Errorf(kernel.Invalid, "a token would go in clear to %s", base.Host).WithHint("use https")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	return &Client{base: base, token: token, http: &http.Client{
		Timeout:   timeout,
		Transport: transport(),
		// A redirect is not an answer, and its target is not the kernel.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func transport() *http.Transport {
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the bound of an answer is that of what is sent
		TLSHandshakeTimeout:    5 * time.Second,
		IdleConnTimeout:        30 * time.Second, // less than the kernel's own
		MaxIdleConnsPerHost:    64,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// plausible has the form that tokens have, so that another secret pasted by
// mistake is not sent anywhere.
func plausible(token string) bool {
	text, ok := strings.CutPrefix(token, "kt_")
	return ok && len(text) == 43 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// An answer is a whole response.
type answer struct {
	status int
	kind   string // media type, in lower case
	body   []byte
}

// do sends one request and returns the body of an answer with the status and,
// unless that is empty, the media type wanted. No other answer is a success.
func (c *Client) do(ctx context.Context, call request, status int, kind string) ([]byte, error) {
	got, err := c.send(ctx, call)
	switch {
	case err != nil:
		return nil, err
	case got.kind == problemType && got.status >= 400:
		return nil, problem(got)
	case got.status != status || kind != "" && got.kind != kind:
		return nil, c.stranger(got)
	}
	return got.body, nil
}

// stranger says that the answer is none that a kernel gives.
func (c *Client) stranger(a answer) error {
	return fmt.Errorf("%w: %s answered %d %s, which no kernel does here", ErrUnreachable, c.base.Host, a.status, a.kind)
}

// A request is what to send; a nil body sends none.
type request struct {
	method, path string
	query        url.Values
	body         []byte
}

func (c *Client) send(ctx context.Context, call request) (answer, error) {
	target := *c.base
	target.Path, target.RawPath = c.base.Path+call.path, ""
	target.RawQuery = call.query.Encode()
	req, err := http.NewRequestWithContext(ctx, call.method, target.String(), bytes.NewReader(call.body))
	if err != nil {
		return answer{}, fmt.Errorf("make a request: %w", err)
	}
	if call.body != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or is of no use
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("%w: read the answer: %w", ErrUnreachable, err)
	}
	if len(data) > maxAnswer {
		return answer{}, fmt.Errorf("the answer is over %d bytes", maxAnswer)
	}
	return answer{resp.StatusCode, mediaType(resp), data}, nil
}

func mediaType(resp *http.Response) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}
