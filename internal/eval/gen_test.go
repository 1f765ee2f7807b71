package eval_test

import (
	"fmt"
	"strings"
)

// A gen makes well-typed CEL out of bytes: each choice takes one, and when
// they run out it is the first, which never nests. So a fuzzer that changes
// bytes changes the expression where it stands.
type gen struct {
	data   []byte
	wide   bool // also what cel-go has and pdl refuses
	common bool // only attributes that every action and resource type has
	vars   []string
	locals []variable
	count  int
}

type variable struct{ name, kind string }

func (g *gen) pick(n int) int {
	if len(g.data) == 0 {
		return 0
	}
	b := g.data[0]
	g.data = g.data[1:]
	return int(b) % n
}

func (g *gen) one(words ...string) string { return words[g.pick(len(words))] }

// local returns a variable of a comprehension around, when there is one.
func (g *gen) local(kind string) (string, bool) {
	var fit []string
	for _, v := range g.locals {
		if v.kind == kind {
			fit = append(fit, v.name)
		}
	}
	if len(fit) == 0 || g.pick(2) == 0 {
		return "", false
	}
	return g.one(fit...), true
}

func (g *gen) bool(depth int) string {
	if depth <= 0 {
		return g.boolLeaf()
	}
	depth--
	choices := 18
	if g.wide {
		choices = 20
	}
	switch g.pick(choices) {
	case 0:
		return g.boolLeaf()
	case 1, 2:
		return "(" + g.bool(depth) + " && " + g.bool(depth) + ")"
	case 3, 4:
		return "(" + g.bool(depth) + " || " + g.bool(depth) + ")"
	case 5:
		return "!" + g.bool(depth)
	case 6:
		return "(" + g.bool(depth) + " ? " + g.bool(depth) + " : " + g.bool(depth) + ")"
	case 7:
		return "(" + g.int(depth) + g.relation() + g.int(depth) + ")"
	case 8:
		return "(" + g.string(depth) + g.relation() + g.string(depth) + ")"
	case 9:
		return "(" + g.time(depth) + g.relation() + g.time(depth) + ")"
	case 10:
		return "(" + g.span(depth) + g.relation() + g.span(depth) + ")"
	case 11:
		return g.quantifier(depth)
	case 12:
		return g.membership(depth)
	case 13:
		right := "[]"
		if g.pick(3) > 0 {
			right = g.strings(depth)
		}
		return "(" + g.strings(depth) + g.one(" == ", " != ") + right + ")"
	case 14:
		return "(" + g.ints(depth) + g.one(" == ", " != ") + g.ints(depth) + ")"
	case 15:
		return g.string(0) + ".glob(" + g.one(`"**"`, `"*"`, `"a?"`, `"src/**/*.go"`, `"**/pay*"`, `"src/*/?.go"`, `"**é"`, `"src/**"`, `"s?c**"`) + ")"
	case 16:
		return g.address(depth)
	case 17:
		return "calendar." + g.one("office", "freeze") + ".active(" + g.time(depth) + ")"
	case 18:
		return "(" + g.bool(depth) + g.relation() + g.bool(depth) + ")"
	}
	return "matches(" + g.string(depth) + ", " + g.pattern() + ")"
}

func (g *gen) relation() string { return g.one(" == ", " != ", " < ", " <= ", " > ", " >= ") }

func (g *gen) pattern() string {
	return g.one(`"^a"`, `"[0-9]{2,}"`, `"é|s.n"`, `"^$"`, `"(?i)PAY"`)
}

func (g *gen) address(depth int) string {
	ranges := []string{`cidr("10.0.0.0/8")`, `cidr("10.1.2.3/16")`, `cidr("2001:db8::/32")`, `cidr("0.0.0.0/0")`}
	text := g.one("params.version", "agent.owner", `"10.1.2.3"`, `"2001:db8::1"`)
	if g.common || text == "params.version" && g.pick(3) == 0 {
		text = g.string(depth)
	}
	if strings.HasPrefix(text, `"`) { // a literal has to be one
		text = `"10.1.200.3"`
	}
	switch g.pick(7) {
	case 0:
		return "isIP(" + text + ")"
	case 1:
		return "isCIDR(" + text + ")"
	case 2:
		return g.one(ranges...) + ".containsIP(" + text + ")"
	case 3:
		return g.one(ranges...) + ".containsIP(ip(" + text + "))"
	case 4:
		return g.one(ranges...) + ".containsCIDR(" + g.one("params.version", `"10.1.0.0/24"`, "cidr(params.version)", `"10.0.0.0/7"`) + ")"
	case 5:
		return "(ip(" + text + ")" + g.one(" == ", " != ") + `ip("10.1.2.3"))`
	}
	return "(" + g.one(ranges...) + g.one(" == ", " != ") + g.one(ranges...) + ")"
}

