package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// What a kernel sent, once.
const (
	hookSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	hookSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	hookBody      = `{"test": 2432232314}`
)

func TestAWebhookIsVerifiedAsItCameIn(t *testing.T) {
	now := time.Unix(1614265330, 0)
	good := func() http.Header {
		h := http.Header{}
		h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
		h.Set("webhook-timestamp", "1614265330")
		h.Set("webhook-signature", hookSignature)
		return h
	}
	for name, c := range map[string]struct {
		change func(http.Header)
		now    time.Time
		body   string
		want   kernel.Code
	}{
		"genuine, but tells nothing": {func(http.Header) {}, now, hookBody, kernel.Invalid},
		"another body":               {func(http.Header) {}, now, hookBody + "\n", kernel.Unauthenticated},
		"an hour old":                {func(http.Header) {}, now.Add(time.Hour), hookBody, kernel.Unauthenticated},
		"no signature":               {func(h http.Header) { h.Del("webhook-signature") }, now, hookBody, kernel.Unauthenticated},
		"two signatures":             {func(h http.Header) { h.Add("webhook-signature", "v1,AAAA") }, now, hookBody, kernel.Unauthenticated},
		"two ids":                    {func(h http.Header) { h.Add("webhook-id", "msg_2") }, now, hookBody, kernel.Unauthenticated},
	} {
		h := good()
		c.change(h)
		_, err := client.VerifyWebhook(h, []byte(c.body), c.now, hookSecret)
		var ours *kernel.Error
		if !errors.As(err, &ours) || ours.Code != c.want {
			t.Errorf("%s: VerifyWebhook = %v, want %s", name, err, c.want)
		}
	}
	if _, err := client.VerifyWebhook(good(), []byte(hookBody), now); err == nil {
		t.Error("without a secret everything is genuine")
	}
	if _, err := client.VerifyWebhook(good(), []byte(hookBody), now, hookSecret, "whsec_short"); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a bad secret: %v", err)
	}
}
