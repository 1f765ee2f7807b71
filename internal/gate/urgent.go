package gate

// maxUrgent bounds the lane beside the queue: however many decisions wait,
// what stops them finds room.
const maxUrgent = 64

// hurry puts a job into the lane that is looked at first.
func (g *Gate) hurry(j *job) error {
	select {
	case g.urgent <- j:
		return nil
	default:
		return unavailable("too many changes of the registry and of approvals are waiting")
	}
}

// next waits for the jobs that a batch begins with; none when only what is
// urgent waits. It reports false once the queue is closed and all is empty.
func (g *Gate) next() (first []*job, open bool) {
	select {
	case j := <-g.urgent:
		g.ahead = append(g.ahead, j)
		return nil, true
	default:
	}
	select {
	case j := <-g.urgent:
		g.ahead = append(g.ahead, j)
		return nil, true
	case first, open = <-g.jobs:
		return first, open || len(g.urgent) > 0
	}
}

// takeUrgent returns all that is urgent now.
func (g *Gate) takeUrgent() []*job {
	jobs := g.ahead
	g.ahead = nil
	for {
		select {
		case j := <-g.urgent:
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
}
