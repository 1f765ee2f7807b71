package eval

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/common/ast"
	exprpb "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/proto"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A packed rule is what a program keeps of a bundle's: its condition as the
// bytes of CEL's own exchange format, an eighth of the size of the tree.
// Decisions do not look at it; explanations and scans unpack it.
type packed struct {
	*pdl.Rule
	tree []byte // of the condition; nil when there is none
}

func pack(r *pdl.Rule) (packed, error) {
	kept := *r
	kept.Votes = nil // lowered, and not looked at again
	if r.When == nil {
		return packed{Rule: &kept}, nil
	}
	if r.When.AST == nil {
		return packed{}, errors.New("its condition has no checked expression")
	}
	checked, err := ast.ToProto(r.When.AST)
	if err != nil {
		return packed{}, fmt.Errorf("pack its condition: %w", err)
	}
	checked.ReferenceMap = nil // names are resolved when it is lowered
	tree, err := proto.Marshal(checked)
	if err != nil {
		return packed{}, fmt.Errorf("pack its condition: %w", err)
	}
	when := *r.When
	when.AST, kept.When = nil, &when
	return packed{&kept, tree}, nil
}

// condition unpacks the condition of a rule that has one.
func (p *packed) condition() (*pdl.Condition, error) {
	var checked exprpb.CheckedExpr
	if err := proto.Unmarshal(p.tree, &checked); err != nil {
		return nil, fmt.Errorf("unpack the condition of %s: %w", p.Name, err)
	}
	tree, err := ast.ToAST(&checked)
	if err != nil {
		return nil, fmt.Errorf("unpack the condition of %s: %w", p.Name, err)
	}
	when := *p.When
	when.AST = tree
	return &when, nil
}

// expression unpacks the condition, or is nil when there is none.
func (p *packed) expression() ast.Expr {
	if p.When == nil {
		return nil
	}
	when, err := p.condition()
	if err != nil {
		return nil
	}
	return when.AST.Expr()
}
