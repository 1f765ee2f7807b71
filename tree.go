package kernel

import "github.com/strixlabs/execution-kernel/internal/tape"

// maxTape is the largest document, in bytes, that is read by way of a tape:
// the texts of its tree keep all of it in memory.
const maxTape = 1 << 16

// readTree reads documents that are as most are, and reports false for others.
func readTree(data []byte) (any, bool) {
	if len(data) > maxTape {
		return nil, false
	}
	t := tape.Tape{Tokens: make([]tape.Token, 0, 8+len(data)/8)}
	if !t.Read(string(data)) {
		return nil, false
	}
	return treeOf(t.Tokens, 0), true
}

// treeOf makes the tree of the value at a place.
func treeOf(tokens []tape.Token, at int32) any {
	switch tok := &tokens[at]; tok.Kind {
	case tape.True, tape.False:
		return tok.Kind == tape.True
	case tape.Int:
		return tok.Int
	case tape.Number:
		return Number(tok.Text)
	case tape.String:
		return tok.Text
	case tape.Array:
		list := []any{}
		for i := at + 1; i < tok.Next; i = tokens[i].Next {
			list = append(list, treeOf(tokens, i))
		}
		return list
	case tape.Object:
		object := map[string]any{}
		for i := at + 1; i < tok.Next; i = tokens[i+1].Next {
			object[tokens[i].Text] = treeOf(tokens, i+1)
		}
		return object
	default: // null
		return nil
	}
}
