package pdl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

// Compile checks the documents of a bundle and returns what they mean. The
// bundle is nil when one of the findings is an error; warnings come with a
// bundle. The order of files, documents and keys has no influence.
//
// Compile never panics and ends in a time bounded by the limits of the
// language, whatever the bytes.
func Compile(files []File) (*Bundle, Diagnostics) {
	c := &compiler{seen: map[Diagnostic]bool{}}
	b := c.compile(files)
	slices.SortStableFunc(c.found, compareDiagnostics)
	if c.failed {
		return nil, c.found
	}
	return b, c.found
}

// A compiler carries one compilation.
type compiler struct {
	found  Diagnostics
	seen   map[Diagnostic]bool
	failed bool

	documents []*document
	schema    *Schema
	actions   map[string]*Action
	types     map[string]*ResourceType
	typeNames []string // sorted
	meets     map[string]Meet
	data      map[string]Type // by path without the leading `data.`
	bundle    *Bundle
	zones     *zone.Database
	zoneNames map[string]bool // that conditions name
	ruleNames []string
	cel       *celEnvironment
	nodes     int // of all conditions, variables put in
	cells     int // of all tables
	covered   int // actions, by all rules
	needs     []Need
	events    map[string]*event
	workflows map[string]*workflow // by name of the approval document
	factKeys  map[string]*node
	factsRead map[string]bool
	factTypes map[string]Type // of what a fact counts by, where it happened: "fact by path"
	reads     reads
	ruleAt    map[*Rule]span  // of policies
	scoping   bool            // properties are compiled, whose scope is what the match is to a rule
	claimed   map[string]bool // attributes declared from: request, by path
}

func (c *compiler) compile(files []File) *Bundle {
	c.readAll(files)
	if c.failed {
		return nil
	}
	c.headers()
	schema := c.theSchema()
	if schema == nil {
		return nil
	}
	c.compileSchema(schema)
	if c.failed {
		return nil
	}
	c.bundle, c.data, c.zoneNames = &Bundle{Schema: c.schema}, map[string]Type{}, map[string]bool{}
	c.reads, c.ruleAt = newReads(), map[*Rule]span{}
	c.each("data", c.compileData)
	c.each("calendar", c.compileCalendar)
	c.cel = newCELEnvironment(c)
	c.workflows = map[string]*workflow{}
	c.each("approval", c.compileApproval)
	c.each("policy", c.compilePolicy)
	c.each("table", c.compileTable)
	c.finishApprovals()
	c.finishFamilies(schema.at)
	c.unusedFacts()
	c.unusedDeclarations()
	slices.SortFunc(c.bundle.Rules, func(a, b *Rule) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(c.bundle.Data, func(a, b Datum) int { return cmp.Compare(a.Path, b.Path) })
	for _, r := range c.bundle.Rules {
		c.ruleNames = append(c.ruleNames, r.Name)
	}
	c.idleRules()
	c.each("test", c.compileTest)
	c.properties()
	if c.failed {
		return nil
	}
	c.bundle.needs = c.sortedNeeds()
	return c.bundle
}

// properties compiles what is asked of the policy, after the version of the
// policy is known: asking changes nothing.
func (c *compiler) properties() {
	if !c.failed {
		c.namedZones()
		c.bundle.Version = c.version()
	}
	c.scoping = true
	c.each("property", c.compileProperties)
	slices.SortFunc(c.bundle.Properties, func(a, b *Property) int { return cmp.Compare(a.Name, b.Name) })
	if !c.failed {
		c.bundle.Zones = nil
		c.namedZones()
	}
}

// namedZones puts the time zones that something names into the bundle.
func (c *compiler) namedZones() {
	for _, name := range kernel.SortedKeys(c.zoneNames) {
		c.bundle.Zones = append(c.bundle.Zones, Zone{name, must(c.zoneDatabase().Location(name))})
	}
	if len(c.bundle.Zones)+len(c.bundle.Calendars) > 0 {
		c.bundle.TZData = c.zoneDatabase().Version()
	}
}

func (c *compiler) readAll(files []File) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	total := 0
	for i, f := range files {
		at := span{src: newSource(f.Name, ""), line: 1, col: 1}
		total += len(f.Data)
		switch {
		case i > 0 && f.Name == files[i-1].Name:
			c.errorf(at, "", "the file is given twice")
			continue
		case total > MaxSources:
			c.errorf(at, "", "the files of the bundle have more than %d bytes", MaxSources)
			return
		}
		for _, root := range c.read(f) {
			c.documents = append(c.documents, &document{root: root})
		}
		if len(c.documents) > MaxDocuments {
			c.errorf(at, "", "the bundle has more than %d documents", MaxDocuments)
			return
		}
	}
	if len(c.documents) == 0 && !c.failed {
		name := ""
		if len(files) > 0 {
			name = files[0].Name
		}
		c.errorf(span{src: newSource(name, ""), line: 1, col: 1}, "write a schema and a policy", "the bundle is empty")
	}
}

// each compiles the documents of one kind, by name.
func (c *compiler) each(kind string, compile func(*document)) {
	for _, d := range c.documents {
		if d.kind == kind {
			compile(d)
		}
	}
}

func (c *compiler) errorf(at span, hint, format string, args ...any) {
	c.report(Error, at, hint, fmt.Sprintf(format, args...))
}

func (c *compiler) warnf(at span, hint, format string, args ...any) {
	c.report(Warning, at, hint, fmt.Sprintf(format, args...))
}

// report keeps a finding once, and no more of them than anybody reads.
func (c *compiler) report(severity Severity, at span, hint, message string) {
	c.failed = c.failed || severity == Error
	if len(c.found) >= maxFindings {
		return
	}
	c.keep(c.diagnostic(severity, at, hint, message))
}

// diagnostic makes a finding.
func (c *compiler) diagnostic(severity Severity, at span, hint, message string) Diagnostic {
	rest := at.src.from(at.line, at.col)
	if at.text != "" && strings.HasPrefix(rest, at.text) {
		at.width = utf8.RuneCountInString(at.text)
	}
	return Diagnostic{
		Pos: at.pos(), EndLine: at.line, EndCol: at.col + max(1, min(at.width, utf8.RuneCountInString(rest))),
		Severity: severity, Message: message, Suggestion: hint, Source: at.src.line(at.line),
	}
}

func (c *compiler) keep(d Diagnostic) {
	c.failed = c.failed || d.Severity == Error
	key := d
	key.Source = "" // the position says it, and lines can be long
	if !c.seen[key] && len(c.found) < maxFindings {
		c.seen[key] = true
		c.found = append(c.found, d)
	}
}