func (g *gen) boolLeaf() string {
	if v, ok := g.local("bool"); ok {
		return v
	}
	if len(g.vars) > 0 && g.pick(3) == 1 {
		return "variables." + g.one(g.vars...)
	}
	leaves := []string{"agent.trusted", "has(agent.owner)", "params.force", "true", "false", "has(context.ticket)", "params.payment.to.known", "has(params.payment)", "has(params.blob)"}
	if v, ok := g.local("file"); ok && g.pick(3) > 0 {
		leaves = []string{v + ".owned", "has(" + v + ".mode)", "has(" + v + ".owned)"}
		if !g.common {
			leaves = append(leaves, "has("+v+".at)", "has("+v+".term)")
		}
		return g.one(leaves...)
	}
	if !g.wide {
		leaves = append(leaves, "has(facts.last_at)")
	}
	if !g.common {
		leaves = append(leaves, "has(resource.owner_team)", "has(params.tags)", "has(params.after)", "has(resource.replicas)",
			"has(params.payment.memo)", "has(params.payment.to.iban)", "has(params.refund)", "has(params.refund.why)", "params.refund.of.urgent",
			"has(params.refund.of.by)", "has(params.refund.of.by.level)", "has(params.refund.of.days)")
	}
	return g.one(leaves...)
}

func (g *gen) membership(depth int) string {
	switch g.pick(6) {
	case 0:
		return "(" + g.string(depth) + " in " + g.strings(depth) + ")"
	case 1:
		return "(" + g.int(depth) + " in " + g.ints(depth) + ")"
	case 2:
		return "(" + g.time(depth) + " in " + g.times(depth) + ")"
	case 3:
		return g.string(0) + g.one(".startsWith(", ".endsWith(", ".contains(") + g.string(depth) + ")"
	case 4:
		return g.string(0) + ".matches(" + g.pattern() + ")"
	}
	if g.pick(2) == 1 {
		return "[" + g.bool(depth) + ", " + g.bool(depth) + "][" + g.index(depth) + "]"
	}
	return "(" + g.bool(depth) + " in [" + g.bool(depth) + "])"
}

func (g *gen) quantifier(depth int) string {
	if len(g.locals) >= 2 {
		return g.boolLeaf()
	}
	if g.pick(3) == 1 {
		return g.overFiles(depth)
	}
	var over, kind string
	switch g.pick(4) {
	case 0:
		over, kind = g.strings(depth), "string"
	case 1:
		over, kind = g.ints(depth), "int"
	case 2:
		over, kind = "["+g.bool(depth)+", "+g.bool(depth)+"]", "bool"
	case 3:
		over, kind = g.times(depth), "time"
	}
	g.count++
	name := fmt.Sprintf("x%d", g.count)
	g.locals = append(g.locals, variable{name, kind})
	body := g.bool(depth)
	g.locals = g.locals[:len(g.locals)-1]
	return over + "." + g.one("exists", "all", "exists_one") + "(" + name + ", " + body + ")"
}

// overFiles quantifies over a list of records.
func (g *gen) overFiles(depth int) string {
	g.count++
	name := fmt.Sprintf("x%d", g.count)
	g.locals = append(g.locals, variable{name, "file"})
	body := g.bool(depth)
	g.locals = g.locals[:len(g.locals)-1]
	return "params.files." + g.one("exists", "all", "exists_one") + "(" + name + ", " + body + ")"
}

// file is a record of a list: the variable of a loop, or one by its place.
func (g *gen) file(depth int) string {
	if v, ok := g.local("file"); ok {
		return v
	}
	return "params.files[" + g.index(depth) + "]"
}

func (g *gen) int(depth int) string {
	if v, ok := g.local("int"); ok {
		return v
	}
	if g.pick(8) == 1 {
		return g.one(g.file(depth-1)+".size", "size(params.files)", "size(params.blob)", "params.files.size()")
	}
	if depth <= 0 || g.pick(3) == 0 {
		leaves := []string{"agent.level", "params.count", "0", "1", "-1", "3", "9223372036854775807", "-9223372036854775808", "data.consts.limit", "params.payment.cents"}
		if !g.wide {
			leaves = append(leaves, "facts.deploys_1h", "facts.deploys_48h", "facts.today")
		}
		if !g.common {
			leaves = append(leaves, "resource.replicas", "resource.replicas", "params.refund.cents", "params.refund.of.by.level")
		}
		return g.one(leaves...)
	}
	switch g.pick(11) {
	case 8:
		return g.ints(depth-1) + "[" + g.index(depth-1) + "]"
	case 9:
		return g.time(depth-1) + "." + g.one("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes",
			"getSeconds", "getMilliseconds") + "(" + g.one("", `"Europe/Berlin"`, `"America/New_York"`, `"UTC"`, `"+05:30"`, `"-09:30"`, `"Australia/Lord_Howe"`, `"Africa/Casablanca"`) + ")"
	case 10:
		return g.span(depth-1) + "." + g.one("getHours", "getMinutes", "getSeconds", "getMilliseconds") + "()"
	case 0:
		return "size(" + g.strings(depth-1) + ")"
	case 1:
		return "size(" + g.string(depth-1) + ")"
	case 2:
		return "(" + g.bool(depth-1) + " ? " + g.int(depth-1) + " : " + g.int(depth-1) + ")"
	case 3:
		return "-(" + g.int(depth-1) + ")"
	}
	operator, right := g.one(" + ", " - ", " * ", " / ", " % "), g.int(depth-1)
	if !g.wide && right == "0" { // a division by a written zero is refused
		right = "params.count"
	}
	return "(" + g.int(depth-1) + operator + right + ")"
}

