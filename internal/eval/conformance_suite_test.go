package eval_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	exprpb "cel.dev/expr"
	_ "cel.dev/expr/conformance/proto2" // the suite names messages of both
	_ "cel.dev/expr/conformance/proto3"
	testpb "cel.dev/expr/conformance/test"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A specTest is one of cel-spec's simple tests.
type specTest struct {
	path string // file/section/test
	*testpb.SimpleTest
}

// specTests reads the suite out of the module cache, in the order of its files.
func specTests(t *testing.T) (tests []specTest) {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "cel.dev/expr").Output()
	if err != nil {
		t.Fatalf("find cel.dev/expr: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), "tests", "simple", "testdata", "*.textproto"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", module, err)
	}
	for _, name := range files {
		var f testpb.SimpleTestFile
		if err := prototext.Unmarshal(read(t, name), &f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, section := range f.GetSection() {
			for _, test := range section.GetTest() {
				path := strings.TrimSuffix(filepath.Base(name), ".textproto") + "/" + section.GetName() + "/" + test.GetName()
				tests = append(tests, specTest{path, test})
			}
		}
	}
	return tests
}

// A specAttribute is a variable of a test, as a parameter of the request.
type specAttribute struct {
	name, typ string // in the schema
	value     any    // in the request
}

// attributes makes parameters of the variables of a test, or reports the first
// that cannot be one.
func (s specTest) attributes() (list []specAttribute, problem string) {
	declared := map[string]string{}
	for _, d := range s.GetTypeEnv() {
		if d.GetIdent() == nil {
			return nil, d.GetName() + " is a function"
		}
		declared[d.GetName()] = declaredType(d.GetIdent().GetType())
	}
	for name, bound := range s.GetBindings() {
		a := specAttribute{name, declared[name], jsonOf(bound.GetValue())}
		if a.typ == "" {
			a.typ = typeOf(a.value)
		}
		if a.typ == "" || a.value == nil || strings.Contains(name, ".") {
			return nil, name + " cannot be an attribute"
		}
		list = append(list, a)
	}
	for name, typ := range declared {
		if s.GetBindings()[name] == nil && (typ == "" || strings.Contains(name, ".")) {
			return nil, name + " cannot be an attribute"
		}
		if s.GetBindings()[name] == nil {
			list = append(list, specAttribute{name + "?", typ, nil})
		}
	}
	slices.SortFunc(list, func(a, b specAttribute) int { return strings.Compare(a.name, b.name) })
	return list, ""
}

// declaredType writes a type as a schema does; "" when schemas have none.
func declaredType(t *exprpb.Type) string {
	switch {
	case t.GetListType() != nil:
		if elem := declaredType(t.GetListType().GetElemType()); elem != "" && elem != "duration" {
			return "list(" + elem + ")"
		}
	case t.GetWellKnown() == exprpb.Type_TIMESTAMP, t.GetMessageType() == "google.protobuf.Timestamp":
		return "timestamp"
	case t.GetWellKnown() == exprpb.Type_DURATION, t.GetMessageType() == "google.protobuf.Duration":
		return "duration"
	case t.GetPrimitive() == exprpb.Type_BOOL:
		return "bool"
	case t.GetPrimitive() == exprpb.Type_INT64:
		return "int"
	case t.GetPrimitive() == exprpb.Type_STRING:
		return "string"
	}
	return ""
}

func typeOf(value any) string {
	switch value.(type) {
	case bool:
		return "bool"
	case int64:
		return "int"
	case string:
		return "string"
	}
	return ""
}

// jsonOf is a value as requests carry it, or nil.
func jsonOf(v *exprpb.Value) any {
	switch v := v.GetKind().(type) {
	case *exprpb.Value_BoolValue:
		return v.BoolValue
	case *exprpb.Value_Int64Value:
		return v.Int64Value
	case *exprpb.Value_StringValue:
		return v.StringValue
	case *exprpb.Value_ListValue:
		list := []any{}
		for _, x := range v.ListValue.GetValues() {
			if list = append(list, jsonOf(x)); list[len(list)-1] == nil {
				return nil
			}
		}
		return list
	}
	if at, ok := messageOf[*timestamppb.Timestamp](v); ok {
		return at.AsTime().Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	if d, ok := messageOf[*durationpb.Duration](v); ok {
		return d.AsDuration().String()
	}
	return nil
}

func messageOf[T any](v *exprpb.Value) (m T, ok bool) {
	if v.GetObjectValue() == nil {
		return m, false
	}
	message, err := v.GetObjectValue().UnmarshalNew()
	if err != nil {
		return m, false
	}
	m, ok = message.(T)
	return m, ok
}

// literalOf writes a value as CEL does; "" when the language has no such value.
func literalOf(v *exprpb.Value) string {
	switch k := v.GetKind().(type) {
	case *exprpb.Value_BoolValue:
		return strconv.FormatBool(k.BoolValue)
	case *exprpb.Value_Int64Value:
		return strconv.FormatInt(k.Int64Value, 10)
	case *exprpb.Value_StringValue:
		return quotedCEL(k.StringValue)
	case *exprpb.Value_ListValue:
		var elements []string
		for _, x := range k.ListValue.GetValues() {
			if elements = append(elements, literalOf(x)); elements[len(elements)-1] == "" {
				return ""
			}
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	if at, ok := messageOf[*timestamppb.Timestamp](v); ok {
		return fmt.Sprintf("timestamp(%q)", at.AsTime().Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	if d, ok := messageOf[*durationpb.Duration](v); ok {
		return fmt.Sprintf("duration(%q)", fmt.Sprintf("%d.%09ds", d.GetSeconds(), max(d.GetNanos(), -d.GetNanos())))
	}
	return ""
}

// quotedCEL writes a text so that CEL, and YAML around it, read it again.
func quotedCEL(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r > '~':
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// zeroOf is a value of a type to compare with where only an error counts.
func zeroOf(t *types.Type) string {
	switch t.Kind() {
	case types.IntKind:
		return "0"
	case types.StringKind:
		return `""`
	case types.TimestampKind:
		return `timestamp("2000-01-01T00:00:00Z")`
	case types.DurationKind:
		return `duration("0s")`
	case types.ListKind:
		return "[" + zeroOf(t.Parameters()[0]) + "]"
	}
	return "true"
}

// schemaType writes a checked type as a schema does.
func schemaType(t *types.Type) string {
	switch t.Kind() {
	case types.BoolKind:
		return "bool"
	case types.IntKind:
		return "int"
	case types.StringKind:
		return "string"
	case types.TimestampKind:
		return "timestamp"
	case types.DurationKind:
		return "duration"
	case types.ListKind:
		return "list(" + schemaType(t.Parameters()[0]) + ")"
	}
	return t.String()
}
