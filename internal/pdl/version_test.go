package pdl_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func versionOf(t *testing.T, files ...pdl.File) string {
	t.Helper()
	b, found := pdl.Compile(files)
	if b == nil {
		t.Fatalf("the bundle does not compile: %v", found)
	}
	return b.Version
}

func wholeBundle() []pdl.File {
	return []pdl.File{
		{Name: "schema.yaml", Data: []byte(schemaText)},
		{Name: "policies.yaml", Data: []byte(policyText)},
		{Name: "tests.yaml", Data: []byte(testText)},
	}
}

func TestVersionIgnoresHowABundleIsWritten(t *testing.T) {
	want := versionOf(t, wholeBundle()...)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 50 {
		files := rewrite(t, random, wholeBundle())
		if got := versionOf(t, files...); got != want {
			t.Fatalf("shuffle %d has version %s, want %s:\n%s", i, got, want, files[0].Data)
		}
	}
}

// rewrite deals the documents out to other files in another order, with
// other quotes, comments and orders of keys, rules, rows and match values.
func rewrite(t *testing.T, random *rand.Rand, files []pdl.File) []pdl.File {
	t.Helper()
	var documents []*yaml.Node
	for _, f := range files {
		loader, err := yaml.NewLoader(bytes.NewReader(f.Data))
		if err != nil {
			t.Fatal(err)
		}
		for {
			var n yaml.Node
			if loader.Load(&n) != nil {
				break
			}
			shuffle(random, n.Content[0], "")
			documents = append(documents, n.Content[0])
		}
	}
	random.Shuffle(len(documents), func(i, j int) { documents[i], documents[j] = documents[j], documents[i] })
	out := make([]pdl.File, 1+random.IntN(3))
	for i := range out {
		out[i].Name = fmt.Sprintf("%c%d.yml", 'a'+random.IntN(26), i)
	}
	for _, d := range documents {
		text, err := yaml.Dump(d)
		if err != nil {
			t.Fatal(err)
		}
		f := &out[random.IntN(len(out))]
		f.Data = append(f.Data, "# a comment\n---\n"...)
		f.Data = append(f.Data, text...)
	}
	return out
}

// shuffle changes what has no meaning in a document.
func shuffle(random *rand.Rand, n *yaml.Node, key string) {
	switch n.Kind {
	case yaml.MappingNode:
		n.LineComment = "another comment"
		random.Shuffle(len(n.Content)/2, func(i, j int) {
			c := n.Content
			c[2*i], c[2*i+1], c[2*j], c[2*j+1] = c[2*j], c[2*j+1], c[2*i], c[2*i+1]
		})
		for i := 0; i < len(n.Content); i += 2 {
			shuffle(random, n.Content[i+1], n.Content[i].Value)
		}
	case yaml.SequenceNode:
		if key == "rules" || key == "rows" || key == "action" || key == "resource" || key == "regions" {
			random.Shuffle(len(n.Content), func(i, j int) { n.Content[i], n.Content[j] = n.Content[j], n.Content[i] })
		}
		for _, item := range n.Content {
			shuffle(random, item, "")
		}
	case yaml.ScalarNode:
		switch {
		case key == "when" || key == "foreign":
			if n.Style == 0 && random.IntN(2) == 0 {
				n.Style = yaml.LiteralStyle
				n.Value += "\n"
			}
		case random.IntN(3) == 0:
			n.Style = []yaml.Style{yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle}[random.IntN(2)]
		}
	default:
	}
}

// TestVersionFollowsTheMeaning changes every kind of field once.
func TestVersionFollowsTheMeaning(t *testing.T) {
	before := versionOf(t, wholeBundle()...)
	versions := map[string]string{before: "the original"}
	for _, c := range []struct{ from, to string }{
		{"name: shipping", "name: shopping"},
		{"agents: any", "agents: any\nstrict: false"},
		{"enum(junior, senior, sre)", "enum(junior, senior, sre, bot)"},
		{"from: request", "from: registry?"},
		{"int(0..10)", "int(0..11)"},
		{"list(enum(dev, oncall), ..16)", "list(enum(dev, oncall), ..17)"},
		{"owner?:", "owner:"},
		{"size_gb: int", "size_gb: string"},
		{"risk: medium\n", "risk: high\n"},
		{"resource: [database, service]", "resource: [service, database]\n    risk: critical"},
		{"source_ip?: string", "source_ip?: string(..15)"},
		{"max_rows: int.min", "max_rows: int.max"},
		{"name: change-windows", "name: change-window"},
		{"foreign: has(resource.owner_team) && resource.owner_team != agent.team", "foreign: has(resource.owner_team) && resource.owner_team == agent.team"},
		{"id: rest", "id: others"},
		{"agent.role: junior,", "agent.role: senior,"},
		{"action: [deploy, migrate], resource", "action: [deploy], resource"},
		{"when: agent.experience_level < 3", "when: agent.experience_level < 4"},
		{"effect: DENY", "effect: ALLOW"},
		{"risk: high", "risk: critical"},
		{"Junior agents below", "Junior agents under"},
		{"advice: Ask a senior", "advice: Ask another"},
		{"approvals: 2", "approvals: 3"},
		{"max_rows: 10", "max_rows: 11"},
		{"regions: [eu, us]", "regions: [eu]"},
		{"mode: shadow", "mode: enforce"},
		{"critical: [svc/checkout", "critical: [svc/payment"},
		{"max_refund: 50000}", "max_refund: 50001}"},
		{"max_refund: int}", "max_refund: int(0..60000)}"},
		{"archive,    ALLOW,            medium", "archive,    ALLOW,            low"},
		{`["*",      "*",        DENY,             critical, 0, {}]`, `["*",      "*",        ALLOW,            critical, 0, {}]`},
		{"name: matrix", "name: other-matrix"},
	} {
		files, changed := wholeBundle(), false
		for i, f := range files[:2] {
			text := strings.Replace(string(f.Data), c.from, c.to, 1)
			if !changed && text != string(f.Data) {
				files[i].Data, changed = []byte(text), true
			}
		}
		if !changed {
			t.Errorf("%q is not in the bundle", c.from)
			continue
		}
		version := versionOf(t, files[:2]...)
		if other := versions[version]; other != "" {
			t.Errorf("the version after %q → %q is that of %s", c.from, c.to, other)
		}
		versions[version] = c.to
	}
}

func TestVersionIgnoresTests(t *testing.T) {
	files := wholeBundle()
	if a, b := versionOf(t, files...), versionOf(t, files[:2]...); a != b {
		t.Errorf("version with tests = %s, without %s", a, b)
	}
}
