package webhook_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

// The example of the specification.
const (
	specSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	specID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	specBody      = `{"test": 2432232314}`
	specSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var specTime = time.Unix(1614265330, 0)

func secret(t testing.TB, text string) webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheExampleOfTheSpecification(t *testing.T) {
	at, signature := webhook.Sign([]webhook.Secret{secret(t, specSecret)}, specID, specTime, []byte(specBody))
	if at != "1614265330" || signature != specSignature {
		t.Errorf("Sign = %s, %s", at, signature)
	}
	if err := webhook.Verify([]webhook.Secret{secret(t, specSecret)}, specID, at, signature, []byte(specBody), specTime); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotGenuineIsRefused(t *testing.T) {
	good := []webhook.Secret{secret(t, specSecret)}
	other := secret(t, "whsec_"+strings.Repeat("AAAA", 8))
	for name, c := range map[string]struct {
		secrets                 []webhook.Secret
		id, at, signature, body string
		now                     time.Time
	}{
		"another body":         {good, specID, "1614265330", specSignature, specBody + " ", specTime},
		"another id":           {good, specID + "x", "1614265330", specSignature, specBody, specTime},
		"an id with a dot":     {good, "msg.1614265330", "1614265330", specSignature, specBody, specTime},
		"no id":                {good, "", "1614265330", specSignature, specBody, specTime},
		"another time":         {good, specID, "1614265331", specSignature, specBody, specTime},
		"no time":              {good, specID, "", specSignature, specBody, specTime},
		"a time with a sign":   {good, specID, "+1614265330", specSignature, specBody, specTime},
		"too old":              {good, specID, "1614265330", specSignature, specBody, specTime.Add(5*time.Minute + time.Second)},
		"of the future":        {good, specID, "1614265330", specSignature, specBody, specTime.Add(-5*time.Minute - time.Second)},
		"another secret":       {[]webhook.Secret{other}, specID, "1614265330", specSignature, specBody, specTime},
		"no secret":            {nil, specID, "1614265330", specSignature, specBody, specTime},
		"the zero secret":      {[]webhook.Secret{{}}, specID, "1614265330", specSignature, specBody, specTime},
		"no signature":         {good, specID, "1614265330", "", specBody, specTime},
		"another version":      {good, specID, "1614265330", "v1a" + specSignature[2:], specBody, specTime},
		"without its version":  {good, specID, "1614265330", specSignature[3:], specBody, specTime},
		"a cut signature":      {good, specID, "1614265330", specSignature[:20], specBody, specTime},
		"a million signatures": {good, specID, "1614265330", strings.Repeat("v1,AA== ", 2000) + specSignature, specBody, specTime},
		"a body without end":   {good, specID, "1614265330", specSignature, strings.Repeat(" ", webhook.MaxBody+1), specTime},
	} {
		err := webhook.Verify(c.secrets, c.id, c.at, c.signature, []byte(c.body), c.now)
		var ours *kernel.Error
		if !errors.As(err, &ours) || ours.Code != kernel.Unauthenticated || ours.Hint == "" {
			t.Errorf("%s: Verify = %v, want it refused", name, err)
		}
	}
	// The zero secret has an empty key, which anybody can sign with.
	at, signature := webhook.Sign([]webhook.Secret{{}}, specID, specTime, []byte(specBody))
	if webhook.Verify([]webhook.Secret{{}}, specID, at, signature, []byte(specBody), specTime) == nil {
		t.Error("the zero secret checks what was signed with nothing")
	}
}

func TestASecretIsReplacedWhileMessagesAreUnderWay(t *testing.T) {
	old, next := secret(t, specSecret), secret(t, "whsec_"+strings.Repeat("QUJD", 8))
	at, signature := webhook.Sign([]webhook.Secret{next, old}, specID, specTime, []byte(specBody))
	for _, known := range [][]webhook.Secret{{old}, {next}, {next, old}} {
		if err := webhook.Verify(known, specID, at, "v9,x "+signature, []byte(specBody), specTime); err != nil {
			t.Error(err)
		}
	}
}

func TestASecretIsReadStrictlyAndNeverPrinted(t *testing.T) {
	for _, text := range []string{
		"", "whsec_", specSecret[6:], "whsec_AAAA", "whsec_" + strings.Repeat("A", 100), "whsec_%%%%", "WHSEC_" + specSecret[6:], specSecret[:len(specSecret)-1],
	} {
		_, err := webhook.ParseSecret(text)
		if err == nil || len(text) > 20 && strings.Contains(err.Error(), text[6:]) {
			t.Errorf("ParseSecret(%q) = %v", text, err)
		}
	}
	s := secret(t, " "+specSecret+"\n")
	if shown := fmt.Sprintf("%v %s %+v %#v", s, s, []webhook.Secret{s}, s); strings.Contains(shown, specSecret[6:20]) || strings.Contains(shown, "49 242") {
		t.Errorf("printed: %s", shown)
	}
}

func TestWaitsGrowAndAreSpread(t *testing.T) {
	want := []time.Duration{5 * time.Second, 5 * time.Second, 15 * time.Second, 45 * time.Second, 135 * time.Second}
	for attempts, mean := range want {
		low, high := webhook.Wait(attempts, 0, 0), webhook.Wait(attempts, 255, 0)
		if low != mean/5*4 || high != mean/5*6 {
			t.Errorf("after %d attempts: %s to %s, want %s and a fifth of it either way", attempts, low, high, mean)
		}
	}
	total := time.Duration(0)
	for attempts := 1; attempts < webhook.MaxAttempts; attempts++ {
		total += webhook.Wait(attempts, 128, 0)
	}
	if total < 16*time.Hour || total > 30*time.Hour {
		t.Errorf("a message is tried for %s, want about a day", total)
	}
	if got := webhook.Wait(1, 128, time.Hour); got != time.Hour {
		t.Errorf("the receiver asked for an hour: %s", got)
	}
	if got := webhook.Wait(1, 128, 1000*time.Hour); got != 6*time.Hour {
		t.Errorf("the receiver asked for 1000 hours: %s", got)
	}
}
