package contest

import "fmt"

// An Engine is a policy engine that has been given a [Set]. It is used by one
// goroutine at a time. Each method decides one request; they differ in what
// they start with.
type Engine interface {
	// Prepare builds the value that the engine's own API takes, which is not
	// measured, and returns what decides it, which is.
	Prepare(*Request) (func(*Answer) error, error)

	// Struct starts with a Go struct that the engine knows nothing of.
	Struct(*Request, *Answer) error

	// JSON starts with the bytes of [Request.Body].
	JSON([]byte, *Answer) error
}

// An Entry is an engine that takes part.
type Entry struct {
	Name     string
	Evidence Evidence
	New      func(Set) (Engine, error)
}

// A Form is what a decision starts with.
type Form string

// The forms, one for each method of [Engine].
const (
	Prepared Form = "prepared"
	Struct   Form = "struct"
	JSON     Form = "json"
)

// Forms lists all of them.
var Forms = []Form{Prepared, Struct, JSON}

// deciders returns, for each request, what decides it in a form.
func deciders(e Engine, form Form, requests []Request) ([]func(*Answer) error, error) {
	list := make([]func(*Answer) error, len(requests))
	for i := range requests {
		switch form {
		case Prepared:
			decide, err := e.Prepare(&requests[i])
			if err != nil {
				return nil, err
			}
			list[i] = decide
		case Struct:
			list[i] = func(a *Answer) error { return e.Struct(&requests[i], a) }
		case JSON:
			body := requests[i].Body()
			list[i] = func(a *Answer) error { return e.JSON(body, a) }
		default:
			return nil, fmt.Errorf("there is no form %q", form)
		}
	}
	return list, nil
}

// Agree decides n requests in every form and returns an error for the first
// whose answer is not that of [Set.Decide]. It returns how many of the
// requests have each effect.
func Agree(entry Entry, e Engine, set Set, n int) (seen [3]int, err error) {
	requests := set.Requests(n)
	for _, form := range Forms {
		decide, err := deciders(e, form, requests)
		if err != nil {
			return seen, fmt.Errorf("%s, %s: %w", entry.Name, form, err)
		}
		var a Answer
		for i := range requests {
			a.reset()
			want := set.Decide(&requests[i])
			err := decide[i](&a)
			if err == nil {
				err = want.Check(a, entry.Evidence)
			}
			if err != nil {
				return seen, fmt.Errorf("%s, %s, %d rules, request %s: %w", entry.Name, form, len(set.Rules), requests[i].marshal(), err)
			}
			if form == Prepared {
				seen[want.Effect()]++
			}
		}
	}
	return seen, nil
}
