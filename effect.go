package kernel

import (
	"fmt"
	"slices"
)

// An Effect is what a verdict says about a request. The zero value is Deny,
// so a forgotten field can only refuse.
type Effect uint8

// The effects, from the safest to the most permissive.
const (
	Deny Effect = iota
	RequireApproval
	Allow
)

var effectNames = []string{"DENY", "REQUIRE_APPROVAL", "ALLOW"}

// EffectNames lists the spellings of the effects, from the safest.
func EffectNames() []string { return slices.Clone(effectNames) }

func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return fmt.Sprintf("Effect(%d)", uint8(e))
}

// MarshalText writes the effect as contract and policies spell it.
func (e Effect) MarshalText() ([]byte, error) {
	if int(e) >= len(effectNames) {
		return nil, fmt.Errorf("effect %d has no name", uint8(e))
	}
	return []byte(effectNames[e]), nil
}

// UnmarshalText reads the spelling of MarshalText; anything else is an error.
func (e *Effect) UnmarshalText(text []byte) error {
	i := slices.Index(effectNames, string(text))
	if i < 0 {
		return Errorf(Invalid, "unknown effect %q; it is one of %v", text, effectNames)
	}
	*e = Effect(i)
	return nil
}

// A Risk says how much harm an action can do. Risks are ordered: merging two
// takes the higher.
type Risk uint8

// The risk levels, from the least.
const (
	Low Risk = iota
	Medium
	High
	Critical
)

var riskNames = []string{"low", "medium", "high", "critical"}

// RiskNames lists the spellings of the risk levels, from the least.
func RiskNames() []string { return slices.Clone(riskNames) }

func (r Risk) String() string {
	if int(r) < len(riskNames) {
		return riskNames[r]
	}
	return fmt.Sprintf("Risk(%d)", uint8(r))
}

// MarshalText writes the risk level as contract and policies spell it.
func (r Risk) MarshalText() ([]byte, error) {
	if int(r) >= len(riskNames) {
		return nil, fmt.Errorf("risk %d has no name", uint8(r))
	}
	return []byte(riskNames[r]), nil
}

// UnmarshalText reads the spelling of MarshalText; anything else is an error.
func (r *Risk) UnmarshalText(text []byte) error {
	i := slices.Index(riskNames, string(text))
	if i < 0 {
		return Errorf(Invalid, "unknown risk level %q; it is one of %v", text, riskNames)
	}
	*r = Risk(i)
	return nil
}
