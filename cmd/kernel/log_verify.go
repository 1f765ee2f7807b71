package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

func (c *cli) logVerifyCommand() *cobra.Command {
	var pubkey string
	var checkpoints []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing in the log was changed, cut off or left out",
		Long: `Check that nothing in the log was changed, cut off or left out: every entry is
hashed again, the head recomputed and compared with the signed checkpoints, in
every shard of the log; a shard that is gone is missed by its checkpoints and by
what the other shards say of it.

The key and the checkpoint in the folder are believed unless others are named;
copies kept elsewhere also catch whoever could rewrite the folder as a whole.
It says what it rests on. Exit code 1 names what was found; without any key it is
1 too, because a log that only agrees with itself may be anybody's.`,
		Example: "  kernel log verify\n" +
			"  kernel log verify --data copy --pubkey /mnt/elsewhere/log.pub --checkpoint /mnt/elsewhere/checkpoint",
		Args: noArguments(),
		RunE: c.reading(func(ctx context.Context, log *app.Log, _ []string) error {
			report, err := log.Verify(ctx, pubkey, checkpoints)
			c.endProgress()
			if err != nil {
				return err
			}
			return c.printReport(report, pubkey == "", asJSON)
		}),
	}
	settingFlags(cmd, "data", "store")
	cmd.Flags().Var(newText("FILE", &pubkey), "pubkey", "the log's public key (default: log.pub in the data folder)")
	cmd.Flags().StringArrayVar(&checkpoints, "checkpoint", nil, "a `FILE` with a signed checkpoint, besides the folder's own; may be repeated")
	jsonFlag(cmd, &asJSON)
	return cmd
}

type finding struct {
	Shard   int     `json:"shard"`        // 0 also for what is about the log as a whole
	Seq     *uint64 `json:"seq,omitzero"` // absent: about the shard or the log as a whole
	Message string  `json:"message"`
}

func findingsOf(f ledger.Findings) []finding {
	list := []finding{}
	for _, one := range f.List {
		shown := finding{Shard: one.Shard, Message: one.Message}
		if one.HasSeq {
			shown.Seq = &one.Seq
		}
		list = append(list, shown)
	}
	return list
}

func (c *cli) printReport(r ledger.Report, ownKey, asJSON bool) error {
	if asJSON {
		return c.verified(r, c.printJSON(struct {
			OK       bool                   `json:"ok"`
			Entries  uint64                 `json:"entries"`
			Kinds    map[ledger.Kind]uint64 `json:"kinds"`
			Root     string                 `json:"root"`
			Log      string                 `json:"log"` // whose it is, by the key; empty: without a key nobody knows
			Trust    string                 `json:"trust"`
			Signed   uint64                 `json:"signed_entries"`
			Shards   []shardLine            `json:"shards"`
			Found    int                    `json:"found"`
			Findings []finding              `json:"findings"`
		}{
			r.OK() && r.Trust.Log != "", r.Entries, r.Kinds, hex.EncodeToString(r.Root[:]), r.Trust.Log, r.Trust.String(), signedEntries(r),
			shardLines(r), r.Count, findingsOf(r.Findings),
		}))
	}
	c.printFound(r.Findings)
	if r.OK() {
		word := c.paint(green, "ok")
		if r.Trust.Log == "" {
			word = c.paint(yellow, "unsigned")
		}
		in := ""
		if len(r.Shards) > 1 {
			in = " in " + plural(len(r.Shards), "shard")
		}
		fmt.Fprintf(c.stdout, "%s %s%s: %s\n", word, plural(r.Entries, "entry"), in, kinds(r.Kinds))
		c.printRoots(r)
	}
	fmt.Fprintf(c.stdout, "trust %s\n", r.Trust)
	if n := r.Unsigned(); r.OK() && r.Trust.Log != "" && n > 0 {
		after := "after it"
		if len(r.Shards) > 1 {
			after = "after them"
		}
		fmt.Fprintf(c.stdout, "      %s %s: own hashes only, no checkpoint vouches for them yet\n", plural(n, "entry"), after)
	}
	if ownKey && r.Trust.Log != "" {
		fmt.Fprintln(c.stdout, "      the key lies beside the log; --pubkey with a copy kept elsewhere proves more")
	}
	return c.verified(r, nil)
}

// A shardLine is what was read of one shard.
type shardLine struct {
	Shard   int    `json:"shard"`
	Entries uint64 `json:"entries"`
	Root    string `json:"root"`
	Signed  uint64 `json:"signed_entries"`
}

func shardLines(r ledger.Report) []shardLine {
	lines := make([]shardLine, len(r.Shards))
	for i, s := range r.Shards {
		lines[i] = shardLine{s.Shard, s.Entries, hex.EncodeToString(s.Root[:]), s.Signed}
	}
	return lines
}

func signedEntries(r ledger.Report) (n uint64) {
	for _, s := range r.Shards {
		n += s.Signed
	}
	return n
}

