package eval_test

import (
	"sync"
	"testing"
)

func TestAProgramServesManyCallersAtOnce(t *testing.T) {
	p, _ := program(t, explained)
	want, err := p.Explain(explainedInput())
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 50 {
				trace, err := p.Explain(explainedInput())
				if v, e := p.Decide(explainedInput()); err != nil || e != nil || text(t, trace) != text(t, want) || text(t, v) != text(t, want.Verdict) {
					t.Errorf("Explain = %v, %v; Decide = %v, %v, want what one caller got", trace, err, v, e)
					return
				}
			}
		})
	}
	callers.Wait()
}
