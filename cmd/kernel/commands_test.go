package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/strixlabs/execution-kernel/internal/app"
)

// commands are what scripts can do beside running programs.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"download": download, "exits": exits, "listening": listening, "remember": remember, "terminate": terminate, "sql": sql, "copydata": copydata, "certificate": certificate, "capture": capture,
	}
}

// remember sets a variable to what a JSON member says first in the last output:
// remember ID id.
func remember(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: remember VARIABLE MEMBER")
	}
	found := regexp.MustCompile(`"` + regexp.QuoteMeta(args[1]) + `": *"([^"]*)"`).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("the output has no member %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// download writes what the kernel answers at a path to a file: download PATH FILE.
func download(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Get(ts.Getenv("URL") + args[0])
	ts.Check(err)
	defer func() { ts.Check(resp.Body.Close()) }()
	data, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o600))
}

// exits runs a command and wants its exit code: exits 3 kernel eval ….
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// listening waits until a kernel answers on a data folder, and puts its
// address into $URL and $ADDR, and its process id into $PID.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	folder := app.Folder{Path: ts.MkAbs(args[0])}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		h, running, err := app.Running(folder)
		ts.Check(err)
		if running && h.URL != "" {
			ts.Setenv("URL", h.URL)
			ts.Setenv("ADDR", strings.TrimPrefix(h.URL, "http://"))
			ts.Setenv("PID", strconv.Itoa(h.PID))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no kernel answers on %s", folder.Path)
		}
	}
}

// terminate tells the kernel that was last waited for to end.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	pid, err := strconv.Atoi(ts.Getenv("PID"))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGTERM))
}

// capture puts what a pattern finds in the last output into a variable:
// capture POLICY sha256:[0-9a-f]+.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	found := regexp.MustCompile(args[1]).FindString(ts.ReadFile("stdout"))
	if found == "" {
		ts.Fatalf("nothing matches %s", args[1])
	}
	ts.Setenv(args[0], found)
}

// sql changes a log behind the kernel's back: sql DATA STATEMENT.
func sql(ts *testscript.TestScript, _ bool, args []string) {
	c, err := sqlite.OpenConn(filepath.Join(ts.MkAbs(args[0]), "kernel.db"), sqlite.OpenReadWrite)
	ts.Check(err)
	ts.Check(sqlitex.ExecuteTransient(c, args[1], nil))
	ts.Check(c.Close())
}

// copydata copies a data folder as an administrator would: copydata FROM TO.
func copydata(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}

// certificate makes a certificate for a name, cert.pem, and its key, key.pem.
func certificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: args[0]}, DNSNames: args[:1],
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(block), 0o600))
	}
}
