package pdl

import (
	"slices"
	"strings"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/stdlib"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/parser"

	"github.com/strixlabs/execution-kernel"
)

// Bounds of a condition.
const (
	maxCondition = 4096      // characters
	maxParsing   = 100       // levels of nesting as written
	maxNodes     = 5_000     // nodes of the tree once variables are put in
	maxAllNodes  = 1_000_000 // nodes of all conditions of a bundle
	maxPattern   = 1_000     // characters of a regular expression

	maxRowCondition = 1 << 17 // characters of what decides that a row wins

	maxPatternSize = 20_000 // states of a regular expression
)

// celFunctions are the functions and operators of CEL-T that the type checker
// knows; everything else is refused by name before.
var celFunctions = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional,
	operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	operators.In, operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
	operators.NotStrictlyFalse, overloads.Size, overloads.StartsWith, overloads.EndsWith, overloads.Contains, overloads.Matches,
	overloads.TypeConvertTimestamp, overloads.TypeConvertDuration, operators.Index,
	overloads.TimeGetFullYear, overloads.TimeGetMonth, overloads.TimeGetDayOfYear, overloads.TimeGetDayOfMonth, overloads.TimeGetDate,
	overloads.TimeGetDayOfWeek, overloads.TimeGetHours, overloads.TimeGetMinutes, overloads.TimeGetSeconds, overloads.TimeGetMilliseconds,
}

// jsonType is the type of what conditions do not look into.
var jsonType = types.NewOpaqueType("json")

// calendarType is the type of calendars; no attribute has it.
var calendarType = types.NewOpaqueType("calendar")

// ownFunctions are the functions that the standard library of CEL has not.
func ownFunctions() []*decls.FunctionDecl {
	return append(networkFunctions(),
		declare("lowerAscii", decls.MemberOverload("string_lower_ascii", []*types.Type{types.StringType}, types.StringType)),
		declare("upperAscii", decls.MemberOverload("string_upper_ascii", []*types.Type{types.StringType}, types.StringType)),
		declare("glob", decls.MemberOverload("string_glob", []*types.Type{types.StringType, types.StringType}, types.BoolType)),
		declare(overloads.Size, decls.Overload("size_json", []*types.Type{jsonType}, types.IntType),
			decls.MemberOverload("json_size", []*types.Type{jsonType}, types.IntType)),
		declare("active", decls.MemberOverload("calendar_active", []*types.Type{calendarType, types.TimestampType}, types.BoolType)),
	)
}

// A celEnvironment holds what all conditions of a bundle share.
type celEnvironment struct {
	parser  *parser.Parser
	rows    *parser.Parser // of the conditions of rows, which nobody wrote
	base    *checker.Env
	typings map[string]*typing
	data    map[string]map[string]*types.Type // by document, by name

	calendars []string         // sorted
	constants map[string]Datum // by path

	everUsed map[string]map[string][]string // see enumsOf
}

func newCELEnvironment(c *compiler) *celEnvironment {
	e := &celEnvironment{typings: map[string]*typing{}, data: map[string]map[string]*types.Type{}, everUsed: enumsOf(c.schema)}
	for _, d := range c.documents {
		switch d.kind {
		case "data":
			e.data[d.name] = map[string]*types.Type{}
		case "calendar":
			e.calendars = append(e.calendars, d.name) // documents are sorted
		}
	}
	for _, path := range kernel.SortedKeys(c.data) {
		document, name, _ := strings.Cut(path, ".")
		e.data[document][name] = celType(c.data[path])
	}
	e.constants = map[string]Datum{}
	for _, d := range c.bundle.Data {
		e.constants[d.Path] = d
	}
	e.parser, e.rows = newParser(maxCondition), newParser(maxRowCondition)
	e.base = must(checker.NewEnv(containers.DefaultContainer, noTypes{}))
	for _, f := range stdlib.Functions() {
		if slices.Contains(celFunctions, f.Name()) {
			must(0, e.base.AddFunctions(f))
		}
	}
	for _, f := range ownFunctions() {
		must(0, e.base.AddFunctions(f))
	}
	return e
}

// newParser returns a parser of texts up to a number of characters.
func newParser(most int) *parser.Parser {
	return must(parser.NewParser(
		parser.Macros(parser.HasMacro, parser.AllMacro, parser.ExistsMacro, parser.ExistsOneMacro),
		parser.MaxRecursionDepth(maxParsing),
		parser.ExpressionSizeCodePointLimit(most),
		parser.ErrorReportingLimit(4),
		parser.EnableIdentEscapeSyntax(false),
	))
}

