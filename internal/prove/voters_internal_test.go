package prove

import (
	"reflect"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestNoMemberOfAnApprovalDocumentIsOverlooked: whatever member differs, two
// documents do not cover each other both ways, but for the name and what is
// compared as an aspect of its own. A member that is added some day
// is found here, and compared before anybody thought about it.
func TestNoMemberOfAnApprovalDocumentIsOverlooked(t *testing.T) {
	whole := pdl.Approval{
		Name: "a", Quorum: 2, Of: []pdl.Voter{{Kind: "role", Name: "sre"}}, Require: []pdl.Required{{Voter: pdl.Voter{Kind: "role", Name: "sre"}, Min: 1}},
		Apart: []string{"requester"}, Expires: time.Hour, Escalate: []pdl.Escalation{{After: time.Minute, To: []pdl.Voter{{Kind: "role", Name: "lead"}}}},
	}
	for i := range reflect.TypeFor[pdl.Approval]().NumField() {
		name := reflect.TypeFor[pdl.Approval]().Field(i).Name
		other := whole
		field := reflect.ValueOf(&other).Elem().Field(i)
		if field.IsZero() {
			field.Set(filled(field.Type()))
		} else {
			field.SetZero()
		}
		a, b := electorate{doc: whole}, electorate{doc: other}
		if alike := a.covers(b) && b.covers(a); alike != (name == "Name" || name == "BreakGlass") {
			t.Errorf("documents that differ in %s: covering each other is %v", name, alike)
		}
	}
}

// filled is a value that is not the zero one.
func filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(filled(t.Elem()))
	case reflect.Slice:
		v.Set(reflect.Append(v, filled(t.Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(filled(t.Key()), filled(t.Elem()))
	case reflect.Struct:
		for i := range t.NumField() {
			if v.Field(i).CanSet() {
				v.Field(i).Set(filled(t.Field(i).Type))
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	}
	return v
}
