package contest

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// A Cost is what one decision took, on average over many.
type Cost struct {
	Decisions int     `json:"decisions"` // how many were made
	CPU       float64 `json:"cpu_ns"`    // processor time of the whole process, its garbage collector included
	Wall      float64 `json:"wall_ns"`
	Allocs    float64 `json:"allocs"`
	Bytes     float64 `json:"bytes"`
}

// A course is a list of requests to be decided again and again. A later
// measurement goes on where the one before stopped, so that a slow engine
// sees all of them too.
type course struct {
	decide []func(*Answer) error
	next   int
	answer Answer
}

func (c *course) run(n int) error {
	for range n {
		c.answer.reset()
		if err := c.decide[c.next](&c.answer); err != nil {
			return err
		}
		if c.next++; c.next == len(c.decide) {
			c.next = 0
		}
	}
	return nil
}

// measure decides for about the given time of a processor.
func (c *course) measure(about time.Duration) (Cost, error) {
	n, err := c.calibrate(about)
	if err != nil {
		return Cost{}, err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, used := time.Now(), UsedCPU()
	if err := c.run(n); err != nil {
		return Cost{}, err
	}
	cpu, wall := UsedCPU()-used, time.Since(start)
	runtime.ReadMemStats(&after)
	each := float64(n)
	return Cost{
		Decisions: n, CPU: float64(cpu.Nanoseconds()) / each, Wall: float64(wall.Nanoseconds()) / each,
		Allocs: float64(after.Mallocs-before.Mallocs) / each, Bytes: float64(after.TotalAlloc-before.TotalAlloc) / each,
	}, nil
}

// calibrate finds how many decisions fit into the time. It does not ask the
// clock on the wall: while others have the processor, no decision is slow.
func (c *course) calibrate(about time.Duration) (int, error) {
	for n := 1; ; n *= 2 {
		start := UsedCPU()
		if err := c.run(n); err != nil {
			return 0, err
		}
		if took := UsedCPU() - start; took > about/10 {
			return max(1, int(float64(n)*float64(about)/float64(took))), nil
		}
	}
}

// UsedCPU returns the processor time that this process has used, in user and
// kernel mode: on a shared machine it is steadier than the time on the wall.
func UsedCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(fmt.Sprintf("getrusage of this process: %v", err)) // documented to fail for wrong arguments only
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
