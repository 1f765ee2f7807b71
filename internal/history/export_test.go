package history

// Size counts the items and the groups that are kept.
func (h *History) Size() int {
	n := 0
	for _, f := range h.facts {
		n += len(f.items) + len(f.groups)
	}
	return n
}
