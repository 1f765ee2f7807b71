package postgres

import (
	"slices"
	"strings"
)

// lineError is an error of the driver, which writes a line for each address that
// it tried, in one line that says each cause once.
type lineError struct{ error }

func (e lineError) Unwrap() error { return e.error }

func (e lineError) Error() string {
	var causes []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !slices.Contains(causes, line) {
			causes = append(causes, line)
		}
	}
	return strings.ReplaceAll(strings.Join(causes, "; "), ":; ", ": ")
}

// inOneLine is nil for nil.
func inOneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return lineError{err}
}