// printRoots prints the root of the log, or those of its shards.
func (c *cli) printRoots(r ledger.Report) {
	if len(r.Shards) == 1 {
		fmt.Fprintf(c.stdout, "root  %s\n", hex.EncodeToString(r.Root[:]))
		return
	}
	for _, s := range shardLines(r) {
		fmt.Fprintf(c.stdout, "shard %d  %s, root %s\n", s.Shard, plural(s.Entries, "entry"), s.Root)
	}
}

// verified is err, or the failure that something was found, or that nothing
// says whose log it is: then it is only a log that agrees with itself.
func (c *cli) verified(r ledger.Report, err error) error {
	if err = c.found(r.Findings, err); err != nil || r.Trust.Log != "" {
		return err
	}
	return kernel.Errorf(kernel.Internal, "the log agrees with itself, but there is no public key to tell whose it is: whoever rewrote it as a whole would not be noticed").
		WithHint("name the key with --pubkey FILE; a kernel keeps it as log.pub in its data folder")
}

// plural counts in words: 1 entry, 2 entries.
func plural[N int | uint64](n N, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ey"):
		noun = strings.TrimSuffix(noun, "y") + "ie"
	case strings.HasSuffix(noun, "s"):
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func kinds(counts map[ledger.Kind]uint64) string {
	var parts []string
	for _, k := range ledger.Kinds() {
		if counts[k] > 0 {
			parts = append(parts, plural(counts[k], noun(k)))
		}
	}
	return strings.Join(parts, ", ")
}

func (c *cli) printFound(f ledger.Findings) {
	for _, one := range f.List {
		fmt.Fprintln(c.stdout, c.paint(red, "FAIL"), safe(one.String()))
	}
	if more := f.Count - len(f.List); more > 0 {
		fmt.Fprintf(c.stdout, "     and %d more\n", more)
	}
}

// found is err, or the failure that something was found.
func (c *cli) found(f ledger.Findings, err error) error {
	if err != nil || f.OK() {
		return err
	}
	return fmt.Errorf("the log is not as the kernel wrote it: %d found, the first: %s", f.Count, f.List[0])
}

func (c *cli) logReplayCommand() *cobra.Command {
	var asJSON, facts bool
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Evaluate every decision again and compare",
		Long: `Evaluate every decision again, from its recorded request, instant and policy, and
compare byte for byte. Exit code 1 names the decisions that come out otherwise.

With --facts the facts that decisions recorded are counted again too, from all
that the log holds before each.`,
		Example: "  kernel log replay --data copy-of-the-data-folder\n  kernel log replay --facts",
		Args:    noArguments(),
		RunE: c.reading(func(ctx context.Context, log *app.Log, _ []string) error {
			report, err := log.Replay(ctx)
			c.endProgress()
			if err != nil {
				return err
			}
			if !facts {
				return c.printReplay(report, nil, asJSON)
			}
			counted, err := log.ReplayFacts(ctx)
			c.endProgress()
			if err != nil {
				return err
			}
			return c.printReplay(report, &counted, asJSON)
		}),
	}
	settingFlags(cmd, "data", "store")
	cmd.Flags().BoolVar(&facts, "facts", false, "count the facts again that decisions rest on")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// printReplay prints what came of evaluating again, and of counting again where
// that was asked for.
func (c *cli) printReplay(r ledger.ReplayReport, facts *ledger.FactsReport, asJSON bool) error {
	counted := uint64(0)
	if facts != nil {
		counted = facts.Decisions
		r.Findings = r.Findings.With(facts.Findings)
	}
	var err error
	if asJSON {
		err = c.printJSON(struct {
			OK        bool      `json:"ok"`
			Decisions uint64    `json:"decisions"`
			Counted   uint64    `json:"counted,omitzero"` // decisions whose facts were counted again
			Policies  []string  `json:"policies"`
			Found     int       `json:"found"`
			Findings  []finding `json:"findings"`
		}{r.OK(), r.Decisions, counted, append([]string{}, r.Versions...), r.Count, findingsOf(r.Findings)})
	} else {
		c.printFound(r.Findings)
		if r.OK() {
			fmt.Fprintf(c.stdout, "%s %s evaluated again under %s, all as recorded\n",
				c.paint(green, "ok"), plural(r.Decisions, "decision"), plural(len(r.Versions), "policy"))
			if facts != nil {
				fmt.Fprintf(c.stdout, "%s the facts of %s counted again, all as recorded\n", c.paint(green, "ok"), plural(counted, "decision"))
			}
		}
	}
	if err != nil || r.OK() {
		return err
	}
	return fmt.Errorf("%d of %d decisions come out otherwise or could not be evaluated, the first: %s",
		r.Count, r.Decisions, r.List[0])
}

// noun is what one entry of a kind is called.
func noun(k ledger.Kind) string {
	switch k {
	case ledger.KindRegistry:
		return "registry change"
	case ledger.KindGrant:
		return "grant change"
	case ledger.KindGrantKey:
		return "grant key"
	}
	return string(k)
}
