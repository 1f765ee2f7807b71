package registry

// Allows is whether a value is within the limit.
func (l *Limit) Allows(v any) bool { return l.allows(v) }
