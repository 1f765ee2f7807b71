package notify_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/notify"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

func TestAddressesThatNoWebhookIsSentTo(t *testing.T) {
	for _, c := range []struct {
		address string
		public  bool // to an endpoint as it is
		private bool // to one that says private: true
	}{
		{"93.184.216.34:443", true, true},
		{"[2606:2800:220:1:248:1893:25c8:1946]:443", true, true},
		{"10.1.2.3:443", false, true},
		{"172.16.0.1:443", false, true},
		{"172.32.0.1:443", true, true},
		{"192.168.1.1:443", false, true},
		{"100.64.0.1:443", false, true},
		{"[fd00::1]:443", false, true},
		{"[::ffff:10.0.0.1]:443", false, true},
		{"127.0.0.1:443", false, false},
		{"127.9.9.9:443", false, false},
		{"[::1]:443", false, false},
		{"[::ffff:127.0.0.1]:443", false, false},
		{"[::7f00:1]:443", false, false},
		{"0.0.0.0:443", false, false},
		{"[::]:443", false, false},
		{"169.254.169.254:80", false, false}, // where clouds hand out credentials
		{"[fd00:ec2::254]:80", false, true},
		{"[fe80::1%eth0]:443", false, false},
		{"[64:ff9b::a9fe:a9fe]:80", false, false},
		{"[2002:7f00:1::]:443", false, false},
		{"224.0.0.1:443", false, false},
		{"255.255.255.255:443", false, false},
		{"240.0.0.1:443", false, false},
		{"198.18.0.1:443", false, false},
		{"192.0.2.1:443", false, false},
		{"hooks.example.org:443", false, false}, // not resolved: nothing is known of it
		{"", false, false},
	} {
		for inside, want := range map[bool]bool{false: c.public, true: c.private} {
			if err := notify.MayDial(c.address, false, inside); (err == nil) != want {
				t.Errorf("MayDial(%s, private %v) = %v, want it to be possible: %v", c.address, inside, err, want)
			}
		}
		here := strings.HasPrefix(c.address, "127.") || strings.HasPrefix(c.address, "[::1]") || strings.HasPrefix(c.address, "[::ffff:127")
		if err := notify.MayDial(c.address, true, true); (err == nil) != here {
			t.Errorf("MayDial(%s) of an endpoint on this machine = %v", c.address, err)
		}
	}
}

// TestWhatIsDialledCounts: 0.0.0.0 looks like no address of this machine, and is
// answered by it.
func TestWhatIsDialledCounts(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	e := r.endpoint("pager")
	e.URL = strings.Replace(r.URL, "http://127.0.0.1", "https://0.0.0.0", 1)
	n := h.notifier(e)
	sent, err := n.Test(t.Context(), admin, "pager")
	if err != nil || sent.OK || !strings.Contains(sent.Note, "0.0.0.0 is an address that no webhook is sent to") {
		t.Errorf("Test = %+v, %v", sent, err)
	}
}

// TestRedirectsAreNotFollowed, nor is an answer without end read.
func TestRedirectsAreNotFollowed(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	status := http.StatusTemporaryRedirect
	from := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, r.URL, status)
	}))
	t.Cleanup(from.Close)
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for line := []byte(strings.Repeat("x", 1<<16)); ; {
			if _, err := w.Write(line); err != nil {
				return // it was cut
			}
		}
	}))
	t.Cleanup(endless.Close)
	e := r.endpoint("pager")
	e.URL = from.URL
	long := e
	long.Name, long.URL = "long", endless.URL
	n := h.notifier(e, long)
	for _, status = range []int{301, 302, 303, 307, 308} {
		sent, err := n.Test(t.Context(), admin, "pager")
		if err != nil || sent.OK || !strings.Contains(sent.Note, "redirects are not followed") {
			t.Errorf("%d: Test = %+v, %v", status, sent, err)
		}
	}
	if len(r.messages()) != 0 {
		t.Errorf("received: %v", r.messages())
	}
	if sent, err := n.Test(t.Context(), admin, "long"); err != nil || !sent.OK {
		t.Errorf("Test = %+v, %v", sent, err)
	}
}

// TestASecretIsReplacedWithoutALostMessage: each secret of an endpoint signs.
func TestASecretIsReplacedWithoutALostMessage(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock) // knows the old one
	next, err := webhook.ParseSecret("whsec_" + strings.Repeat("QUJD", 8))
	must(t, err)
	e := r.endpoint("pager")
	e.Secrets = append([]webhook.Secret{next}, e.Secrets...)
	n := h.notifier(e)
	h.ask()
	h.turn(n, "pager")
	if r.kinds() != "opened" {
		t.Errorf("told: %s", r.kinds())
	}
}
