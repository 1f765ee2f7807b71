package registry

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/canonical"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

var (
	// Ids of principals are what people tell apart in every font.
	principalID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$`)
	smallName   = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	attribute   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	limited     = regexp.MustCompile(`^(params|resource)(\.[A-Za-z_][A-Za-z0-9_-]*)+$`)
	ulidText    = regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)
)

// given are the attributes that a principal has by its other members.
var given = []string{"id", "owner", "groups", "roles"}

// A reader takes objects out of a decoded tree and keeps the first problem.
type reader struct{ err error }

func (rd *reader) fail(at, hint, format string, args ...any) {
	if rd.err != nil {
		return
	}
	e := kernel.Errorf(kernel.Invalid, format, args...).At(at)
	if hint != "" {
		e = e.WithHint("%s", hint)
	}
	rd.err = e
}

// object returns the members of an object that has no others than the named.
func (rd *reader) object(at string, v any, members ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		rd.fail(at, "", "it is an object")
		return nil
	}
	for _, name := range kernel.SortedKeys(m) {
		if !slices.Contains(members, name) {
			hint := suggest.DidYouMean(name, members)
			if hint == "" {
				hint = "the members are " + strings.Join(members, ", ")
			}
			rd.fail(kernel.JoinPath(at, name), hint, "unknown member")
		}
	}
	return m
}

func (rd *reader) text(at string, v any) string {
	s, ok := v.(string)
	if !ok {
		rd.fail(at, "", "it is a text")
	}
	return s
}

// id reads the id of a principal.
func (rd *reader) id(at string, v any) string {
	s := rd.text(at, v)
	if len(s) > MaxID || !principalID.MatchString(s) {
		rd.fail(at, "letters, digits and . _ : / @ + - are what ids are made of, at most 256", "%q is no id of a principal", clip(s))
	}
	return s
}

// principal reads all but kind and status.
func (rd *reader) principal(at, id string, m map[string]any) Principal {
	p := Principal{ID: rd.id(at, id)}
	if v, there := m["owner"]; there {
		p.Owner = rd.id(at+".owner", v)
	}
	if v, there := m["attributes"]; there {
		p.Attributes = rd.attributes(at+".attributes", v, given)
	}
	p.Groups = rd.names(at+".groups", m["groups"])
	p.Roles = rd.names(at+".roles", m["roles"])
	if v, there := m["capabilities"]; there {
		p.Capabilities = rd.capabilities(at+".capabilities", v)
	}
	return p
}

// kind checks what depends on the kind.
func (rd *reader) kind(at string, p *Principal) {
	switch {
	case p.Kind != Agent && p.Kind != Person && p.Kind != Service:
		rd.fail(at+".kind", "agent, person or service", "%q is no kind of principal", clip(string(p.Kind)))
	case p.Status != Active && p.Status != Suspended && p.Status != Retired:
		rd.fail(at+".status", "active, suspended or retired", "%q is no status", clip(string(p.Status)))
	case p.Kind != Agent && len(p.Capabilities) > 0:
		rd.fail(at+".capabilities", "only an agent asks", "a %s has no capabilities", p.Kind)
	case p.Owner == p.ID:
		rd.fail(at+".owner", "name whoever answers for it", "it cannot own itself")
	}
}

func (rd *reader) resource(at string, t Target, attributes any) Resource {
	if !isName(t.Type) || !isName(t.ID) {
		rd.fail(at, "1 to 256 characters without control characters, and no space at either end", "type and id of a resource are names, not %q and %q", clip(t.Type), clip(t.ID))
	}
	return Resource{Type: t.Type, ID: t.ID, Attributes: rd.attributes(at, attributes, []string{"id", "type"})}
}

// attributes reads values that may be trusted.
func (rd *reader) attributes(at string, v any, reserved []string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		rd.fail(at, "", "attributes are an object")
		return nil
	}
	if len(m) > MaxAttributes {
		rd.fail(at, "", "more than %d attributes", MaxAttributes)
	}
	for _, name := range kernel.SortedKeys(m) {
		path := kernel.JoinPath(at, name)
		switch {
		case slices.Contains(reserved, name):
			rd.fail(path, "it has a place of its own", "%s cannot be an attribute", name)
		case len(name) > 128 || !attribute.MatchString(name):
			rd.fail(path, "use letters, digits and _", "%q is no name of an attribute", clip(name))
		case !plain(m[name]):
			rd.fail(path, "leave out what has no value", "a value is true, false, an integer within ±(2^53−1), a text, a list or an object")
		}
	}
	if value, ok := canonical.AppendValue(nil, m); !ok || len(value) > MaxValue {
		rd.fail(at, "", "the attributes take more than %d bytes", MaxValue)
	}
	return m
}

// plain reports whether a value can be that of an attribute.
func plain(v any) bool {
	switch v := v.(type) {
	case bool, int64:
		return true
	case string:
		return utf8.ValidString(v) && !strings.ContainsRune(v, 0)
	case []any:
		return !anyOf(v, func(e any) bool { return !plain(e) })
	case map[string]any:
		return !anyOf(kernel.SortedKeys(v), func(name string) bool { return !plain(v[name]) })
	}
	return false
}

// names reads a list of groups or roles; they come out sorted.
func (rd *reader) names(at string, v any) []string {
	list := rd.list(at, v, MaxNames)
	var names []string
	for i, e := range list {
		s := rd.text(place(at, i), e)
		if len(s) > 128 || !smallName.MatchString(s) {
			rd.fail(place(at, i), "small letters, digits, _ and -, beginning with a letter", "%q is no name", clip(s))
		}
		names = append(names, s)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) < len(names) {
		rd.fail(at, "", "a name is there twice")
	}
	return names
}

func (rd *reader) list(at string, v any, most int) []any {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	switch {
	case !ok:
		rd.fail(at, "", "it is a list")
	case len(list) > most:
		rd.fail(at, "", "more than %d elements", most)
		return nil
	}
	return list
}

func (rd *reader) capabilities(at string, v any) []Capability {
	m, ok := v.(map[string]any)
	if !ok {
		rd.fail(at, `write {deploy: {actions: [deploy_service], resources: [{type: service, id: "*"}]}}`, "capabilities are an object, by id")
		return nil
	}
	if len(m) > MaxCapabilities {
		rd.fail(at, "", "more than %d capabilities", MaxCapabilities)
	}
	var list []Capability
	for _, id := range kernel.SortedKeys(m) {
		path := kernel.JoinPath(at, id)
		if len(id) > 128 || !smallName.MatchString(id) {
			rd.fail(path, "small letters, digits, _ and -, beginning with a letter", "%q is no id of a capability", clip(id))
		}
		c := rd.capability(path, rd.object(path, m[id], "actions", "resources", "limits", "expires", "lend"))
		c.ID = id
		list = append(list, c)
	}
	return list
}

func (rd *reader) capability(at string, m map[string]any) (c Capability) {
	for i, e := range rd.list(at+".actions", m["actions"], MaxPatterns) {
		c.Actions = append(c.Actions, rd.pattern(place(at+".actions", i), e))
	}
	for i, e := range rd.list(at+".resources", m["resources"], MaxPatterns) {
		path := place(at+".resources", i)
		t := rd.object(path, e, "type", "id")
		c.Resources = append(c.Resources, Target{rd.pattern(path+".type", t["type"]), rd.pattern(path+".id", t["id"])})
	}
	if len(c.Actions) == 0 || len(c.Resources) == 0 {
		rd.fail(at, `write ["*"] and [{type: "*", id: "*"}] for all of them`, "a capability names actions and resources")
	}
	if v, there := m["limits"]; there {
		c.Limits = rd.limits(at+".limits", v)
	}
	if v, there := m["expires"]; there {
		c.Expires = rd.instant(at+".expires", v)
	}
	if v, there := m["lend"]; there {
		n, ok := v.(int64)
		if !ok || n < 0 || n > MaxLend {
			rd.fail(at+".lend", "", "lend is how many times in a row it may be lent on: 0 to %d", MaxLend)
		}
		c.Lend = int(n)
	}
	return c
}

func (rd *reader) pattern(at string, v any) string {
	s := rd.text(at, v)
	if i := strings.IndexByte(s, '*'); !isName(s) || i >= 0 && i < len(s)-1 {
		rd.fail(at, "a name, or the beginning of one and a * at the end", "%q is no pattern", clip(s))
	}
	return s
}

func (rd *reader) instant(at string, v any) time.Time {
	t, err := time.Parse(time.RFC3339, rd.text(at, v))
	if err != nil || t.Year() < 1970 || t.Year() > 2189 {
		rd.fail(at, "write it as 2027-01-01T00:00:00Z", "it is an instant from 1970 to 2189")
		return time.Time{}
	}
	return t.UTC()
}

// delegation checks what one delegation alone can show.
func (rd *reader) delegation(d *Delegation) {
	switch {
	case d.From == d.To:
		rd.fail("$.to", "lend to another agent", "nobody lends to itself")
	case d.Expires.IsZero():
		rd.fail("$.expires", "write it as 2027-01-01T00:00:00Z", "what is lent is given back: it has an end")
	case !ulidText.MatchString(d.Of) && !smallName.MatchString(d.Of):
		rd.fail("$.of", "a capability of the lender's, or a delegation to it", "%q is no capability", clip(d.Of))
	}
}

func (rd *reader) killed(k *Kill) {
	switch {
	case k.Scope == ScopeAll && k.Target == "":
	case k.Scope == ScopeAction:
		rd.pattern("$.target", k.Target)
	case k.Scope == ScopeAgent && isName(k.Target):
	default:
		rd.fail("$.scope", "all, without a target; action, with a pattern; agent, with an id", "%q of %q is nothing to stop", clip(string(k.Scope)), clip(k.Target))
	}
	if err := CheckReason(k.Reason); err != nil && rd.err == nil {
		rd.err = err
	}
}

// CheckReason reports why a text is no reason that can be recorded; none at
// all is one.
func CheckReason(reason string) error {
	if !utf8.ValidString(reason) || utf8.RuneCountInString(reason) > MaxReason || strings.ContainsFunc(reason, isControl) {
		return kernel.Errorf(kernel.Invalid, "a reason has at most %d characters, in one line", MaxReason).At("$.reason")
	}
	return nil
}

// pair reads the key of two parts.
func (rd *reader) pair(kind, id string) Target {
	tree, err := kernel.DecodeJSON([]byte(id))
	list, ok := tree.([]any)
	if err != nil || !ok || len(list) != 2 {
		rd.fail("$", "", "the key of a %s has two parts", kind)
		return Target{}
	}
	t := Target{rd.text("$", list[0]), rd.text("$", list[1])}
	if t.key(kind).ID != id {
		rd.fail("$", "", "the key of a %s is in canonical form", kind)
	}
	return t
}

// isName reports whether a text may be a name in a request, and has no space
// at its ends that nobody would see.
func isName(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= MaxID && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, isControl)
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

func place(at string, i int) string { return at + "[" + strconv.Itoa(i) + "]" }

func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}
