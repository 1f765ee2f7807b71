package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// What a refused client may still send before its connection is closed, so
// that it comes to read the answer.
const (
	dropBytes = 8 << 20
	dropTime  = 5 * time.Second
)

// firstRead is how much room is made for a body before any of it has come,
// whatever the client says that will.
const firstRead = 16 << 10

// A body is the body of a request, and how much of it was read.
type body struct {
	from  io.Reader
	conn  *http.ResponseController
	said  int64 // Content-Length; −1: not said
	read  int64
	ended bool // it was read to its end
	asked bool // the client waits for a go-ahead (Expect: 100-continue)
}

// open starts the deadline of the body. Answers may be sent before the body
// was read (full duplex): otherwise the server would wait for a client that
// trickles before it tells it that it is refused.
func (d *door) open(w http.ResponseWriter, r *http.Request) *body {
	b := &body{from: r.Body, conn: http.NewResponseController(w), said: r.ContentLength, asked: r.Header.Get("Expect") != ""}
	if b.said == 0 {
		b.ended = true
		return b
	}
	// Servers that cannot do this are those of tests without a connection.
	_ = b.conn.EnableFullDuplex()
	_ = b.conn.SetReadDeadline(d.cfg.Now().Add(d.cfg.Limits.Body))
	return b
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.read += int64(n)
	if err == io.EOF {
		b.ended = true // here net/http takes the deadline off the connection
	}
	return n, err
}

// whole reports whether nothing is left to read.
func (b *body) whole() bool { return b.ended }

// size is what is known of the body's length, in bytes.
func (b *body) size() int64 { return max(b.said, b.read) }

// room is how many bytes the body may come to take, before any was read: what
// it says, or the most that is read.
func (b *body) room(limit int64) int64 {
	if b.said < 0 {
		return limit
	}
	return min(b.said, limit)
}

// receive reads the body of a route that takes one, and refuses the body of
// one that does not.
func (d *door) receive(c *call) error {
	if !c.route.body {
		if !c.in.whole() {
			return kernel.Errorf(kernel.Invalid, "this method takes no body")
		}
		return nil
	}
	if err := checkMedia(c.r.Header, c.route.media()); err != nil {
		return err
	}
	limit := c.route.limit()
	if c.in.said > limit {
		return tooLarge(limit)
	}
	var data bytes.Buffer
	data.Grow(int(min(max(c.in.said, 0), firstRead)) + bytes.MinRead)
	_, err := data.ReadFrom(io.LimitReader(c.in, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return kernel.Errorf(kernel.Timeout, "the body did not arrive within %v", d.cfg.Limits.Body)
	case errors.Is(err, context.Canceled):
		return kernel.Errorf(kernel.Malformed, "the connection was closed before the body ended")
	case err != nil:
		return kernel.Errorf(kernel.Malformed, "the body could not be read to its end").
			WithHint("check Content-Length, or the chunks")
	case int64(data.Len()) > limit:
		return tooLarge(limit)
	}
	c.data = data.Bytes()
	return nil
}

func tooLarge(limit int64) error {
	return kernel.Errorf(kernel.TooLarge, "the body is over %d bytes", limit)
}

// checkMedia lets pass one media type in UTF-8, as it is: a compressed body could
// be a thousand times as large inside.
func checkMedia(h http.Header, want string) error {
	refuse := func(what string) error {
		return kernel.Errorf(kernel.MediaType, "%s", what).WithHint("send Content-Type: %s, without Content-Encoding", want)
	}
	if len(h.Values("Content-Encoding")) > 0 {
		return refuse("the body has a content encoding")
	}
	types := h.Values("Content-Type")
	switch {
	case len(types) != 1:
		return refuse("the body needs one Content-Type")
	case types[0] == want: // as nearly everybody writes it
		return nil
	}
	kind, params, err := mime.ParseMediaType(types[0])
	if err != nil || kind != want {
		return refuse("the body is not " + want)
	}
	for _, name := range kernel.SortedKeys(params) {
		if name != "charset" || !strings.EqualFold(params[name], "utf-8") {
			return refuse("the body is in UTF-8, and its type has no other parameter")
		}
	}
	return nil
}

// drop reads and forgets what a refused client still sends. A connection that
// is closed while it sends is reset, and the client never sees the answer.
func (d *door) drop(c *call) {
	if c.in.whole() || c.in.asked && c.in.read == 0 || c.r.ProtoMajor != 1 || !d.drains.enter() {
		return
	}
	defer d.drains.leave()
	if err := c.in.conn.Flush(); err != nil {
		return
	}
	if err := c.in.conn.SetReadDeadline(d.cfg.Now().Add(dropTime)); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.in, dropBytes) // whatever ends it, the connection is closed next
}
