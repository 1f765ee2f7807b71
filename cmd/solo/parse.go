package main

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// parseConfig reads solo.yaml strictly: unknown, duplicate and missing keys,
// wrong kinds, anchors, aliases and tags are errors with their position.
func parseConfig(path string, data []byte) (config, error) {
	p := &parser{path: path}
	root := p.document(data)
	var cfg config
	p.mapping(root, "solo.yaml", map[string]func(*yaml.Node){
		"artifact": func(n *yaml.Node) { p.artifact(n, &cfg.Artifact) },
		"agent":    func(n *yaml.Node) { cfg.Agent = p.text(n, "agent") },
		"kernel":   func(n *yaml.Node) { cfg.Kernel = p.text(n, "kernel") },
		"steps":    func(n *yaml.Node) { cfg.Steps = p.steps(n) },
	}, "artifact", "agent", "steps")
	if p.err != nil {
		return config{}, p.err
	}
	return cfg, nil
}

// A parser keeps the first error.
type parser struct {
	path string
	err  *failure
}

func (p *parser) fail(n *yaml.Node, format string, args ...any) *failure {
	f := failf(exitMisuse, "%s:%d:%d: "+format, append([]any{p.path, n.Line, n.Column}, args...)...)
	if p.err == nil {
		p.err = f
	}
	return f
}

func (p *parser) document(data []byte) *yaml.Node {
	top := &yaml.Node{Line: 1, Column: 1}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err == nil {
		var doc yaml.Node
		if err = loader.Load(&doc); err == nil {
			top = doc.Content[0]
			var second yaml.Node
			if err = loader.Load(&second); err == nil {
				p.fail(second.Content[0], "a second document; solo.yaml holds one")
				return top
			}
		} else if errors.Is(err, io.EOF) {
			p.fail(top, "the file is empty").withHint("solo init writes one to start from")
			return top
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		p.syntax(err)
	}
	return top
}

func (p *parser) syntax(err error) {
	var load *yaml.LoadError
	if errors.As(err, &load) {
		p.fail(&yaml.Node{Line: max(load.Mark.Line, 1), Column: max(load.Mark.Column, 1)}, "%s", load.Message)
		return
	}
	p.fail(&yaml.Node{Line: 1, Column: 1}, "%v", err)
}

func (p *parser) mapping(n *yaml.Node, what string, members map[string]func(*yaml.Node), required ...string) {
	if p.plain(n); p.err != nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "%s is a mapping of keys to values", what)
		return
	}
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		p.plain(key)
		read, known := members[key.Value]
		switch {
		case !known:
			p.unknown(key, what, members)
		case slices.Contains(seen, key.Value):
			p.fail(key, "%q is here twice", key.Value)
		default:
			read(value)
		}
		seen = append(seen, key.Value)
	}
	for _, name := range required {
		if !slices.Contains(seen, name) {
			p.fail(n, "%s has no %q", what, name)
		}
	}
}

func (p *parser) unknown(key *yaml.Node, what string, members map[string]func(*yaml.Node)) {
	var names []string
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	p.fail(key, "unknown key %q in %s", key.Value, what).
		withHint("%s", orElse(suggest.DidYouMean(key.Value, names), "it has "+strings.Join(names, ", ")))
}

// plain refuses what makes a value come from elsewhere.
func (p *parser) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		p.fail(n, "aliases are not read here; write the value out")
	case n.Anchor != "":
		p.fail(n, "anchors are not read here; write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		p.fail(n, "tags are not read here; leave %s out", n.Tag)
	}
}

// text reads any scalar as it is written: a name such as 007 or no is text.
func (p *parser) text(n *yaml.Node, what string) string {
	p.plain(n)
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
		p.fail(n, "%s is text that is not empty", what)
		return ""
	}
	if strings.ContainsRune(n.Value, 0) {
		p.fail(n, "%s contains U+0000", what)
	}
	return n.Value
}

func (p *parser) artifact(n *yaml.Node, a *artifact) {
	p.mapping(n, "artifact", map[string]func(*yaml.Node){
		"name": func(n *yaml.Node) { a.Name = p.text(n, "artifact.name") },
		"type": func(n *yaml.Node) { a.Type = p.text(n, "artifact.type") },
	}, "name", "type")
}

func (p *parser) steps(n *yaml.Node) []step {
	p.plain(n)
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > maxSteps {
		p.fail(n, "steps is a list of 1 to %d steps", maxSteps)
		return nil
	}
	var steps []step
	for _, item := range n.Content {
		var s step
		p.mapping(item, "a step", map[string]func(*yaml.Node){
			"name": func(n *yaml.Node) { s.Name = p.stepName(n, steps) },
			"run":  func(n *yaml.Node) { s.Run = p.text(n, "run") },
		}, "name", "run")
		steps = append(steps, s)
	}
	return steps
}

func (p *parser) stepName(n *yaml.Node, before []step) string {
	name := p.text(n, "a step's name")
	if !stepName.MatchString(name) {
		p.fail(n, "a step's name is 1 to 64 letters, digits, _, . and -, and begins with a letter or digit")
	}
	if slices.ContainsFunc(before, func(s step) bool { return s.Name == name }) {
		p.fail(n, "a second step named %q", name)
	}
	return name
}
