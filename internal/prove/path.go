package prove

import (
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// valueAt returns the value at a path of a request.
func valueAt(r kernel.Request, path string) (any, bool) {
	switch path {
	case "action":
		return r.Action, true
	case "agent.id":
		return r.Agent.ID, true
	case "resource.id":
		return r.Resource.ID, true
	case "resource.type":
		return r.Resource.Type, true
	}
	root, rest, _ := strings.Cut(path, ".")
	object := map[string]map[string]any{"agent": r.Agent.Attributes, "resource": r.Resource.Attributes, "params": r.Params, "context": r.Context}[root]
	for {
		name, inside, more := strings.Cut(rest, ".")
		v, ok := object[name]
		if !more || !ok {
			return v, ok
		}
		if object, ok = v.(map[string]any); !ok {
			return nil, false
		}
		rest = inside
	}
}
