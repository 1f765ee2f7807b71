package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

const refused = `{"error":{"type":"urn:execution-kernel:problem:forbidden","title":"Forbidden","status":403,"code":"forbidden",` +
	`"detail":"not yours","path":"$.requests[1].agent.id","hint":"ask"}}`

func TestABatchIsReadItemByItem(t *testing.T) {
	c := answering(t, 200, "application/json", `{"decisions":[`+good(t)+`,`+refused+`]}`)
	got, err := c.DecideBatch(t.Context(), []kernel.Request{deploy("development"), deploy("production")})
	if err != nil || len(got) != 2 {
		t.Fatalf("DecideBatch = %+v, %v", got, err)
	}
	if got[0].Err != nil || got[0].Decision.Decision != kernel.Allow || got[0].Decision.Entry.Seq != 7 {
		t.Errorf("the first: %+v", got[0])
	}
	var e *kernel.Error
	if !errors.As(got[1].Err, &e) || e.Code != kernel.Forbidden || e.Path != "$.requests[1].agent.id" || e.Hint != "ask" ||
		got[1].Decision.Decision != kernel.Deny || got[1].Decision.ID != "" {
		t.Errorf("the second: %+v", got[1])
	}
}

func TestABatchThatIsNotUnderstoodPermitsNothing(t *testing.T) {
	for name, body := range map[string]string{
		"too few":            `{"decisions":[` + good(t) + `]}`,
		"too many":           `{"decisions":[` + strings.Repeat(good(t)+",", 2) + good(t) + `]}`,
		"none":               `{"decisions":null}`,
		"another name":       `{"Decisions":[` + good(t) + `,` + good(t) + `]}`,
		"no object":          `[` + good(t) + `]`,
		"another request":    `{"decisions":[` + good(t) + `,` + strings.Replace(good(t), `"request_digest":"sha256:`, `"request_digest":"sha256:0`, 1) + `]}`,
		"both":               `{"decisions":[` + good(t) + `,` + strings.Replace(good(t), `{"decision_id"`, `{"error":{"code":"x","detail":"y"},"decision_id"`, 1) + `]}`,
		"an error without":   `{"decisions":[` + good(t) + `,{"error":{}}]}`,
		"an empty error":     `{"decisions":[` + good(t) + `,{"error":null}]}`,
		"half a decision":    `{"decisions":[` + good(t) + `,{"decision":"ALLOW"}]}`,
		"a text":             `{"decisions":[` + good(t) + `,"ALLOW"]}`,
		"decisions for them": `{"decisions":{"0":` + good(t) + `}}`,
	} {
		c := answering(t, 200, "application/json", body)
		if got, err := c.DecideBatch(t.Context(), []kernel.Request{deploy("development"), deploy("development")}); err == nil || got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestABatchIsCheckedBeforeItIsSent(t *testing.T) {
	c := serving(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	bad := deploy("development")
	bad.Action = ""
	long := deploy("development")
	long.Context = map[string]any{"note": strings.Repeat("x", 600_000)}
	for name, requests := range map[string][]kernel.Request{
		"none": nil, "1001": make([]kernel.Request, 1001), "a bad one": {deploy("development"), bad}, "over 1 MiB": {long, long},
	} {
		_, err := c.DecideBatch(t.Context(), requests)
		var e *kernel.Error
		if !errors.As(err, &e) || name == "a bad one" && !strings.HasPrefix(e.Path, "$.requests[1]") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADryRunIsNoDecision(t *testing.T) {
	v, err := answering(t, 200, "application/json", good(t)).DryRun(t.Context(), deploy("development"))
	if err != nil || v.Decision != kernel.Allow || v.Constraints["max_rows"] != int64(100) {
		t.Errorf("DryRun = %+v, %v", v, err)
	}
	for _, body := range []string{`{}`, `{"decision":"ALLOW"}`, strings.Replace(good(t), `"request_digest":"sha256:`, `"request_digest":"sha256:0`, 1)} {
		if v, err := answering(t, 200, "application/json", body).DryRun(t.Context(), deploy("development")); err == nil || v.Decision != kernel.Deny {
			t.Errorf("DryRun of %s = %+v, %v", body, v, err)
		}
	}
}

func ExampleClient_DecideBatch() {
	url, secret, stop := start()
	defer stop()
	k, err := client.New(url, secret)
	check(err)
	nameless := deploy("development")
	nameless.Resource.Attributes = map[string]any{"environment": "moon"}
	answers, err := k.DecideBatch(context.Background(), []kernel.Request{deploy("development"), deploy("production"), nameless})
	check(err)
	for _, a := range answers {
		fmt.Println(a.Decision.Decision, a.Decision.Reason, a.Err)
	}
	// Output:
	// ALLOW Development is open. <nil>
	// REQUIRE_APPROVAL Production takes 2 approvals. <nil>
	// DENY  $.requests[2].resource.environment: "moon" is none of the declared values
}

func ExampleClient_DryRun() {
	url, secret, stop := start()
	defer stop()
	k, err := client.New(url, secret)
	check(err)
	verdict, err := k.DryRun(context.Background(), deploy("production"))
	check(err)
	fmt.Println(verdict.Decision, verdict.Reason)
	// Output: REQUIRE_APPROVAL Production takes 2 approvals.
}
