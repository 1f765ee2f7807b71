package eval

// A fault is why an expression has no value. The zero fault is none.
type fault uint8

const (
	faultAbsent fault = iota + 1
	faultOverflow
	faultDivision
	faultIndex
	faultAddress
	faultInstant
	faultWork
)

func (f fault) String() string {
	switch f {
	case faultAbsent:
		return "an optional attribute is absent"
	case faultOverflow:
		return "overflow"
	case faultDivision:
		return "division by zero"
	case faultIndex:
		return "index out of range"
	case faultAddress:
		return "no IP address, or no range of them"
	case faultInstant:
		return "an instant outside the years 1890 to 2199, which calendars know"
	case faultWork:
		return "more work than one condition may take"
	}
	return "no fault"
}

// A tri is CEL's boolean: no, yes, or a fault. Everything above yes is one.
type tri uint8

const (
	no tri = iota
	yes
)

func failed(f fault) tri { return yes + tri(f) }

// fault returns what went wrong, or 0 when t is a truth value.
func (t tri) fault() fault {
	if t <= yes {
		return 0
	}
	return fault(t - yes)
}

func truth(b bool) tri {
	if b {
		return yes
	}
	return no
}

// not negates truth values and passes faults on.
func (t tri) not() tri {
	if t <= yes {
		return t ^ 1
	}
	return t
}

// An expr is a lowered expression: its value, or a fault.
type expr[T any] func(*frame) (T, fault)

// A cond is a lowered expression of type bool.
type cond func(*frame) tri

func (c cond) expr() expr[bool] {
	return func(fr *frame) (bool, fault) {
		t := c(fr)
		return t == yes, t.fault()
	}
}

func constant[T any](v T) expr[T] { return func(*frame) (T, fault) { return v, 0 } }

// all is CEL's `&&` over any number of operands: a false one decides, whatever
// failed before it or would fail after it; else a fault wins over true.
func all(operands []cond) cond {
	return func(fr *frame) tri {
		result := yes
		for _, c := range operands {
			switch t := c(fr); {
			case t == no:
				return no
			case t != yes && result == yes:
				result = t
			}
		}
		return result
	}
}

// anyOf is CEL's `||`: a true operand decides, else a fault wins over false.
func anyOf(operands []cond) cond {
	return func(fr *frame) tri {
		result := no
		for _, c := range operands {
			switch t := c(fr); {
			case t == yes:
				return yes
			case t != no && result == no:
				result = t
			}
		}
		return result
	}
}
