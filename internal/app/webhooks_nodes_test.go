package app_test

import (
	"testing"

	"github.com/strixlabs/execution-kernel/client"
)

// asksAnybody has people asked about every act.
const asksAnybody = `pdl: v1
kind: schema
name: asks
agents: any
resources: {thing: {}}
actions: {act: {resource: thing}}
---
pdl: v1
kind: policy
name: asks
rules:
  - {id: ask, match: {action: act}, effect: REQUIRE_APPROVAL}
`

// TestTwoKernelsTellOneEndpoint: what each of them enters is told, by one of
// them.
func TestTwoKernelsTellOneEndpoint(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT with -short: two kernels and a database take some seconds; make test runs it")
	}
	t.Parallel()
	in := receive(t)
	hooks := hooksFile(t, "webhooks: v1\nendpoints:\n  pager: {url: \""+in.URL+"/hook\", secrets: [{file: hook.secret}], events: [approval.opened]}\n")
	environ := []string{"KERNEL_STORE=" + database(t), "KERNEL_BUDGET_MS=10000", "KERNEL_WEBHOOKS=" + hooks}
	first := start(t, t.TempDir(), "", environ...)
	pushed, err := first.admin().PushPolicy(t.Context(), []client.PolicyFile{{Name: "asks.yaml", Text: asksAnybody}}, client.PushOptions{})
	if err == nil {
		err = first.admin().ActivatePolicy(t.Context(), pushed.Version, "", "a test")
	}
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	join(t, first.folder.Path, data)
	second := start(t, data, "", environ...)
	eventually(t, "the endpoint has begun", func() bool {
		list, err := second.admin().Webhooks(t.Context())
		return err == nil && len(list) == 1
	})
	var asked []string
	for i := range 20 {
		p := []*process{first, second}[i%2]
		d, err := p.admin().Decide(t.Context(), ask("agent-001", "act", 0))
		if err != nil || d.Approval == nil {
			t.Fatalf("Decide = %+v, %v", d, err)
		}
		asked = append(asked, d.ID)
	}
	eventually(t, "everything is told", func() bool { return len(in.missing(asked)) == 0 })
	for _, p := range []*process{first, second} {
		eventually(t, "nothing is left", func() bool {
			list, err := p.admin().Webhooks(t.Context())
			return err == nil && list[0].Pending == 0 && list[0].Dead == 0
		})
		p.stop()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.taken != len(asked) {
		t.Errorf("%d messages came of %d approvals", in.taken, len(asked))
	}
}
