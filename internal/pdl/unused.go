package pdl

// Reads are what conditions and rules make use of, to warn of the rest.
type reads struct {
	data      map[string]bool // by document.name
	calendars map[string]bool
	constants []constant
}

// A constant is where a constant of a data document is declared.
type constant struct {
	document string
	key      *node
}

func newReads() reads {
	return reads{data: map[string]bool{}, calendars: map[string]bool{}}
}

// unusedDeclarations warns of calendars and constants that no condition reads.
// Constraints that no rule sets are left: they are what a door can be asked.
// Bundles without a rule are being begun.
func (c *compiler) unusedDeclarations() {
	if c.failed || len(c.bundle.Rules) == 0 {
		return // some condition could not be read, so that nobody knows what it reads
	}
	for _, d := range c.documents {
		switch {
		case d.kind == "calendar" && !c.reads.calendars[d.name]:
			c.warnf(d.at, "ask it in a condition as calendar."+d.name+".active(context.now), or remove it", "the calendar %s is not used", d.name)
		case d.kind == "data":
			c.unusedConstants(d)
		}
	}
}

// unusedConstants warns of a document none of whose constants is read, or of
// those that are not.
func (c *compiler) unusedConstants(d *document) {
	var unread []constant
	all := 0
	for _, k := range c.reads.constants {
		if k.document != d.name {
			continue
		}
		all++
		if !c.reads.data[d.name+"."+k.key.text] {
			unread = append(unread, k)
		}
	}
	if len(unread) == all {
		c.warnf(d.at, "read it in a condition, or remove it", "no constant of the data document %s is used", d.name)
		return
	}
	for _, k := range unread {
		c.warnf(k.key.span(), "read it as data."+d.name+"."+k.key.text+", or remove it", "the constant %s is not used", k.key.text)
	}
}
