package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	past "github.com/strixlabs/execution-kernel/internal/history"
)

// unseenFor is how much earlier than a decision an entry of another shard may
// lie that was committed after it: the clocks of nodes are apart by nodeSkew,
// and an instant is taken before its commit.
const unseenFor = nodeSkew + time.Second

// maxOrders bounds how many points of how many orders are tried for one decision.
const maxOrders = 1 << 14

// A recent is an entry that was taken and may have happened in another order.
type recent struct {
	shard int
	told
	problem error // it came out otherwise, and no order explains that so far

	reads, adds keys // of facts that it rests on, and that it changes
	all         keys
}

type keys map[string]bool

func (k keys) meet(others keys) bool {
	for key := range k {
		if others[key] {
			return true
		}
	}
	return false
}

func (r *recent) happen(h *past.History) {
	if r.counts {
		event := r.event
		h.Add(&event)
	}
}

// happened lets an entry happen in all histories: for good in a log of one
// shard.
func (f *counting) happened(r *recent) {
	for _, h := range f.histories {
		r.happen(h.History)
	}
	if !f.many {
		f.keep([]*recent{r})
		return
	}
	if r.counts || len(r.names) > 0 {
		f.recent = append(f.recent, r)
	}
	f.forget(r.row.Instant)
}

// keep makes what was taken stay.
func (f *counting) keep(list []*recent) {
	for _, h := range f.histories {
		h.Keep()
	}
	for _, r := range list {
		f.at[r.shard] = r.row.Seq + 1
	}
}

// forget keeps what is too old to have happened after anything that comes.
func (f *counting) forget(now int64) {
	old := 0
	for old < len(f.recent) && f.recent[old].row.Instant < now-int64(2*unseenFor) {
		old++
	}
	if old < 32 || old*2 < len(f.recent) {
		return
	}
	f.again(f.recent[:old])
	f.keep(f.recent[:old])
	f.recent = slices.Clone(f.recent[old:])
	f.add(f.recent)
}

// again takes back what is not kept, and lets a list happen instead.
func (f *counting) again(list []*recent) {
	for _, h := range f.histories {
		h.UndoTo(0)
	}
	f.add(list)
}

func (f *counting) add(list []*recent) {
	for _, h := range f.histories {
		for _, r := range list {
			r.happen(h.History)
		}
	}
}

// doubted reports whether there are doubts, and all that bears on them was taken.
func (f *counting) doubted(next int64) bool {
	return len(f.doubts) > 0 && f.doubts[0].row.Instant < next
}

// settle looks for an order that explains each decision in doubt, beside those
// that it has to fit.
func (f *counting) settle() {
	for _, r := range f.doubts {
		problem := r.problem
		r.problem = nil
		if err := f.explain(r); err != nil {
			r.problem = problem
			f.entry(r.shard, r.row.Seq, "%v%v", problem, err)
		}
	}
	f.doubts = nil
}

// explain returns what to add to the problem of a decision that no order explains.
func (f *counting) explain(r *recent) error {
	defer func() { f.again(f.recent) }()
	if _, err := f.history(&r.told); err != nil {
		return err
	}
	lanes, others := f.lanes(r)
	f.again(others)
	o := orders{counting: f, since: r.row.Instant - int64(unseenFor), lanes: lanes, at: make([]int, len(lanes)), failed: map[string]bool{}}
	if o.found() {
		return nil
	}
	if len(o.failed) >= maxOrders {
		return fmt.Errorf("; whether another order explains it cannot be told: more than %d were tried", maxOrders)
	}
	return fmt.Errorf("; nor does any order of what other shards recorded within %s", unseenFor)
}

// lanes returns what bears on a decision, by shard, and all that does not.
func (f *counting) lanes(r *recent) (lanes [][]*recent, others []*recent) {
	f.again(nil)
	for _, x := range f.recent {
		f.find(x)
		f.add([]*recent{x})
	}
	since := r.row.Instant - int64(2*unseenFor)
	related, joined := maps.Clone(r.all), map[*recent]bool{r: true}
	for size := 0; size < len(joined); {
		size = len(joined)
		for _, x := range f.recent {
			if !joined[x] && x.row.Instant >= since && x.all.meet(related) {
				joined[x] = true
				maps.Copy(related, x.all)
			}
		}
	}
	byShard := map[int][]*recent{}
	for _, x := range f.recent {
		if joined[x] {
			byShard[x.shard] = append(byShard[x.shard], x)
		} else {
			others = append(others, x)
		}
	}
	for _, shard := range slices.Sorted(maps.Keys(byShard)) {
		lanes = append(lanes, byShard[shard])
	}
	return lanes, others
}

