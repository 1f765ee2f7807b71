package app_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
)

// TestMain is also the other process of tests that need one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_HOLD_LOCK"); dir != "" {
		holdLock(dir)
	}
	if os.Getenv("TEST_SERVE") != "" {
		os.Exit(serveChild())
	}
	code := m.Run()
	if err := postgresql.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = 1
	}
	os.Exit(code)
}

var postgresql pgtest.Shared

func holdLock(dir string) {
	if _, err := app.TakeLock(app.Folder{Path: dir}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-time.After(time.Minute)
}
