// Package link makes links to approvals, and checks them.
//
// It promises that a link is good for one approval of one request until it
// expires, and that nobody without the key makes or alters one. A link shows
// something; who votes is for authentication.
package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// A Link is what a link says.
type Link struct {
	ID      string    // of the approval
	Digest  string    // of its request
	Expires time.Time // whole seconds: the first instant at which it is over
	Whole   bool      // it shows the whole request to whoever has it
}

// The query parameters of a link.
const (
	Digest    = "d" // hexadecimal, without sha256:
	Expires   = "e" // seconds since 1970
	Whole     = "w" // 1
	Signature = "s"
)

// Path is where links lead, below the public URL of the kernel.
const Path = "/a/"

const digestPrefix = "sha256:"

// A Maker signs links. The zero Maker makes none and takes none.
type Maker struct {
	base string
	key  []byte
}

// New returns a maker of links below a URL without a slash at its end. The key
// has 32 bytes and no other purpose.
func New(base string, key []byte) *Maker { return &Maker{base, key} }

// URL is the link of an approval.
func (m *Maker) URL(l Link) string {
	if m == nil || len(m.key) == 0 {
		return ""
	}
	at := strconv.FormatInt(l.Expires.Unix(), 10)
	query := "?" + Digest + "=" + strings.TrimPrefix(l.Digest, digestPrefix) + "&" + Expires + "=" + at
	if l.Whole {
		query += "&" + Whole + "=1"
	}
	return m.base + Path + l.ID + query + "&" + Signature + "=" + base64.RawURLEncoding.EncodeToString(m.sign(l, at))
}

func (m *Maker) sign(l Link, at string) []byte {
	text, _ := json.Marshal([]any{"approval link v1", l.ID, l.Digest, at, l.Whole}) // texts always encode
	sum := hmac.New(sha256.New, m.key)
	sum.Write(text)
	return sum.Sum(nil)
}

// Open checks the link to an approval that came with query parameters, at an
// instant: [kernel.LinkAltered] unless it is as it was made, [kernel.LinkExpired]
// when it is over.
func (m *Maker) Open(id string, query map[string]string, now time.Time) (Link, error) {
	l := Link{ID: id, Digest: digestPrefix + query[Digest], Whole: query[Whole] == "1"}
	seconds, err := strconv.ParseInt(query[Expires], 10, 64)
	sum, undecoded := base64.RawURLEncoding.Strict().DecodeString(query[Signature])
	whole, given := query[Whole]
	if err != nil || undecoded != nil || given && whole != "1" || m == nil || len(m.key) == 0 || !hmac.Equal(sum, m.sign(l, query[Expires])) {
		return Link{}, kernel.Errorf(kernel.LinkAltered, "this is not a link that the kernel made").
			WithHint("copy the whole link; \"kernel approvals show\" prints it")
	}
	if l.Expires = time.Unix(seconds, 0).UTC(); !now.Before(l.Expires) {
		return Link{}, kernel.Errorf(kernel.LinkExpired, "the link expired at %s", l.Expires.Format(time.RFC3339)).
			WithHint("so did what it leads to; whoever asked has to ask again")
	}
	return l, nil
}