// find finds the keys that an entry reads, and those that it counts under or
// gives back.
func (f *counting) find(x *recent) {
	x.reads, x.adds = keys{}, keys{}
	for _, h := range f.histories {
		for _, key := range h.Keys(&x.subject, x.names) {
			x.reads[key] = true
		}
		if x.counts {
			event := x.event
			for _, key := range h.KeysOf(&event) {
				x.adds[key] = true
			}
		}
	}
	if x.counts && x.event.Released {
		x.adds["id "+x.event.ID] = true // it may come before what it gives back
	}
	x.all = maps.Clone(x.reads)
	maps.Copy(x.all, x.adds)
	if x.counts && x.event.ID != "" {
		x.all["id "+x.event.ID] = true
	}
}

// An orders looks for an order of the entries of several shards.
type orders struct {
	*counting
	since  int64 // decisions before it were explained, or found
	lanes  [][]*recent
	at     []int           // how many of each lane have happened
	failed map[string]bool // from where nothing leads on
}

// found reports whether what is left can happen in some order.
func (o *orders) found() bool {
	here := fmt.Sprint(o.at)
	if o.failed[here] || len(o.failed) >= maxOrders {
		return false
	}
	ready := o.ready()
	for _, lane := range ready {
		r := o.lanes[lane][o.at[lane]]
		if o.through(lane) {
			return true
		}
		if len(r.adds) == 0 {
			break // it changes nothing for the others
		}
	}
	if len(ready) == 0 && o.ended() {
		return true
	}
	o.failed[here] = true
	return false
}

// through lets the next entry of a lane happen, and goes on.
func (o *orders) through(lane int) bool {
	marks := make([]int, len(o.histories))
	r := o.lanes[lane][o.at[lane]]
	for i, h := range o.histories {
		marks[i] = h.Mark()
		r.happen(h.History)
	}
	o.at[lane]++
	found := o.found()
	o.at[lane]--
	for i, h := range o.histories {
		h.UndoTo(marks[i])
	}
	return found
}

// ready lists the lanes whose next entry may happen now: what changes nothing
// first, then the earliest.
func (o *orders) ready() (list []int) {
	for lane, entries := range o.lanes {
		if o.at[lane] < len(entries) && o.fits(lane) {
			list = append(list, lane)
		}
	}
	next := func(lane int) *recent { return o.lanes[lane][o.at[lane]] }
	slices.SortStableFunc(list, func(a, b int) int {
		switch x, y := next(a), next(b); {
		case len(x.adds) == 0 && len(y.adds) > 0:
			return -1
		case len(x.adds) > 0 && len(y.adds) == 0:
			return 1
		default:
			return cmp.Compare(x.row.Instant, y.row.Instant)
		}
	})
	return list
}

// fits reports whether the next entry of a lane may come now. What a decision
// counted never lies after it, and always is what lies before all that it may
// have missed.
func (o *orders) fits(lane int) bool {
	r := o.lanes[lane][o.at[lane]]
	if len(r.names) == 0 || r.problem != nil || r.row.Instant < o.since || !o.known(r) {
		return true
	}
	for other, entries := range o.lanes {
		i := o.at[other]
		if i < len(entries) && entries[i].row.Instant < r.row.Instant-int64(unseenFor) {
			return false
		}
		for i--; i >= 0 && entries[i].row.Instant > r.row.Instant; i-- {
			if entries[i].adds.meet(r.reads) {
				return false
			}
		}
	}
	return o.compare(&r.told) == nil
}

// known reports whether the history of a decision's policy is there: one that
// was dropped cannot be read again in the middle.
func (o *orders) known(r *recent) bool {
	return slices.ContainsFunc(o.histories, func(h versioned) bool { return h.version == r.entry.Decision.Verdict.PolicyVersion })
}

func (o *orders) ended() bool {
	for lane, entries := range o.lanes {
		if o.at[lane] < len(entries) {
			return false
		}
	}
	return true
}
