package api

import (
	"context"
	"net/http"
	"time"
)

// maxWaiting bounds calls that wait for people; who finds no room is answered
// at once. They have no part in what bounds the other calls.
const maxWaiting = 1024

// Streams look for changes again and again, each through all that is pending, so
// that there are fewer of them, and of one caller some.
const (
	maxStreams  = 128
	streamsEach = 8
)

// graceOfWait is what a call that waited has left to send its answer.
const graceOfWait = 10 * time.Second

// park lets a call wait beside the others for some time, or reports that there
// is no room for it.
func (d *door) park(c *call, wait time.Duration) bool {
	if !d.waits.take(c.caller.Principal, 1) {
		return false
	}
	c.leave()
	// Without a connection there is no deadline to move; the answer is as good.
	_ = http.NewResponseController(c.w).SetWriteDeadline(d.cfg.Now().Add(wait + graceOfWait))
	return true
}

func (d *door) unpark(c *call) { d.waits.give(c.caller.Principal, 1) }

// untilStop ends with a client, or when the server stops: who waits is told
// the present state.
func (d *door) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.stopping, cancel)
	return ctx, func() { stop(); cancel() }
}
