package eval_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestOrderNeverMatters decides every case of the corpus 50 times, each time
// with documents, rules, rows and keys in another order and the documents
// spread over other files: same bytes, same policy version.
func TestOrderNeverMatters(t *testing.T) {
	for _, path := range corpusFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			source := read(t, path)
			b := compile(t, pdl.File{Name: "corpus.yaml", Data: source})
			want := verdictsOf(t, b)
			documents := documentsOf(t, source)
			for seed := range uint64(rounds(50)) {
				r := rand.New(rand.NewPCG(seed, 7))
				shuffled := compile(t, scatter(t, r, documents)...)
				if shuffled.Version != b.Version {
					t.Fatalf("seed %d: the policy version is %s, want %s", seed, shuffled.Version, b.Version)
				}
				have := verdictsOf(t, shuffled)
				for name, v := range want {
					if have[name] != v {
						t.Fatalf("seed %d: %s: Decide = %s, want %s", seed, name, have[name], v)
					}
				}
				if len(have) != len(want) {
					t.Fatalf("seed %d: %d cases, want %d", seed, len(have), len(want))
				}
			}
		})
	}
}

// TestTheOrderOfABundlesRulesNeverMatters reverses what pdl sorts.
func TestTheOrderOfABundlesRulesNeverMatters(t *testing.T) {
	for _, path := range corpusFiles(t) {
		b := compile(t, pdl.File{Name: "corpus.yaml", Data: read(t, path)})
		want, wantTraces := verdictsOf(t, b), tracesOf(t, b)
		backwards := *b
		backwards.Rules = nil
		for i := range b.Rules {
			backwards.Rules = append(backwards.Rules, b.Rules[len(b.Rules)-1-i])
		}
		if have := verdictsOf(t, &backwards); fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%s: verdicts differ when rules come backwards", path)
		}
		if have := tracesOf(t, &backwards); fmt.Sprint(have) != fmt.Sprint(wantTraces) {
			t.Errorf("%s: explanations differ when rules come backwards", path)
		}
	}
}

func verdictsOf(t *testing.T, b *pdl.Bundle) map[string]string {
	t.Helper()
	p, verdicts := lower(t, b), map[string]string{}
	for _, c := range b.Tests {
		v, err := p.Decide(inputOf(t, c))
		if err != nil {
			t.Fatal(err)
		}
		verdicts[c.Name] = text(t, v)
	}
	return verdicts
}

func tracesOf(t *testing.T, b *pdl.Bundle) map[string]string {
	t.Helper()
	p, traces := lower(t, b), map[string]string{}
	for _, c := range b.Tests {
		trace, err := p.Explain(inputOf(t, c))
		if err != nil {
			t.Fatal(err)
		}
		traces[c.Name] = text(t, trace)
	}
	return traces
}

func documentsOf(t *testing.T, source []byte) []*yaml.Node {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var documents []*yaml.Node
	for {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return documents
		}
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, &n)
	}
}

// scatter writes the documents, each shuffled, in another order to one to
// three files.
func scatter(t *testing.T, r *rand.Rand, documents []*yaml.Node) []pdl.File {
	t.Helper()
	files := make([]pdl.File, 1+r.IntN(3))
	for i := range files {
		files[i].Name = fmt.Sprintf("%d-%d.yaml", r.IntN(100), i)
	}
	for _, i := range r.Perm(len(documents)) {
		shuffle(r, documents[i], false)
		data, err := yaml.Dump(documents[i], yaml.WithLineWidth(-1))
		if err != nil {
			t.Fatal(err)
		}
		f := &files[r.IntN(len(files))]
		f.Data = append(append(f.Data, "---\n"...), data...)
	}
	kept := files[:0]
	for _, f := range files {
		if len(f.Data) > 0 {
			kept = append(kept, f)
		}
	}
	return kept
}

// shuffle reorders the keys of every mapping, and the elements of lists whose
// order means nothing.
func shuffle(r *rand.Rand, n *yaml.Node, unordered bool) {
	if n.Kind == yaml.SequenceNode && unordered {
		r.Shuffle(len(n.Content), func(i, j int) { n.Content[i], n.Content[j] = n.Content[j], n.Content[i] })
	}
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			shuffle(r, child, false)
		}
		return
	}
	r.Shuffle(len(n.Content)/2, func(i, j int) {
		n.Content[2*i], n.Content[2*j] = n.Content[2*j], n.Content[2*i]
		n.Content[2*i+1], n.Content[2*j+1] = n.Content[2*j+1], n.Content[2*i+1]
	})
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i].Value
		shuffle(r, n.Content[i+1], key == "rules" || key == "rows")
	}
}