// index is most often one that a short list has.
func (g *gen) index(depth int) string {
	if g.pick(4) == 3 {
		return g.int(depth)
	}
	return g.one("0", "1", "2", "-1")
}

func (g *gen) string(depth int) string {
	if v, ok := g.local("string"); ok {
		return v
	}
	if g.pick(6) == 1 {
		return g.file(depth-1) + g.one(".path", ".mode")
	}
	if depth <= 0 || g.pick(3) > 0 {
		leaves := []string{"agent.team", "agent.owner", "agent.id", "resource.id", "context.ticket", `"payments"`, `""`, `"é"`, `"a1"`, "data.consts.home", "params.payment.currency", "params.payment.to.name"}
		if !g.common {
			leaves = append(leaves, "resource.owner_team", "params.version", "params.payment.memo", "params.payment.to.iban", "params.refund.why", "params.refund.of.by.team")
		}
		return g.one(leaves...)
	}
	switch g.pick(4) {
	case 1:
		return "(" + g.string(depth-1) + " + " + g.string(depth-1) + ")"
	case 2:
		return g.string(depth-1) + g.one(".lowerAscii()", ".upperAscii()")
	case 3:
		return g.strings(depth-1) + "[" + g.index(depth-1) + "]"
	}
	return "(" + g.bool(depth-1) + " ? " + g.string(depth-1) + " : " + g.string(depth-1) + ")"
}

func (g *gen) strings(depth int) string {
	if depth > 0 {
		switch choice := g.pick(5); {
		case choice == 1 && g.wide:
			return "(" + g.strings(depth-1) + " + " + g.strings(depth-1) + ")"
		case choice == 2:
			return "(" + g.bool(depth-1) + " ? " + g.strings(depth-1) + " : " + g.strings(depth-1) + ")"
		}
	}
	lists := []string{"agent.groups", `["payments", "é"]`, "data.consts.regions",
		`["a", "b", "c", "d", "e", "f", "g", "h", "payments"]`, "[" + g.string(depth-1) + ", " + g.string(depth-1) + "]"}
	if !g.common {
		lists = append(lists, "params.tags")
	}
	return g.one(lists...)
}

func (g *gen) ints(depth int) string {
	if !g.common && g.pick(6) == 1 {
		return "params.refund.of.days"
	}
	return g.one("params.sizes", "[0, 1, 2]", "data.consts.steps", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]",
		"["+g.int(depth-1)+", "+g.int(depth-1)+"]")
}

func (g *gen) instant() string {
	if v, ok := g.local("time"); ok {
		return v
	}
	leaves := []string{"context.now", "params.at", `timestamp("2026-06-01T12:00:00Z")`, `timestamp("1900-01-01T00:00:00Z")`, `timestamp("2190-01-01T00:00:00Z")`}
	if !g.wide {
		leaves = append(leaves, "facts.last_at")
	}
	if !g.common {
		leaves = append(leaves, "params.after", "params.refund.of.by.at")
	}
	if g.wide {
		leaves = append(leaves, `timestamp("0001-01-01T00:00:00Z")`, `timestamp("9999-12-31T23:59:59.999999999Z")`)
	}
	return g.one(leaves...)
}

func (g *gen) time(depth int) string {
	switch {
	case depth > 0 && g.pick(3) == 1:
		return "(" + g.time(depth-1) + g.one(" + ", " - ") + g.span(depth-1) + ")"
	case depth > 0 && g.pick(6) == 1:
		return "(" + g.bool(depth-1) + " ? " + g.time(depth-1) + " : " + g.time(depth-1) + ")"
	case depth > 0 && g.pick(6) == 1:
		return g.times(depth-1) + "[" + g.index(depth-1) + "]"
	}
	return g.instant()
}

func (g *gen) times(depth int) string { return "[" + g.time(depth) + ", " + g.time(depth) + "]" }

func (g *gen) duration() string {
	if g.wide {
		return g.one(`duration("1h")`, `duration("-2562047h")`, `duration("2562047h")`, `duration("-1ns")`, `duration("-2562047h47m16.854775808s")`)
	}
	return g.one(`duration("1h")`, `duration("876000h")`, `duration("-876000h")`, `duration("1ns")`, `duration("-1.5s")`)
}

func (g *gen) span(depth int) string {
	switch {
	case !g.wide && g.pick(4) == 1:
		return "context.lead"
	case depth > 0 && g.pick(3) == 1:
		return "(" + g.span(depth-1) + g.one(" + ", " - ") + g.span(depth-1) + ")"
	case depth > 0 && g.pick(2) == 1:
		return "(" + g.time(depth-1) + " - " + g.time(depth-1) + ")"
	case depth > 0 && g.pick(6) == 1:
		return "(" + g.bool(depth-1) + " ? " + g.span(depth-1) + " : " + g.span(depth-1) + ")"
	}
	return g.duration()
}

// quoted is a single-quoted YAML scalar.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
