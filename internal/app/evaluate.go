package app

import (
	"maps"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// ReadRequest reads a request that may say its own instant: context.now is
// taken out of it, because what a running kernel decides by is its own clock.
func ReadRequest(data []byte) (req kernel.Request, now string, err error) {
	req, err = kernel.DecodeRequest(data)
	if err != nil {
		return kernel.Request{}, "", err
	}
	claimed, present := req.Context["now"]
	if !present {
		return req, "", nil
	}
	now, ok := claimed.(string)
	if !ok || now == "" {
		return kernel.Request{}, "", kernel.Errorf(kernel.Invalid, "context.now is a timestamp").At("$.context.now").
			WithHint("write it as RFC 3339: 2026-11-23T10:00:00Z")
	}
	req.Context = maps.Clone(req.Context)
	delete(req.Context, "now")
	return req, now, nil
}

// ReadFacts reads what rules read of the history: a JSON object of fact names.
func ReadFacts(data []byte) (map[string]any, error) {
	tree, err := kernel.DecodeJSON(data)
	if err != nil {
		return nil, err
	}
	facts, ok := tree.(map[string]any)
	if !ok {
		return nil, kernel.Errorf(kernel.Invalid, "facts are an object").At("$").WithHint(`write {"deploys_1h": 3}`)
	}
	return facts, nil
}

// EvaluationInput makes the input of an evaluation without a kernel. The
// instant is flag, else the request's context.now, else the clock; byClock
// says that it is the clock's.
func EvaluationInput(request []byte, flag string, clock func() time.Time) (in eval.Input, byClock bool, err error) {
	req, claimed, err := ReadRequest(request)
	if err != nil {
		return eval.Input{}, false, err
	}
	switch {
	case flag != "":
		in.Now, err = instant("--now", flag)
	case claimed != "":
		in.Now, err = instant("$.context.now", claimed)
	default:
		in.Now, byClock = clock().UTC(), true
	}
	in.Request = req
	return in, byClock, err
}

func instant(where, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, kernel.Errorf(kernel.Invalid, "%q is no timestamp", text).At(where).
			WithHint("write it as RFC 3339: 2026-11-23T10:00:00Z")
	}
	return t.UTC(), nil
}

// Clock is the time of this machine.
func Clock() time.Time { return time.Now() }
