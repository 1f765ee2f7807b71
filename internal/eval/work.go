package eval

// maxWork bounds the evaluation of one condition: a step is an element that a
// loop visits, some characters that a search reads, or one character against
// one instruction of a pattern. A condition that takes more has no value, so
// the request is denied: one large request must not hold up all the others.
//
// Four million steps take about 10 ms, and at the worst, in a hostile pattern,
// about 150 ms. The bound is counted and not timed, so that a verdict is the
// same on every machine.
const maxWork = 1 << 22

// bounded gives a condition its work anew each time it is evaluated. The work
// of one condition never depends on that of another.
func bounded(c cond) cond { return boundedBy(c, maxWork) }

func boundedBy(c cond, work int) cond {
	return func(fr *frame) tri {
		fr.work = work
		return c(fr)
	}
}

// spend takes work from the frame, and reports whether there was enough.
func (f *frame) spend(steps int) bool {
	f.work -= steps
	return f.work >= 0
}

// reading is the work of a search through n characters or elements.
func reading(n int) int { return 1 + n/32 }
