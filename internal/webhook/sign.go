// Package webhook signs messages and checks signatures as the Standard Webhooks
// specification has it (https://www.standardwebhooks.com), and says when to try
// again.
//
// It promises that a message is taken for genuine only when one of the secrets
// signed exactly these bytes under this id, at about this time.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// The headers of a message.
const (
	HeaderID        = "Webhook-Id"        // the same at every attempt: receivers take a message once
	HeaderTimestamp = "Webhook-Timestamp" // of the attempt, in seconds since 1970
	HeaderSignature = "Webhook-Signature" // "v1,…" of each secret, separated by spaces
)

// MaxBody bounds a message, in bytes.
const MaxBody = 1 << 20

// Tolerance is how far the timestamp of a message may lie from the receiver's
// clock: an older one may be somebody's copy.
const Tolerance = 5 * time.Minute

const (
	secretPrefix = "whsec_"
	version      = "v1,"
	maxHeader    = 8 << 10 // bytes of signatures that are looked at
)

// A Secret signs messages. The zero Secret signs nothing and checks nothing.
type Secret struct{ key []byte }

// ParseSecret reads a secret as it is written: whsec_ and 24 to 64 bytes in
// base64. What is wrong is said without it.
func ParseSecret(text string) (Secret, error) {
	bad := func(what string) (Secret, error) {
		return Secret{}, kernel.Errorf(kernel.Invalid, "the secret of a webhook %s", what).
			WithHint("make one: printf 'whsec_%%s\\n' \"$(head -c 32 /dev/urandom | base64)\"")
	}
	encoded, found := strings.CutPrefix(strings.TrimSpace(text), secretPrefix)
	if !found {
		return bad("begins with whsec_")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return bad("is base64 behind whsec_")
	}
	if len(key) < 24 || len(key) > 64 {
		return bad("has 24 to 64 bytes")
	}
	return Secret{key}, nil
}

// String hides the secret from whoever prints it by mistake.
func (Secret) String() string { return "whsec_********" }

// GoString hides it, too.
func (s Secret) GoString() string { return s.String() }

func (s Secret) mac(id, timestamp string, body []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(id + "." + timestamp + "."))
	m.Write(body)
	return m.Sum(nil)
}

// Sign returns the headers' values of one attempt: the timestamp, and a
// signature with each secret, so that a secret can be replaced while messages
// are under way.
func Sign(secrets []Secret, id string, at time.Time, body []byte) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	list := make([]string, len(secrets))
	for i, s := range secrets {
		list[i] = version + base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body))
	}
	return timestamp, strings.Join(list, " ")
}

// Verify checks a message at an instant. It returns an error with the code
// [kernel.Unauthenticated] unless one of the secrets signed it.
func Verify(secrets []Secret, id, timestamp, signature string, body []byte, now time.Time) error {
	refuse := func(what string) error {
		return kernel.Errorf(kernel.Unauthenticated, "the webhook %s", what).
			WithHint("take the message for nobody's: answer 401 and do nothing")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	switch {
	case id == "" || strings.Contains(id, "."):
		return refuse("has no id that could be signed")
	case err != nil || seconds < 0 || strconv.FormatInt(seconds, 10) != timestamp:
		return refuse("has no timestamp")
	case len(signature) > maxHeader || len(body) > MaxBody:
		return refuse("is too large")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return refuse("was signed at another time than now: it is a copy, or a clock is wrong")
	}
	signed := false
	for s := range strings.SplitSeq(signature, " ") {
		sum, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(s, version))
		if err != nil || !strings.HasPrefix(s, version) {
			continue // of another version
		}
		for _, secret := range secrets {
			signed = len(secret.key) > 0 && hmac.Equal(sum, secret.mac(id, timestamp, body)) || signed
		}
	}
	if !signed {
		return refuse("was not signed with this secret as it is")
	}
	return nil
}