// parse asks the parser of CEL, which is not ours: should it panic, the
// condition is refused like any other that cannot be read.
func (e *celEnvironment) parse(text string) (tree *ast.AST, errs *common.Errors) {
	return e.parseBy(e.parser, text)
}

func (e *celEnvironment) parseBy(p *parser.Parser, text string) (tree *ast.AST, errs *common.Errors) {
	source := common.NewTextSource(text)
	defer func() {
		if recover() != nil {
			errs = common.NewErrors(source)
			errs.ReportErrorString(common.NoLocation, "the parser gave up")
		}
	}()
	return p.Parse(source)
}

// must unwraps what can only fail when the constants above are wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// checkerOf returns the type checker for a typing.
func (e *celEnvironment) checkerOf(t *typing) *checker.Env {
	if t.checker != nil {
		return t.checker
	}
	t.checker = must(checker.NewEnv(containers.DefaultContainer, objects{typing: t, data: e.data, calendars: e.calendars}, checker.ValidatedDeclarations(e.base)))
	must(0, t.checker.AddIdents(decls.NewVariable("action", types.StringType)))
	for _, root := range append([]string{"calendar", "data"}, readRoots...) {
		must(0, t.checker.AddIdents(decls.NewVariable(root, types.NewObjectType(objectPrefix+root))))
	}
	return t.checker
}

func celType(t Type) *types.Type {
	switch t.Kind {
	case Bool:
		return types.BoolType
	case Int:
		return types.IntType
	case Timestamp:
		return types.TimestampType
	case Duration:
		return types.DurationType
	case List:
		return types.NewListType(celType(*t.Elem))
	case String, Enum:
		return types.StringType
	case JSON:
		return jsonType
	default:
		return types.ErrorType
	}
}

// celTypeAt is celType for an attribute: each record is a type of its own,
// named by its path.
func celTypeAt(path string, t Type) *types.Type {
	switch {
	case t.Kind == Record:
		return types.NewObjectType(objectPrefix + path)
	case t.IsRecords():
		return types.NewListType(types.NewObjectType(objectPrefix + path + "[]"))
	}
	return celType(t)
}

// objectPrefix begins the names of our object types: none can be written in
// an expression.
const objectPrefix = "@"

// noTypes is a type provider that knows no type.
type noTypes struct{}

func (noTypes) EnumValue(string) ref.Val                     { return types.NewErr("no enum") }
func (noTypes) FindIdent(string) (ref.Val, bool)             { return nil, false }
func (noTypes) FindStructType(string) (*types.Type, bool)    { return nil, false }
func (noTypes) FindStructFieldNames(string) ([]string, bool) { return nil, false }
func (noTypes) NewValue(string, map[string]ref.Val) ref.Val  { return types.NewErr("no type") }
func (noTypes) FindStructFieldType(string, string) (*types.FieldType, bool) {
	return nil, false
}

// objects provides the types of agent, resource, params, context, data and
// calendar.
type objects struct {
	noTypes
	typing    *typing
	data      map[string]map[string]*types.Type
	calendars []string
}

func (o objects) FindStructType(name string) (*types.Type, bool) {
	if !strings.HasPrefix(name, objectPrefix) {
		return nil, false
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

func (o objects) FindStructFieldType(object, field string) (*types.FieldType, bool) {
	root, document, nested := strings.Cut(strings.TrimPrefix(object, objectPrefix), ".")
	if nested && root == "data" {
		t, ok := o.data[document][field]
		return &types.FieldType{Type: t}, ok
	}
	if root == "calendar" {
		return &types.FieldType{Type: calendarType}, slices.Contains(o.calendars, field)
	}
	if root == "data" {
		return &types.FieldType{Type: types.NewObjectType(objectPrefix + "data." + field)}, o.data[field] != nil
	}
	if list, isElement := strings.CutSuffix(strings.TrimPrefix(object, objectPrefix), "[]"); isElement {
		m, ok := o.typing.elements[list][field]
		return &types.FieldType{Type: celType(m.typ)}, ok && m.problem == ""
	}
	path := strings.TrimPrefix(object, objectPrefix) + "." + field
	m, ok := o.typing.member(path)
	return &types.FieldType{Type: celTypeAt(path, m.typ)}, ok && m.problem == ""
}
