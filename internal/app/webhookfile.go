package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/notify"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/suggest"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

// ReadWebhooks reads the file of webhooks. Secrets are not in it: it names the
// files and variables of the environment that hold them. Relative paths begin
// at the file's folder.
func ReadWebhooks(path string, environ []string) ([]notify.Endpoint, error) {
	data, err := readBounded(path, maxConfigFile)
	if err != nil {
		return nil, err
	}
	file, diags := pdl.ReadPlain(pdl.File{Name: path, Data: data})
	if file == nil {
		return nil, DiagnosticsError{Name: path, Diagnostics: diags}
	}
	r := hookReader{folder: filepath.Dir(path), environ: environ}
	list := r.endpoints(file.Value)
	var wrong *kernel.Error
	switch {
	case errors.As(r.err, &wrong):
		return nil, DiagnosticsError{Name: path, Diagnostics: pdl.Diagnostics{file.Wrong(wrong)}}
	case r.err != nil:
		return nil, fmt.Errorf("%s: %w", path, r.err)
	}
	return list, nil
}

// A hookReader takes endpoints out of a decoded file and keeps the first
// problem.
type hookReader struct {
	folder  string
	environ []string
	err     error
}

func (r *hookReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *hookReader) wrong(at, hint, format string, args ...any) {
	r.fail(kernel.Errorf(kernel.Invalid, format, args...).At(at).WithHint("%s", hint))
}

// object returns the members of an object that has no others than the named.
func (r *hookReader) object(at string, v any, members ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		r.wrong(at, "write it as name: value", "it is an object")
	}
	for _, name := range kernel.SortedKeys(m) {
		if !slices.Contains(members, name) {
			hint := suggest.DidYouMean(name, members)
			if hint == "" {
				hint = "the members are " + strings.Join(members, ", ")
			}
			r.wrong(kernel.JoinPath(at, name), hint, "unknown member")
		}
	}
	return m
}

func (r *hookReader) text(at string, v any) string {
	s, ok := v.(string)
	if !ok {
		r.wrong(at, "write it in quotation marks", "it is a text")
	}
	return s
}

func (r *hookReader) list(at string, v any) []any {
	list, ok := v.([]any)
	if !ok && v != nil {
		r.wrong(at, "write it as [a, b]", "it is a list")
	}
	return list
}

func (r *hookReader) toggle(at string, v any) bool {
	on, ok := v.(bool)
	if !ok && v != nil {
		r.wrong(at, "write true or false", "it is true or false")
	}
	return on
}

func (r *hookReader) endpoints(v any) (list []notify.Endpoint) {
	top := r.object("$", v, "webhooks", "endpoints")
	if top["webhooks"] != "v1" {
		r.wrong("$.webhooks", "begin the file with webhooks: v1", "this is no file of webhooks")
	}
	all, ok := top["endpoints"].(map[string]any)
	if !ok {
		r.wrong("$.endpoints", "endpoints: {pager: {url: …, secrets: …, events: …}}", "endpoints are an object, by name")
	}
	for _, name := range kernel.SortedKeys(all) {
		list = append(list, r.endpoint(kernel.JoinPath("$.endpoints", name), name, all[name]))
	}
	return list
}

func (r *hookReader) endpoint(at, name string, v any) notify.Endpoint {
	m := r.object(at, v, "url", "secrets", "events", "request", "private")
	e := notify.Endpoint{Name: name, URL: r.text(at+".url", m["url"]), Request: r.toggle(at+".request", m["request"]), Private: r.toggle(at+".private", m["private"])}
	for i, pattern := range r.list(at+".events", m["events"]) {
		e.Events = append(e.Events, r.text(fmt.Sprintf("%s.events[%d]", at, i), pattern))
	}
	for i, secret := range r.list(at+".secrets", m["secrets"]) {
		if s, ok := r.secret(fmt.Sprintf("%s.secrets[%d]", at, i), secret); ok {
			e.Secrets = append(e.Secrets, s)
		}
	}
	var wrong *kernel.Error
	if err := e.Check(); errors.As(err, &wrong) {
		where := at
		if wrong.Path != "" {
			where += "." + wrong.Path
		}
		r.wrong(where, wrong.Hint, "%s", wrong.Message)
	}
	return e
}

// secret reads what a secret is kept in.
func (r *hookReader) secret(at string, v any) (webhook.Secret, bool) {
	m := r.object(at, v, "file", "env")
	if len(m) != 1 {
		r.wrong(at, "write {file: hook.secret} or {env: HOOK_SECRET}", "a secret is in a file or in a variable of the environment")
		return webhook.Secret{}, false
	}
	text := ""
	if name, there := m["env"]; there {
		variableName := r.text(at+".env", name)
		if text = variable(r.environ, variableName); text == "" && r.err == nil {
			r.wrong(at+".env", "set it for kernel serve", "there is no variable %s in the environment", variableName)
		}
	} else {
		text = r.secretFile(at+".file", r.text(at+".file", m["file"]))
	}
	if r.err != nil {
		return webhook.Secret{}, false
	}
	s, err := webhook.ParseSecret(text)
	var wrong *kernel.Error
	if errors.As(err, &wrong) {
		r.wrong(at, wrong.Hint, "%s", wrong.Message)
	}
	return s, err == nil
}

func (r *hookReader) secretFile(at, path string) string {
	if r.err != nil {
		return ""
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.folder, path)
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		r.wrong(at, "chmod 600 "+path, "every user of this machine can get at %s (mode %04o), which holds a secret", path, info.Mode().Perm())
		return ""
	}
	data, err := readBounded(path, maxKeyFile)
	if err != nil {
		r.fail(hookError(at, err))
	}
	return string(data)
}

// hookError says where in the file of webhooks another file is named.
func hookError(at string, err error) error {
	var wrong *kernel.Error
	if errors.As(err, &wrong) {
		return wrong.At(at)
	}
	return err
}
