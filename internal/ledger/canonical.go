package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	rfc8785 "github.com/strixlabs/execution-kernel/internal/canonical"
)

// A canonical writes JSON in the form of RFC 8785, provided that the members
// of an object come in its order. It keeps the first error.
type canonical struct {
	buf []byte
	err error
}

func (c *canonical) comma() {
	if n := len(c.buf); n > 0 && c.buf[n-1] != '{' && c.buf[n-1] != '[' && c.buf[n-1] != ':' {
		c.buf = append(c.buf, ',')
	}
}

// name begins a member; the names of the format need no escapes.
func (c *canonical) name(name string) {
	c.comma()
	c.buf = append(append(append(c.buf, '"'), name...), '"', ':')
}

func (c *canonical) open(bracket byte) {
	c.comma()
	c.buf = append(c.buf, bracket)
}

func (c *canonical) close(bracket byte) { c.buf = append(c.buf, bracket) }

// object begins a member that is an object.
func (c *canonical) object(name string) {
	c.name(name)
	c.open('{')
}

func (c *canonical) quote(s string) {
	var ok bool
	if c.buf, ok = rfc8785.AppendString(c.buf, s); !ok {
		c.keep(errors.New("a text is not UTF-8"))
	}
}

func (c *canonical) keep(err error) {
	if c.err == nil && err != nil {
		c.err = err
	}
}

func (c *canonical) text(name, value string) {
	c.name(name)
	c.quote(value)
}

func (c *canonical) textIfAny(name, value string) {
	if value != "" {
		c.text(name, value)
	}
}

// integer writes a number within ±(2^53−1), whose RFC 8785 form is its digits.
func (c *canonical) integer(name string, n int64) {
	c.name(name)
	c.number(n)
}

func (c *canonical) number(n int64) {
	var ok bool
	if c.buf, ok = rfc8785.AppendInt(c.buf, n); !ok {
		c.keep(fmt.Errorf("the integer %d is beyond ±%d", n, maxInteger))
	}
}

func (c *canonical) flag(name string, v bool) {
	c.name(name)
	c.buf = strconv.AppendBool(c.buf, v)
}

// texts writes an array of strings: names of our own, or of a policy.
func texts[S ~string](c *canonical, name string, values []S) {
	c.name(name)
	c.list(func() {
		for _, v := range values {
			c.comma()
			c.quote(string(v))
		}
	})
}

func (c *canonical) list(write func()) {
	c.open('[')
	write()
	c.close(']')
}

// facts writes an object whose names a schema chose: counts, sums, instants.
func (c *canonical) facts(m map[string]any) {
	c.object("facts")
	for _, n := range slices.SortedFunc(maps.Keys(m), rfc8785.CompareNames) {
		c.comma()
		c.quote(n)
		c.buf = append(c.buf, ':')
		switch v := m[n].(type) {
		case int64:
			c.number(v)
		case string:
			c.quote(v)
		default:
			c.keep(fmt.Errorf("the fact %s is a %T, neither a count nor an instant", n, v))
		}
	}
	c.close('}')
}

// constraints writes an object whose names a policy chose: flags, bounds, sets.
func (c *canonical) constraints(name string, m map[string]any) {
	c.object(name)
	var few [8]string
	names := slices.AppendSeq(few[:0], maps.Keys(m))
	slices.SortFunc(names, rfc8785.CompareNames)
	for _, n := range names {
		c.comma()
		c.quote(n)
		c.buf = append(c.buf, ':')
		c.constraint(n, m[n])
	}
	c.close('}')
}

func (c *canonical) constraint(name string, value any) {
	switch v := value.(type) {
	case bool:
		c.buf = strconv.AppendBool(c.buf, v)
	case int64:
		c.number(v)
	case []string:
		c.list(func() {
			for _, s := range v {
				c.comma()
				c.quote(s)
			}
		})
	default:
		c.keep(fmt.Errorf("constraint %s is %T; it is a bool, an int64 or a []string", name, value))
	}
}
