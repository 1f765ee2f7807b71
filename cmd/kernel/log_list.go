package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// A selection is which entries to list, as flags say it.
type selection struct {
	kind, agent, action, decision, caller string
	since, until                          string
	limit                                 int
}

func (c *cli) logListCommand() *cobra.Command {
	var s selection
	var asJSON bool
	var only func() (*int, error)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List entries, the newest first",
		Long: `List entries, the newest first. Times are RFC 3339 or a duration back from now.
Of entries other than decisions DECISION is what changed, and ID what it changed.
With --json each entry is one line. A log that several kernels write has several
shards: they are listed as one, in the order of their instants, or one by --shard.

What is shown is what the entry says, after it was hashed and compared with its
leaf, its columns and its request; one that was changed is marked, and the exit
code is 1. Entries are found by their columns, so whether any is missing from a
list only "kernel log verify" tells.`,
		Example: "  kernel log list --decision DENY --since 24h\n  kernel log list --limit 0 --json > entries.jsonl",
		Args:    noArguments(),
		RunE: c.reading(func(ctx context.Context, log *app.Log, _ []string) error {
			q, err := s.query(app.Clock())
			if err != nil {
				return err
			}
			shard, err := only()
			if err != nil {
				return err
			}
			shards, err := log.Shards(ctx, shard)
			if err != nil {
				return err
			}
			return c.list(ctx, log, shards, q, asJSON)
		}),
	}
	settingFlags(cmd, "data", "store")
	f := cmd.Flags()
	f.StringVar(&s.kind, "kind", "", "only entries of this `KIND`: "+strings.Join(entryKinds(), ", "))
	f.StringVar(&s.agent, "agent", "", "only decisions about the agent `ID`")
	f.StringVar(&s.action, "action", "", "only decisions on this `ACTION`")
	f.StringVar(&s.decision, "decision", "", "only this `DECISION`: ALLOW, DENY or REQUIRE_APPROVAL")
	f.StringVar(&s.caller, "caller", "", "only what this `CALLER` asked for")
	f.StringVar(&s.since, "since", "", "only from this `TIME` on")
	f.StringVar(&s.until, "until", "", "only before this `TIME`")
	f.IntVar(&s.limit, "limit", 100, "at most `N` entries; 0 lists all")
	only = shardFlag(cmd, "only entries of the shard `N`")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (s selection) query(now time.Time) (store.Query, error) {
	q := store.Query{
		Kind: s.kind, Agent: s.agent, Action: s.action, Decision: s.decision, Caller: s.caller, Newest: true, Limit: s.limit,
	}
	if err := oneOf("--kind", s.kind, entryKinds()); err != nil {
		return q, err
	}
	if err := oneOf("--decision", s.decision, kernel.EffectNames()); err != nil {
		return q, err
	}
	if s.limit < 0 {
		return q, misuse("--limit is 0 or more")
	}
	var err error
	if q.Since, err = moment("--since", s.since, now); err != nil {
		return q, err
	}
	q.Until, err = moment("--until", s.until, now)
	return q, err
}

// entryKinds are the kinds of entries, for --kind.
func entryKinds() (kinds []string) {
	for _, k := range ledger.Kinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}

func oneOf(flag, word string, words []string) error {
	if word == "" || slices.Contains(words, word) {
		return nil
	}
	e := misuse("%s: %q is none of %s", flag, word, strings.Join(words, ", "))
	if near := suggest.DidYouMean(strings.ToUpper(word), words); near != "" {
		return e.WithHint("%s", near)
	}
	if near := suggest.DidYouMean(word, words); near != "" {
		return e.WithHint("%s", near)
	}
	return e
}

// moment reads a time, or how long ago it was; 0 for nothing.
func moment(flag, text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago).UnixNano(), nil
	}
	if days, err := strconv.ParseUint(strings.TrimSuffix(text, "d"), 10, 16); err == nil && strings.HasSuffix(text, "d") {
		return now.Add(-24 * time.Hour * time.Duration(days)).UnixNano(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, misuse("%s: %q is no time", flag, text).WithHint("write 2026-11-23T10:00:00Z, or 24h or 30d for so long ago")
	}
	return t.UnixNano(), nil
}

func (c *cli) list(ctx context.Context, log *app.Log, shards []int, q store.Query, asJSON bool) error {
	w := c.table()
	if !asJSON && len(shards) > 1 {
		fmt.Fprint(w, "SHARD\t")
	}
	if !asJSON {
		fmt.Fprintln(w, "SEQ\tINSTANT\tKIND\tCALLER\tAGENT\tACTION\tDECISION\tID")
	}
	changed := 0
	for row, err := range log.List(ctx, shards, q) {
		if err != nil {
			return err
		}
		if row.Problem != "" {
			changed++
		}
		if asJSON {
			if err := c.printLine(row); err != nil {
				return err
			}
			continue
		}
		if len(shards) > 1 {
			fmt.Fprintf(w, "%d\t", row.Shard)
		}
		c.printRow(w, row)
	}
	if err := w.Flush(); err != nil || changed == 0 {
		return err
	}
	return fmt.Errorf("%s of those listed %s changed after being written; \"kernel log verify\" says more",
		plural(uint64(changed), "entry"), map[bool]string{true: "was", false: "were"}[changed == 1])
}

func (c *cli) printRow(w io.Writer, row app.Row) {
	fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s", row.Seq, row.Instant.Format("2006-01-02T15:04:05.000Z"), cell(row.Kind),
		cell(row.Caller), cell(row.Agent), cell(row.Action), cell(cmp.Or(row.Decision, row.Change)), cell(cmp.Or(row.ID, row.Object)))
	if row.Problem != "" {
		fmt.Fprintf(w, "  CHANGED: %s", safe(row.Problem))
	}
	fmt.Fprintln(w)
}

// cell makes foreign text fit for a table on a terminal: safe, and not endless.
func cell(s string) string {
	const most = 48
	s = safe(s)
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return s
}
