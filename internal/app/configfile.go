package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/strixlabs/execution-kernel"
)

const maxConfigFile = 1 << 20 // bytes

// readFile assigns what the configuration file says: one mapping of settings,
// without anchors, tags or merges; lists are sequences or comma-separated.
func (l *loader) readFile(path string) error {
	data, err := readBounded(path, maxConfigFile)
	if err != nil {
		return err
	}
	pairs, err := parseConfig(path, data)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		d, known := settingByKey(p.key)
		if !known {
			return unknownSetting(p.where+": ", p.key, settingKeys())
		}
		if d.path && !filepath.IsAbs(p.value) && p.value != "" {
			p.value = filepath.Join(filepath.Dir(path), p.value)
		}
		if err := l.assign(d, origin{FromFile, p.value, p.where}); err != nil {
			return err
		}
	}
	return nil
}

// A configPair is one line of the file: text, which the setting types.
type configPair struct{ where, key, value string }

func parseConfig(path string, data []byte) ([]configPair, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, kernel.Errorf(kernel.Invalid, "%s: not YAML: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, kernel.Errorf(kernel.Invalid, "%s: more than one document", path)
	}
	at := func(n *yaml.Node) string { return fmt.Sprintf("%s:%d:%d", path, n.Line, n.Column) }
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, kernel.Errorf(kernel.Invalid, "%s: the configuration is one mapping of settings", path)
	}
	var pairs []configPair
	nodes := doc.Content[0].Content
	for i := 0; i+1 < len(nodes); i += 2 {
		key, err := configScalar(at, nodes[i])
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(pairs, func(p configPair) bool { return p.key == key }) {
			return nil, kernel.Errorf(kernel.Invalid, "%s: %s stands here twice", at(nodes[i]), key)
		}
		value, err := configValue(at, nodes[i+1])
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, configPair{at(nodes[i]), key, value})
	}
	return pairs, nil
}

func configValue(at func(*yaml.Node) string, n *yaml.Node) (string, error) {
	if n.Kind != yaml.SequenceNode {
		return configScalar(at, n)
	}
	var items []string
	for _, e := range n.Content {
		item, err := configScalar(at, e)
		if err != nil {
			return "", err
		}
		if strings.Contains(item, ",") {
			return "", kernel.Errorf(kernel.Invalid, "%s: an element may not contain a comma", at(e))
		}
		items = append(items, item)
	}
	return strings.Join(items, ","), nil
}

func configScalar(at func(*yaml.Node) string, n *yaml.Node) (string, error) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0:
		return "", kernel.Errorf(kernel.Invalid, "%s: anchors, aliases and tags are not allowed", at(n))
	case n.Kind != yaml.ScalarNode:
		return "", kernel.Errorf(kernel.Invalid, "%s: a setting is one value, or a list of values", at(n))
	}
	return n.Value, nil
}
