package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// pageStyle is all that pages have besides text and a form. Its hash is in the
// policy of the page, which lets nothing else be loaded, run or framed.
const pageStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}` +
	`th{text-align:left;vertical-align:top;padding-right:1rem;font-weight:600;white-space:nowrap}td,pre{overflow-wrap:anywhere;white-space:pre-wrap}` +
	`pre{background:#f4f4f4;padding:1rem}label{display:block;margin:.5rem 0}button{margin:.5rem .5rem .5rem 0}.problem{border-left:4px solid #b00020;padding-left:1rem}`

var pageHeaders = http.Header{
	"Content-Security-Policy": {"default-src 'none'; style-src '" + hashOf(pageStyle) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
	// Not no-referrer: with it browsers do not say where the form came from.
	"Referrer-Policy":            {"same-origin"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"X-Robots-Tag":               {"noindex"},
}

func hashOf(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

const pageText = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Title}}</title><style>{{.Style}}</style></head>
<body>
<h1>{{.Title}}</h1>
{{with .Said}}<p><strong>{{.}}</strong></p>
{{end}}{{with .Problem}}<div class="problem"><p><strong>{{.Detail}}</strong></p>{{with .Hint}}<p>{{.}}</p>{{end}}<p><small>{{.Code}}</small></p></div>
{{end}}{{with .Lines}}<table>
{{range .}}<tr><th scope="row">{{.Name}}</th><td>{{.Text}}</td></tr>
{{end}}</table>
{{end}}{{with .Request}}<h2>The request</h2>
<pre>{{.}}</pre>
{{end}}{{if .Form}}<form method="post">
<label>Your token <input type="password" name="token" autocomplete="current-password" required></label>
{{if .Request}}<label>Why, for the record <input name="reason" maxlength="512"></label>
{{end}}<button name="do" value="show">Show what it is now</button>
{{if .Request}}<button name="do" value="approve">Approve</button>
<button name="do" value="reject">Reject</button>
{{end}}</form>
<p><small>Whose vote it is your token says. It is not kept.</small></p>
{{end}}</body>
</html>
`

// A page is what a link shows.
type page struct {
	Title   string
	Style   template.CSS
	Said    string // what came of a vote
	Problem *problem
	Lines   []pageLine
	Request string // whole; empty: it takes a token to see it
	Form    bool
}

type pageLine struct{ Name, Text string }

var pageTemplate = template.Must(template.New("page").Parse(pageText))

func (p page) reply(status int) (reply, error) {
	p.Style = pageStyle // ours, and so no injection
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return reply{}, fmt.Errorf("write a page: %w", err)
	}
	return reply{status: status, kind: "text/html; charset=utf-8", header: pageHeaders.Clone(), body: out.Bytes()}, nil
}

// problemPage is a refusal as a page. Without a page it stays a problem document.
func problemPage(p problem) reply {
	rep, err := page{Title: "Not possible", Problem: &p}.reply(p.Status)
	if err != nil {
		return p.reply()
	}
	for name, values := range p.reply().header {
		rep.header[name] = values
	}
	return rep
}

// showPage is GET /a/{id}. It changes nothing: programs that look after mail
// follow links, too.
func (d *door) showPage(c *call) (reply, error) {
	v, err := d.cfg.Kernel.Linked(c.ctx, c.last, c.query)
	if err != nil {
		return reply{}, err
	}
	return askPage(v).reply(http.StatusOK)
}

// votePage is POST /a/{id}: the person says who they are, and then what.
func (d *door) votePage(c *call) (reply, error) {
	form, err := readForm(c.data, "token", "do", "reason")
	if err != nil {
		return reply{}, err
	}
	caller, err := d.cfg.Kernel.Authenticate(strings.TrimSpace(form["token"]))
	if err != nil {
		return reply{}, err
	}
	c.caller, c.known = caller, true // from here on a refusal is recorded as theirs
	if !caller.Is(kernel.RoleApprover) {
		return reply{}, kernel.Errorf(kernel.Forbidden, "only an approver may use a link to an approval").
			WithHint("kernel tokens create --role approver --principal PERSON")
	}
	linked, err := d.cfg.Kernel.Linked(c.ctx, c.last, c.query)
	if err != nil {
		return reply{}, err
	}
	if form["do"] == "show" {
		v, err := d.cfg.Kernel.Approval(c.ctx, caller, c.last)
		if err != nil {
			return reply{}, err
		}
		return askPage(v).reply(http.StatusOK)
	}
	a, err := d.cfg.Kernel.Vote(c.ctx, caller, gate.Ballot{ID: c.last, Digest: linked.Digest, Approve: form["do"] == "approve", Reason: form["reason"]})
	if err != nil {
		return reply{}, err
	}
	said := "Your vote is recorded. The approval is " + a.State + "."
	if a.Decision != "" {
		said += " Decision " + a.Decision + " allows it."
	}
	return page{Title: "Approval " + c.last, Said: said}.reply(http.StatusOK)
}

// readForm reads a form with what it may have, each once.
func readForm(data []byte, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, kernel.Errorf(kernel.Invalid, "the form is malformed")
	}
	form := map[string]string{}
	for _, name := range kernel.SortedKeys(values) {
		if !slices.Contains(known, name) || len(values[name]) != 1 {
			return nil, kernel.Errorf(kernel.Invalid, "the form has something else than %s, each once", strings.Join(known, ", "))
		}
		form[name] = values[name][0]
	}
	if !slices.Contains([]string{"show", "approve", "reject"}, form["do"]) {
		return nil, kernel.Errorf(kernel.Invalid, "the form says neither show, approve nor reject")
	}
	return form, nil
}

// askPage shows what a vote is about.
func askPage(v gate.ApprovalView) page {
	p := page{Title: "Approval " + v.ID, Form: true}
	line := func(name, text string) {
		if text != "" {
			p.Lines = append(p.Lines, pageLine{name, visible(text)})
		}
	}
	line("agent", v.Agent)
	line("owner", v.Owner)
	line("asked by", v.AskedBy)
	line("action", v.Action)
	line("resource", strings.TrimSpace(v.Resource.Type+" "+v.Resource.ID))
	line("why", v.Reason)
	line("risk", v.Risk.String())
	line("rules", strings.Join(v.Rules, ", "))
	line("digest", v.Digest)
	line("expires", v.Expires.UTC().Format(time.RFC3339))
	for _, w := range v.Workflows {
		line("asks", strings.TrimSpace(w.Name+" "+strings.Join(w.Asks, ", ")))
		line("missing", strings.Join(w.Missing, ", "))
	}
	if v.Now != nil {
		line("now", v.Now.Decision.String()+": "+v.Now.Reason)
		line("changed", strings.Join(v.Now.Changed, "; "))
	}
	line("you", map[bool]string{true: "may vote", false: v.MayNot}[v.MayVote])
	if v.Request != nil {
		text, err := json.Marshal(v.Request, json.Deterministic(true), jsontext.WithIndent("  "), jsontext.AllowInvalidUTF8(true))
		if err == nil {
			p.Request = visible(string(text))
		}
	}
	return p
}

// visible spells out what cannot be seen, or would move what can: somebody else
// wrote it.
func visible(s string) string {
	var out strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) || r == '\n' {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, "\\u{%X}", r)
		}
	}
	return out.String()
}
