package pdl

import (
	"time"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/calendar"
)

// A File is one source file of a bundle. Name is what diagnostics print.
type File struct {
	Name string
	Data []byte
}

// A Bundle is what a folder of documents means, once everything about it has
// been checked. It is immutable.
type Bundle struct {
	Version string  // sha256:… over the canonical form of all documents but tests and properties
	Schema  *Schema // exactly one
	Rules   []*Rule // of every policy and table, sorted by Name
	Tests   []*Test // sorted by Name, in the order written within one document
	Data    []Datum // sorted by Path

	Calendars []Calendar // sorted by Name
	Zones     []Zone     // that conditions name, sorted by Name; without offsets and UTC
	TZData    string     // the release of the IANA Time Zone Database behind both, such as 2025c; "" where there are none

	Approvals []Approval // sorted by Name

	Properties []*Property // sorted by Name

	needs []Need
}

// A Calendar is a calendar document: calendar.Name.active(t) in conditions.
type Calendar struct {
	Name              string
	Zone              string        // as written
	Spec              calendar.Spec // what was written, in local time
	calendar.Calendar               // what it means, in UTC; complete for [calendar.First, calendar.Last)
}

// A Zone is a time zone of the bundle's own time zone database.
type Zone struct {
	Name     string
	Location *time.Location
}

// A Schema says what a request may contain.
type Schema struct {
	Name        string
	Strict      bool // rules that may err are refused; true unless the schema says otherwise
	Registered  bool // agents that the registry does not know, and what no capability covers, are denied
	Agent       []Attribute
	Resources   []ResourceType
	Actions     []Action    // sorted by Name
	Context     []Attribute // without `now`, which always exists
	Facts       []Fact      // sorted by Name
	Events      []Event     // sorted by Name
	Constraints []Constraint
}

// An Attribute is a declared member of agent, a resource, params, context or a
// record.
// Lists of attributes are sorted by Name.
type Attribute struct {
	Name     string
	Type     Type
	Optional bool
	From     Source
}

// A Source says where the value of an attribute comes from.
type Source uint8

// The sources. A request may not contradict what the registry says.
const (
	FromRequest  Source = iota // what the caller says
	FromEither                 // the registry's value where it has one, else what the caller says
	FromRegistry               // the registry's value alone
)

// A Kind is the shape of a value.
type Kind uint8

// The kinds of this version.
const (
	Bool Kind = iota + 1
	Int
	String
	Enum      // a string out of Type.Values
	Timestamp // RFC 3339 in JSON; 1900-01-01 to 2190-01-01
	List      // of Type.Elem, which is a scalar and no duration, or a record of scalars
	Duration  // text such as 1h30m in JSON; at most ±100 years
	Record    // an object of the members of Type.Members
	JSON      // any value; conditions read its presence and its size alone
)

// A Type is the type of an attribute or of a data value.
type Type struct {
	Kind   Kind
	Min    int64    // Int: the least value allowed
	Max    int64    // Int: the greatest value allowed
	MaxLen int      // String: code points; List: elements
	Values []string // Enum: in the order declared
	Elem   *Type    // List

	Members []Attribute // Record: sorted by Name, one at least
}

// A ResourceType is a declared type of resource.
type ResourceType struct {
	Name       string
	Attributes []Attribute
}

// An Action is a declared action, or family of actions.
type Action struct {
	Name      string   // deploy, or mcp.github.* for a family; see [Family]
	Resources []string // the resource types it takes, sorted; `any` is spelt out
	Params    []Attribute
	Open      bool        // further parameters are taken, as JSON
	Risk      kernel.Risk // the least risk of this action
	Grant     bool        // every ALLOW carries a grant
}

// A Meet says how two values of one constraint merge.
type Meet uint8

// The meets of this version.
const (
	Flag         Meet = iota + 1 // OR
	IntMin                       // the smaller
	IntMax                       // the larger
	SetIntersect                 // what both hold; empty is a conflict
	SetUnion                     // what either holds
)

// A Constraint is a declared obligation of whoever executes.
type Constraint struct {
	Name string
	Meet Meet
	By   Keeper
}

// A Keeper is who keeps a constraint. The zero Keeper is the door: it refuses
// what it does not keep.
type Keeper uint8

// The keepers.
const (
	Door         Keeper = iota // whoever executes the action
	KernelItself               // the kernel, which refuses a bundle whose constraints it does not keep
	Caller                     // whoever asked, after the answer
)

// A Rule is a rule of a policy, or a row of a table.
type Rule struct {
	Name        string   // document/id
	Actions     []string // the actions and families its match names, sorted; see [Covers]
	Match       []Atom   // all must hold; sorted by Path
	Beats       []Atoms  // table rows that go first: where all atoms of one of these hold, this rule does not
	When        *Condition
	Effect      kernel.Effect
	Risk        kernel.Risk     // Low where the rule says nothing
	Approvals   int             // 1 or more with RequireApproval, else 0
	Approval    string          // the workflow, with RequireApproval; empty where the bundle has none for it
	Votes       []AutomaticVote // of the workflow, whose conditions may read what the rule may
	Constraints []Obligation
	Reason      string
	Advice      string
	Shadow      bool // evaluated and explained, never part of the verdict
	Row         bool // a row of a table
	Pos         Pos
}

// Atoms is a conjunction of equality atoms.
type Atoms []Atom

// An Atom holds when the attribute's value is one of Values.
type Atom struct {
	Path   string   // agent.role, resource.type, params.strategy, …; never `action`
	Values []string // as JSON spells them (true, false, or the string); sorted
}

// An Obligation is a constraint with a value: true, an int64, or a sorted []string.
type Obligation struct {
	Name  string
	Value any
}

// A Condition is a checked CEL-T expression of type bool. Variables are
// inlined; data.X.Y remains as a path, whose value is in Bundle.Data.
type Condition struct {
	Source    string            // as written, trimmed
	AST       *ast.AST          // type-checked
	Variables map[string]string // the sources of the document's variables, for the naive interpreter and for explanations
	Pos       Pos               // of the first character of Source

	columns []int // of the first character of each line of Source
	quoted  bool  // in single quotes
	steps   int64 // that it can take; see Cost
}

// A Datum is a constant of a data document.
type Datum struct {
	Path  string // data.document.name
	Type  Type
	Value any // bool, int64, string, []any of those
}

// A Test is one case of a test document.
type Test struct {
	Name    string // document/case
	Request kernel.Request
	Facts   map[string]any
	Now     string // context.now as written, RFC 3339; empty when the case gives none
	Expect  Expectation
	Pos     Pos
}

// An Expectation is what a test case says of the verdict; nil members say nothing.
type Expectation struct {
	Decision          *kernel.Effect
	RiskLevel         *kernel.Risk
	ApprovalsRequired *int
	Workflows         []string // exactly these, sorted
	Constraints       map[string]any
	Code              *kernel.Code
	Reason            *string
	Advice            *string
	Rules             []string // exactly these, in any order
	RulesInclude      []string // at least these
}

// A Pos is a place in a source file; Line and Col count from 1, Col in characters.
type Pos struct {
	File      string
	Line, Col int
}
