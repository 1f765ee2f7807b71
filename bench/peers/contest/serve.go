package contest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// A Task is what a contestant's process is started for.
type Task struct {
	Engine   string `json:"engine"`
	Seed     uint64 `json:"seed"`
	Rules    int    `json:"rules"`
	Requests int    `json:"requests"` // how many different ones are decided in turn
	Checked  int    `json:"checked"`  // how many answers are compared with the reference beforehand
}

// Ready is what a contestant says when its rules are loaded and its answers
// are those of the reference.
type Ready struct {
	Evidence Evidence      `json:"evidence"`
	Load     time.Duration `json:"load_cpu"` // processor time from the generated rules to an engine that decides
	LoadWall time.Duration `json:"load"`     // and what a clock on the wall says
	Heap     int64         `json:"heap"`     // bytes that live on because of the rules
	Seen     [3]int        `json:"seen"`     // how many of the checked requests have each effect
}

// A Heat is one measurement.
type Heat struct {
	Form  Form          `json:"form"`
	About time.Duration `json:"about"` // how much processor time it takes, nearly
}

// message is a line from a contestant: what was asked for, or why not.
type message[T any] struct {
	Value T      `json:"value"`
	Error string `json:"error,omitempty"`
}

// Serve is the process of one contestant. It reads a [Task] from in, writes
// [Ready], and then a [Cost] for each [Heat]; everything is a line of JSON.
// Each engine has a process of its own so that neither its garbage nor its
// caches are on another's account.
func Serve(entries []Entry, in io.Reader, out io.Writer) error {
	requests, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var task Task
	if err := requests.Decode(&task); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	c, ready, err := enter(entries, task)
	if err := errors.Join(err, answers.Encode(message[Ready]{ready, text(err)})); err != nil {
		return err
	}
	for {
		var heat Heat
		if err := requests.Decode(&heat); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the next heat: %w", err)
		}
		cost, err := c.heat(heat)
		if err := answers.Encode(message[Cost]{cost, text(err)}); err != nil {
			return err
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A contestant is an engine ready to be measured.
type contestant struct {
	engine   Engine
	requests []Request
	courses  map[Form]*course
}

func enter(entries []Entry, task Task) (*contestant, Ready, error) {
	entry, err := find(entries, task.Engine)
	if err != nil {
		return nil, Ready{}, err
	}
	set, ready := Generate(task.Seed, task.Rules), Ready{Evidence: entry.Evidence}
	heap, start, used := liveHeap(), time.Now(), UsedCPU()
	engine, err := entry.New(set)
	if err != nil {
		return nil, Ready{}, fmt.Errorf("load %d rules: %w", task.Rules, err)
	}
	ready.Load, ready.LoadWall = UsedCPU()-used, time.Since(start)
	ready.Heap = liveHeap() - heap
	if ready.Seen, err = Agree(entry, engine, set, task.Checked); err != nil {
		return nil, Ready{}, err
	}
	return &contestant{engine, set.Requests(task.Requests), map[Form]*course{}}, ready, nil
}

func find(entries []Entry, name string) (Entry, error) {
	var names []string
	for _, e := range entries {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("there is no engine %q here, only %s", name, strings.Join(names, ", "))
}

func (c *contestant) heat(h Heat) (Cost, error) {
	if c.courses[h.Form] == nil {
		decide, err := deciders(c.engine, h.Form, c.requests)
		if err != nil {
			return Cost{}, err
		}
		c.courses[h.Form] = &course{decide: decide}
	}
	return c.courses[h.Form].measure(h.About)
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
