package api

import "sync"

// shares hands out parts of something bounded, to callers by name. Nobody
// waits: who finds no room, or has a fair share already, is told so.
type shares struct {
	total int64 // for all
	each  int64 // for one caller: less than all, so that others find room beside it

	mu   sync.Mutex
	used int64
	by   map[string]int64
}

// take reserves n for a caller, or nothing.
func (s *shares) take(caller string, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used+n > s.total || s.by[caller]+n > s.each {
		return false
	}
	if s.by == nil {
		s.by = map[string]int64{}
	}
	s.used += n
	s.by[caller] += n
	return true
}

// give returns what take reserved.
func (s *shares) give(caller string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	if s.by[caller] -= n; s.by[caller] <= 0 {
		delete(s.by, caller)
	}
}
