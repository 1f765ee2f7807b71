// Package proof signs records of what was proved, and says whether one is
// about a bundle.
//
// It promises that a record it takes was signed by a key that is trusted for
// that, is about exactly this policy version, and answers every property of the
// bundle with PROVED, in the words the bundle has it in.
package proof

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// Format is what records of this version call themselves.
const Format = "kernel-proof/1"

// GenerateKey makes a key pair that signs records, as C2SP signed notes. The
// name says whose it is; random yields 32 bytes.
func GenerateKey(name string, random io.Reader) (private, public string, err error) {
	if name == "" || strings.ContainsAny(name, "+ \t\r\n") {
		return "", "", kernel.Errorf(kernel.Invalid, "%q is no name for a key: it has neither spaces nor plus signs", name)
	}
	return note.GenerateKey(random, name)
}

// Sign signs a record, which ends in a line feed.
func Sign(private, record string) (string, error) {
	signer, err := note.NewSigner(strings.TrimSpace(private))
	if err != nil {
		return "", kernel.Errorf(kernel.Invalid, "this is no key that signs records").WithHint("\"kernel prove key FILE\" makes one")
	}
	signed, err := note.Sign(&note.Note{Text: record}, signer)
	return string(signed), err
}

// Keys are the public keys whose records are trusted. There is one at least.
type Keys struct{ verifiers []note.Verifier }

// ParseKeys reads public keys, one a line; empty lines and lines that begin
// with # say nothing.
func ParseKeys(text string) (*Keys, error) {
	k := &Keys{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := note.NewVerifier(line)
		if err != nil {
			return nil, kernel.Errorf(kernel.Invalid, "line %d is no public key of records", n).WithHint("\"kernel prove key FILE\" writes it to FILE.pub")
		}
		k.verifiers = append(k.verifiers, v)
	}
	if err := lines.Err(); err != nil {
		return nil, kernel.Errorf(kernel.Invalid, "the keys cannot be read: %v", err)
	}
	if len(k.verifiers) == 0 {
		return nil, kernel.Errorf(kernel.Invalid, "there is no public key: no record could be trusted").WithHint("\"kernel prove key FILE\" writes one to FILE.pub")
	}
	return k, nil
}

// A record is what is read of one; what else it says is for people.
type record struct {
	Record  string   `json:"record"`
	Task    string   `json:"task"`
	Outcome string   `json:"outcome"`
	Bundles []proved `json:"bundles"`
	Solvers []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		SHA256  string `json:"sha256"`
	} `json:"solvers"`
	Questions []question `json:"questions"`
}

type proved struct {
	Name    string `json:"name"`
	Version string `json:"policy_version"`
}

type question struct {
	Bundle  string `json:"bundle"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Asked   string `json:"asked"`
	Verdict string `json:"verdict"`
	Outcome string `json:"outcome"`
}

const mendRecord = "prove this very bundle again: kernel prove --record proof.json --sign KEY PATH"

// Check says whether a signed record proves a bundle, and returns its digest,
// by which an entry can name it. Everything else is refused, with a hint.
func (k *Keys) Check(signed string, b *pdl.Bundle) (digest string, err error) {
	if signed == "" {
		return "", refused("this kernel takes a proof record with every policy, and there is none")
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(k.verifiers...))
	if err != nil {
		return "", refused("the proof record is not signed by a key that this kernel trusts, or was changed since")
	}
	var r record
	if err := json.Unmarshal([]byte(opened.Text), &r); err != nil {
		return "", refused("the proof record cannot be read: %v", err)
	}
	if err := r.proves(b); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(signed))
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

func refused(format string, args ...any) error {
	return kernel.Errorf(kernel.Invalid, format, args...).At("$.proof").WithHint("%s", mendRecord)
}

// proves reports why a record does not prove a bundle.
func (r *record) proves(b *pdl.Bundle) error {
	if r.Record != Format || r.Task != "properties" {
		return refused("the record is a %s of %s, not a %s of properties", r.Record, r.Task, Format)
	}
	var name string
	found := 0
	for _, of := range r.Bundles {
		if of.Version == b.Version {
			name = of.Name
			found++
		}
	}
	switch {
	case found != 1 || slices.ContainsFunc(r.Bundles, func(of proved) bool { return of.Name == name && of.Version != b.Version }):
		return refused("the record is not about policy version %s alone", b.Version)
	case len(b.Properties) == 0:
		return refused("the bundle has no properties: nothing is proved of it")
	case r.Outcome != "holds":
		return refused("the record says %q, and not that all holds", r.Outcome)
	}
	if err := r.solved(); err != nil {
		return err
	}
	return r.answers(name, b.Properties)
}

var isDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// solved wants every solver to be named so that it can be told from others.
func (r *record) solved() error {
	for _, s := range r.Solvers {
		if s.Name == "" || s.Version == "" || !isDigest.MatchString(s.SHA256) {
			return refused("the record does not say which solver answered: name, version and SHA-256")
		}
	}
	if len(r.Solvers) == 0 {
		return refused("the record names no solver")
	}
	return nil
}

// answers wants each property to be asked once, as the bundle has it, and to be
// proved, and nothing about the bundle not to be.
func (r *record) answers(bundle string, properties []*pdl.Property) error {
	asked := map[string][]question{}
	for _, q := range r.Questions {
		if q.Bundle != bundle {
			continue
		}
		if q.Verdict != "PROVED" || q.Outcome != "holds" {
			return refused("%s is %s in the record, not PROVED", q.Name, q.Verdict)
		}
		asked[q.Name] = append(asked[q.Name], q)
	}
	for _, p := range properties {
		list := asked[p.Name]
		switch {
		case len(list) == 0:
			return refused("the record leaves out the property %s", p.Name)
		case len(list) > 1:
			return refused("the record answers %s more than once", p.Name)
		case list[0].Kind != p.Claim.String() || list[0].Asked != p.Sentence():
			return refused("the record asked of %s %q, and the bundle asks %q", p.Name, list[0].Asked, p.Sentence())
		}
	}
	if len(asked) != len(properties) {
		return refused("the record answers %d properties, and the bundle has %d", len(asked), len(properties))
	}
	return nil
}
