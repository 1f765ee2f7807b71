package prove

import (
	"maps"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/formula"
)

// maxTrials bounds how many smaller inputs are tried.
const maxTrials = 400

// minimise looks for a smaller input of which a question holds as well: without
// what is optional, with smaller numbers, shorter lists and texts. It asks the
// evaluator alone.
func minimise(q question, s situation) (situation, error) {
	if !s.same() {
		return s, nil
	}
	trials := 0
	for {
		smaller, err := shrinkOnce(q, s, &trials)
		if err != nil || smaller == nil {
			return s, err
		}
		s = *smaller
	}
}

// shrinkOnce returns the first smaller situation of which the question holds.
func shrinkOnce(q question, s situation, trials *int) (*situation, error) {
	for _, in := range smaller(s.inputs[0]) {
		if *trials++; *trials > maxTrials {
			return nil, nil
		}
		inputs := make([]formula.Input, len(q.policies))
		for i := range inputs {
			inputs[i] = in
		}
		t, err := look(q.policies, inputs)
		if err != nil {
			continue // an input that no evaluator takes is no example
		}
		if slices.ContainsFunc(t.refused, func(why string) bool { return why != "" }) && s.taken() {
			continue
		}
		ok, err := q.holds(&t)
		if err != nil {
			return nil, err
		}
		if ok {
			return &t, nil
		}
	}
	return nil, nil
}

// smaller lists inputs that are one step smaller.
func smaller(in formula.Input) []formula.Input {
	var list []formula.Input
	r := in.Request
	for _, o := range smallerObjects(r.Agent.Attributes) {
		next := in
		next.Request.Agent.Attributes = o
		list = append(list, next)
	}
	for _, o := range smallerObjects(r.Resource.Attributes) {
		next := in
		next.Request.Resource.Attributes = o
		list = append(list, next)
	}
	for _, o := range smallerObjects(r.Params) {
		next := in
		next.Request.Params = o
		list = append(list, next)
	}
	for _, o := range smallerObjects(r.Context) {
		next := in
		next.Request.Context = o
		list = append(list, next)
	}
	for _, o := range smallerObjects(in.Facts) {
		next := in
		next.Facts = o
		list = append(list, next)
	}
	return list
}

// smallerObjects lists objects with one member less, or one that is smaller.
func smallerObjects(o map[string]any) []map[string]any {
	var list []map[string]any
	for _, name := range kernel.SortedKeys(o) {
		without := maps.Clone(o)
		delete(without, name)
		list = append(list, without)
	}
	for _, name := range kernel.SortedKeys(o) {
		for _, v := range smallerValues(o[name]) {
			with := maps.Clone(o)
			with[name] = v
			list = append(list, with)
		}
	}
	return list
}

// smallerValues lists values of the same kind that are smaller. Instants and
// durations, which are texts here, stay.
func smallerValues(v any) []any {
	var list []any
	switch v := v.(type) {
	case bool:
		if v {
			list = append(list, false)
		}
	case int64:
		list = append(list, smallerInts(v)...)
	case string:
		list = append(list, smallerTexts(v)...)
	case []any:
		for i := range v {
			list = append(list, slices.Delete(slices.Clone(v), i, i+1))
			if i > 4 {
				break
			}
		}
		if len(v) > 4 {
			list = append([]any{slices.Clone(v[:len(v)/2])}, list...)
		}
	case map[string]any:
		for _, o := range smallerObjects(v) {
			list = append(list, o)
		}
	}
	return list
}

func smallerInts(v int64) []any {
	var list []any
	for _, w := range []int64{0, 1, v / 2, v - sign(v)} {
		if size(w) < size(v) && !slices.Contains(list, any(w)) {
			list = append(list, w)
		}
	}
	return list
}

func sign(v int64) int64 {
	if v < 0 {
		return -1
	}
	return 1
}

// size orders numbers: those near zero first, positive ones before negative.
func size(v int64) uint64 {
	if v < 0 {
		return 2*uint64(-v) + 1
	}
	return 2 * uint64(v)
}

func smallerTexts(v string) []any {
	if v == "" || strings.ContainsAny(v, ":") {
		return nil
	}
	runes := []rune(v)
	list := []any{""}
	if len(runes) > 1 {
		list = append(list, string(runes[:len(runes)/2]), string(runes[1:]), string(runes[:len(runes)-1]))
	}
	return list
}
