package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// A receiver believes what a secret of its own signed, takes each id once, and
// answers before it works.
func ExampleVerifyWebhook() {
	seen := map[string]bool{} // a receiver keeps ids for two days at least
	receiver := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		event, err := client.VerifyWebhook(r.Header, body, hookTime, hookSecret)
		if err != nil {
			var problem *kernel.Error
			fmt.Println(errors.As(err, &problem) && problem.Code == kernel.Unauthenticated, err)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if !seen[event.ID] {
			seen[event.ID] = true
			fmt.Println(event.Type, string(event.Data))
		}
		w.WriteHeader(http.StatusNoContent)
	}
	send := func(body string) {
		r := httptest.NewRequest(http.MethodPost, "/kernel", strings.NewReader(body))
		r.Header.Set("Webhook-Id", "msg_01KFG8XN3B2M4Q5R6S7T8V9WXY_0_17")
		r.Header.Set("Webhook-Timestamp", "1795435200")
		r.Header.Set("Webhook-Signature", "v1,vzADZSdHeskGjoMiZTFWJs86JGo+CuQwB7jBUy4vFDA=")
		receiver(httptest.NewRecorder(), r)
	}
	send(toldBody)
	send(toldBody) // the first answer was lost
	send(strings.Replace(toldBody, "PENDING", "APPROVED", 1))
	// Output:
	// approval.opened {"approval":{"id":"01KFG8XN3B2M4Q5R6S7T8V9WXY","state":"PENDING"}}
	// true the webhook was not signed with this secret as it is
}

var hookTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const toldBody = `{"type":"approval.opened","timestamp":"2026-11-23T12:00:00Z","data":{"approval":{"id":"01KFG8XN3B2M4Q5R6S7T8V9WXY","state":"PENDING"}}}`
