package scripttest

import (
	"runtime"

	"github.com/rogpeppe/go-internal/testscript"
)

// An attempt is a run whose end does not matter.
type attempt struct{}

var _ testscript.T = attempt{}

func (attempt) Skip(...any)   { runtime.Goexit() }
func (attempt) Fatal(...any)  { runtime.Goexit() }
func (attempt) FailNow()      { runtime.Goexit() }
func (attempt) Log(...any)    {}
func (attempt) Parallel()     {}
func (attempt) Verbose() bool { return false }

func (a attempt) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(a)
	}()
	<-done
}
