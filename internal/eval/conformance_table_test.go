package eval_test

import (
	"bufio"
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const exclusionsFile = "testdata/cel-spec-exclusions.txt"

// exclusions is the table of tests that are not computed.
type exclusions struct {
	reasons []*exclusion
	rows    map[string]*exclusion // by path, or by path of a section and /*
	met     map[string]bool
}

type exclusion struct {
	reason     string
	want, have int
}

// foundWhenCompiled heads the tests that expect an error which the compiler finds.
const foundWhenCompiled = "an error in CEL, found when the condition is compiled"

// readExclusions reads the table: lines that begin with "= " are a reason and
// how many tests it is about; the lines that follow are the tests, or whole
// files and sections of them.
func readExclusions(t *testing.T) *exclusions {
	t.Helper()
	table := &exclusions{rows: map[string]*exclusion{}, met: map[string]bool{}}
	lines := bufio.NewScanner(bytes.NewReader(read(t, exclusionsFile)))
	for lines.Scan() {
		line := lines.Text()
		reason, isReason := strings.CutPrefix(line, "= ")
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
		case isReason:
			count, sentence, _ := strings.Cut(reason, " ")
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatalf("%s: %q has no count", exclusionsFile, line)
			}
			table.reasons = append(table.reasons, &exclusion{reason: sentence, want: n})
		case table.rows[line] != nil || len(table.reasons) == 0:
			t.Fatalf("%s: %q is listed twice, or before any reason", exclusionsFile, line)
		default:
			table.rows[line] = table.reasons[len(table.reasons)-1]
		}
	}
	return table
}

// of returns the reason of a test, or nil, and counts it.
func (e *exclusions) of(path string) *exclusion {
	parts := strings.SplitN(path, "/", 3)
	for _, key := range []string{path, parts[0] + "/" + parts[1] + "/*", parts[0] + "/*"} {
		if row := e.rows[key]; row != nil {
			e.met[key] = true
			row.have++
			return row
		}
	}
	return nil
}

// check reports rows that no test meets, and counts that changed.
func (e *exclusions) check(t *testing.T) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(e.rows)) {
		if !e.met[key] {
			t.Errorf("%s: no test is called %s", exclusionsFile, key)
		}
	}
	for _, r := range e.reasons {
		if r.have != r.want {
			t.Errorf("%s: %d tests are excluded because of %q, want %d", exclusionsFile, r.have, r.reason, r.want)
		}
	}
}
