package eval_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func TestZZProbe(t *testing.T) {
	if os.Getenv("PROBE") == "" { t.Skip("set PROBE to run this probe") }
	n := 10000
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: schema\nname: s\nagents: any\nagent: {role: 'enum(junior, senior, operator, bot)'}\nresources:\n  service: {environment: 'enum(dev, staging, production)', sensitivity: 'enum(public, internal, secret)'}\nactions:\n")
	for i := range n/10 { fmt.Fprintf(&b, "  act%d: {resource: service, params: {severity: 'int(0..1000000)'}}\n", i) }
	var files []pdl.File
	files = append(files, pdl.File{Name: "schema.yaml", Data: []byte(b.String())})
	b.Reset()
	for i := range n {
		if i%1000 == 0 {
			if i > 0 { files = append(files, pdl.File{Name: fmt.Sprintf("p%d.yaml", i), Data: []byte(b.String())}); b.Reset() }
			fmt.Fprintf(&b, "pdl: v1\nkind: policy\nname: rules%d\nrules:\n", i/1000)
		}
		fmt.Fprintf(&b, "  - id: r%d\n    match: {action: act%d, resource.environment: production, agent.role: junior}\n    when: resource.sensitivity != 'secret' && params.severity >= %d && params.severity < %d\n    effect: ALLOW\n", i, i%(n/10), i, i+100000)
	}
	files = append(files, pdl.File{Name: "last.yaml", Data: []byte(b.String())})
	mem := func() uint64 { runtime.GC(); runtime.GC(); var m runtime.MemStats; runtime.ReadMemStats(&m); return m.HeapAlloc }
	m0 := mem()
	t0 := time.Now()
	bundle, d := pdl.Compile(files)
	if d.HasErrors() { t.Fatal(d[0]) }
	t1 := time.Now()
	m1 := mem()
	t2 := time.Now()
	p, err := eval.New(bundle)
	if err != nil { t.Fatal(err) }
	t3 := time.Now()
	m2 := mem()
	fmt.Printf("pdl %v/rule, %d B/rule retained; eval.New %v/rule %d B/rule\n", t1.Sub(t0)/time.Duration(n), (m1-m0)/uint64(n), t3.Sub(t2)/time.Duration(n), (m2-m1)/uint64(n))
	runtime.KeepAlive(p)
	runtime.KeepAlive(bundle)
}
