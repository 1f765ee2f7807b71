// Command table reads what `go test -bench -count N` prints and writes the
// tables of docs/performance.md: medians, and the machine they were measured on.
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "table: error:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	tables, cpu, err := read(in)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return fmt.Errorf("no benchmark in the input: did it fail?")
	}
	for _, t := range tables {
		t.write(out)
	}
	fmt.Fprintf(out, "\nMedians of %d runs. %s\n", tables[0].runs(), machine(cpu))
	return nil
}

// A benchTable holds the benchmarks of one function, one row each.
type benchTable struct {
	name  string
	rows  []*benchRow
	units []string
}

type benchRow struct {
	name   string
	values map[string][]float64 // by unit
}

func read(in io.Reader) (tables []*benchTable, cpu string, err error) {
	r := benchfmt.NewReader(in, "go test")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			cpu = cmp.Or(cpu, strings.TrimSpace(rec.GetConfig("cpu")))
			tables = add(tables, rec)
		case *benchfmt.SyntaxError:
			fmt.Fprintln(os.Stderr, rec)
		}
	}
	return tables, cpu, r.Err()
}

func add(tables []*benchTable, rec *benchfmt.Result) []*benchTable {
	name, parts := rec.Name.Parts()
	i := slices.IndexFunc(tables, func(t *benchTable) bool { return t.name == string(name) })
	if i < 0 {
		i, tables = len(tables), append(tables, &benchTable{name: string(name)})
	}
	tables[i].row(rowName(parts)).add(rec, tables[i])
	return tables
}

// rowName joins what is behind the name, without the number of processors.
func rowName(parts [][]byte) string {
	var name []string
	for _, p := range parts {
		if s := string(p); !strings.HasPrefix(s, "-") {
			name = append(name, strings.Replace(strings.TrimPrefix(s, "/"), "=", " ", 1))
		}
	}
	return strings.Join(name, ", ")
}

func (t *benchTable) row(name string) *benchRow {
	for _, r := range t.rows {
		if r.name == name {
			return r
		}
	}
	t.rows = append(t.rows, &benchRow{name: name, values: map[string][]float64{}})
	return t.rows[len(t.rows)-1]
}

func (r *benchRow) add(rec *benchfmt.Result, t *benchTable) {
	for _, v := range rec.Values {
		value, unit := v.Value, v.Unit
		if v.OrigUnit != "" {
			value, unit = v.OrigValue, v.OrigUnit
		}
		if !slices.Contains(t.units, unit) {
			t.units = append(t.units, unit)
		}
		r.values[unit] = append(r.values[unit], value)
	}
}

func (t *benchTable) runs() int { return len(t.rows[0].values[t.units[0]]) }

func (t *benchTable) write(out io.Writer) {
	fmt.Fprintf(out, "\n| %s | %s |\n|---|%s\n", t.name, strings.Join(t.units, " | "), strings.Repeat("--:|", len(t.units)))
	for _, r := range t.rows {
		cells := []string{r.name}
		for _, unit := range t.units {
			cells = append(cells, number(median(r.values[unit])))
		}
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// number writes three digits that count, and commas between thousands.
func number(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// machine says where the numbers come from.
func machine(cpu string) string {
	return fmt.Sprintf("%s, %d processors, %s of memory, Linux %s, %s, commit %s.",
		cmp.Or(cpu, runtime.GOARCH), runtime.NumCPU(), memory(), command("uname", "-r"), runtime.Version(),
		command("git", "describe", "--always", "--dirty"))
}

func memory() string {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return "an unknown amount"
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) > 1 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
		}
	}
	return "an unknown amount"
}

func command(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
