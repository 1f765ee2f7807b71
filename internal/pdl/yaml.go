package pdl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

type nodeKind uint8

const (
	scalar nodeKind = iota + 1
	sequence
	mapping
)

type scalarStyle uint8

const (
	plain scalarStyle = iota
	singleQuoted
	doubleQuoted
	literalBlock
	foldedBlock
)

// A node is a YAML value of the subset: scalars are text, keys are text.
type node struct {
	kind      nodeKind
	style     scalarStyle
	text      string
	pairs     []pair
	items     []*node
	src       *source
	line, col int

	typed     any  // what the text means, once something has read it; nil: the text itself
	unordered bool // the order of items has no meaning
}

type pair struct{ key, value *node }

// absent reports a key with nothing behind it.
func (n *node) absent() bool { return n.kind == scalar && n.style == plain && n.text == "" }

// member returns the value of a key, or nil.
func (n *node) member(name string) *node {
	for _, p := range n.pairs {
		if p.key.text == name {
			return p.value
		}
	}
	return nil
}

func (n *node) span() span {
	s := span{src: n.src, line: n.line, col: n.col}
	if n.kind == scalar && n.style == plain {
		s.text = n.text
	}
	return s
}

func (n *node) is() string {
	switch {
	case n.kind == mapping:
		return "a mapping"
	case n.kind == sequence:
		return "a list"
	case n.absent():
		return "nothing"
	}
	return fmt.Sprintf("%q", clip(n.text))
}

// read returns the documents of a file; what is not in the subset is reported.
func (c *compiler) read(f File) []*node {
	text := strings.TrimPrefix(string(f.Data), "\ufeff")
	src := newSource(f.Name, text)
	if !c.readable(src, text) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader([]byte(text)))
	if err != nil {
		c.yamlError(src, err)
		return nil
	}
	var docs []*node
	for {
		tree, err := loadNode(loader)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			c.yamlError(src, err)
			return docs
		}
		if tree.Kind == yaml.DocumentNode && len(tree.Content) == 1 {
			if n := c.convert(src, tree.Content[0], 0); n != nil && !n.absent() {
				docs = append(docs, n)
			}
		}
	}
}

// loadNode reads the next document. The reader of YAML is not ours: should it
// panic, the file is refused like any other that cannot be read.
func loadNode(loader *yaml.Loader) (tree yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the YAML reader gave up")
		}
	}()
	err = loader.Load(&tree)
	return tree, err
}

// readable refuses what would make positions or meaning differ between
// readers: other encodings, control characters, exotic line ends, directives.
func (c *compiler) readable(src *source, text string) bool {
	if len(text) > MaxFile {
		c.errorf(span{src: src, line: 1, col: 1}, "split it", "the file has %d bytes, more than %d", len(text), MaxFile)
		return false
	}
	for i, r := range text {
		problem := ""
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			problem = "the file is not UTF-8 here"
		case r == '\r' && !strings.HasPrefix(text[i+1:], "\n"):
			problem = "a carriage return without a line feed"
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0x7f, r >= 0x80 && r < 0xa0, r == '\u2028', r == '\u2029', r == '\ufeff':
			problem = fmt.Sprintf("the character U+%04X is not allowed", r)
		}
		if problem != "" {
			line, col := positionOf(text, i)
			c.errorf(span{src: src, line: line, col: col}, "save the file as plain UTF-8 text", "%s", problem)
			return false
		}
	}
	for i, l := range src.lines {
		if strings.HasPrefix(l, "%") {
			c.errorf(span{src: src, line: i + 1, col: 1}, "remove the line", "YAML directives are not used here")
			return false
		}
	}
	return true
}

// convert makes a node of a YAML node, or returns nil after reporting why not.
func (c *compiler) convert(src *source, y *yaml.Node, depth int) *node {
	n := &node{src: src, line: y.Line, col: y.Column}
	if !c.inSubset(n, y, depth) {
		return nil
	}
	switch y.Kind {
	case yaml.ScalarNode:
		n.kind, n.text, n.style = scalar, y.Value, styleOf(y)
	case yaml.SequenceNode:
		n.kind = sequence
		for _, item := range y.Content {
			if v := c.convert(src, item, depth+1); v != nil {
				n.items = append(n.items, v)
			}
		}
	default:
		n.kind = mapping
		c.convertPairs(n, y, depth)
	}
	return n
}

func styleOf(y *yaml.Node) scalarStyle {
	switch {
	case y.Style&yaml.SingleQuotedStyle != 0:
		return singleQuoted
	case y.Style&yaml.DoubleQuotedStyle != 0:
		return doubleQuoted
	case y.Style&yaml.LiteralStyle != 0:
		return literalBlock
	case y.Style&yaml.FoldedStyle != 0:
		return foldedBlock
	}
	return plain
}

func (c *compiler) inSubset(n *node, y *yaml.Node, depth int) bool {
	at := n.span()
	switch {
	case !utf8.ValidString(y.Value):
		c.errorf(at, "", "the text is not UTF-8")
	case depth > maxNesting:
		c.errorf(at, "", "more than %d levels of nesting", maxNesting)
	case y.Kind == yaml.AliasNode:
		c.errorf(at, `write the value again, or quote it if the text starts with "*"`, "YAML aliases are not used here")
	case y.Anchor != "":
		c.errorf(at, `remove it, or quote the text if it starts with "&"`, "YAML anchors are not used here")
	case y.Style&yaml.TaggedStyle != 0 || y.Tag == "!":
		c.errorf(at, "a condition that starts with ! is written in single quotes or as a | block", "YAML tags are not used here")
	default:
		return true
	}
	return false
}

func (c *compiler) convertPairs(n *node, y *yaml.Node, depth int) {
	seen := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := c.convert(n.src, y.Content[i], depth+1)
		value := c.convert(n.src, y.Content[i+1], depth+1)
		switch {
		case key == nil:
		case key.kind != scalar:
			c.errorf(key.span(), "", "a key is text, not %s", key.is())
		case key.text == "<<" && key.style == plain:
			c.errorf(key.span(), "write the keys here", "YAML merge keys are not used here")
		case seen[key.text] > 0:
			c.errorf(key.span(), "keep one of the two", "the key %q is already on line %d", clip(key.text), seen[key.text])
		default:
			seen[key.text] = key.line
			if value != nil {
				n.pairs = append(n.pairs, pair{key, value})
			}
		}
	}
}
