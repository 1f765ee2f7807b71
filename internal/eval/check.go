package eval

// A check is one comparison of a value in the frame with a constant. It is
// made of what can neither err nor be absent, so that the checks of a rule may
// run in any order and before the rest of its condition. They lie side by
// side in memory: most rules are decided by looking at one line of it.
type check struct {
	value int32  // an interned value, an int, or the number of a set
	at    uint16 // ids: slot.id; ints: slot.at; presence: slot.bit
	op    op
}

type op uint8

const (
	opIs      op = iota + 1 // the interned value is
	opIsNot                 // … is not
	opIsIn                  // … is in a set
	opPresent               // the attribute is there
	opEqual                 // the int is equal
	opNotEqual
	opLess
	opLessOrEqual
	opGreater
	opGreaterOrEqual
)

// allHold reports whether every check is true of the frame. An operator that
// is none is never true.
func allHold(checks []check, fr *frame, sets [][]uint32) bool {
	for i := range checks {
		c, ok := &checks[i], false
		switch c.op {
		case opIs:
			ok = fr.ids[c.at] == uint32(c.value)
		case opIsNot:
			ok = fr.ids[c.at] != uint32(c.value)
		case opIsIn:
			ok = isIn(fr.ids[c.at], sets[c.value])
		case opPresent:
			ok = fr.has(int(c.at))
		case opEqual:
			ok = fr.ints.values[c.at] == int64(c.value)
		case opNotEqual:
			ok = fr.ints.values[c.at] != int64(c.value)
		case opLess:
			ok = fr.ints.values[c.at] < int64(c.value)
		case opLessOrEqual:
			ok = fr.ints.values[c.at] <= int64(c.value)
		case opGreater:
			ok = fr.ints.values[c.at] > int64(c.value)
		case opGreaterOrEqual:
			ok = fr.ints.values[c.at] >= int64(c.value)
		}
		if !ok {
			return false
		}
	}
	return true
}

func isIn(id uint32, set []uint32) bool {
	for _, x := range set {
		if x == id {
			return true
		}
	}
	return false
}

// newCheck reports false when a number is too large for a check.
func newCheck(o op, at int, value int64) (check, bool) {
	c := check{value: int32(value), at: uint16(at), op: o}
	return c, int64(c.value) == value && int(c.at) == at
}

// check makes the check of an equality.
func (l *layout) check(q equality) (check, bool) {
	if len(q.values) == 1 {
		return newCheck(opIs, q.id, int64(q.values[0]))
	}
	l.sets = append(l.sets, q.values)
	return newCheck(opIsIn, q.id, int64(len(l.sets)-1))
}
