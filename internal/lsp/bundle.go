package lsp

import (
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A buffer is an open document.
type buffer struct {
	uri     string
	path    string // "" for what is no file yet
	version int
	text    *text
}

func (b *buffer) name() string {
	if b.path == "" {
		return b.uri
	}
	return b.path
}

func (s *server) addFolder(uri string) {
	if path := pathOf(uri); path != "" {
		s.folders = append(s.folders, path)
	}
}

// pathOf returns the path of a file URI (RFC 8089), or "".
func pathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Path == "" {
		return ""
	}
	return clean(u.Path)
}

func clean(path string) string { return filepath.Clean(path) }

func uriOf(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

func (s *server) open(d identifier) {
	if d.URI == "" {
		return
	}
	s.buffers[d.URI] = &buffer{uri: d.URI, path: pathOf(d.URI), version: d.Version, text: newText(d.Text)}
	s.disk = nil
	s.dirty[d.URI] = true
}

func (s *server) change(p documentParams) {
	b := s.buffers[p.TextDocument.URI]
	if b == nil {
		return
	}
	for _, c := range p.ContentChanges {
		b.text = b.text.edited(c)
	}
	b.version = p.TextDocument.Version
	s.dirty[b.uri] = true
}

// reread forgets what was on disk.
func (s *server) reread() {
	s.disk = nil
	for uri := range s.buffers {
		s.dirty[uri] = true
	}
}

func (s *server) close(uri string) {
	b := s.buffers[uri]
	if b == nil {
		return
	}
	bundle := s.bundleOf(b)
	delete(s.buffers, uri)
	delete(s.dirty, uri)
	s.disk = nil
	for _, other := range s.buffers {
		if s.bundleOf(other).root == bundle.root {
			s.dirty[other.uri] = true
			return
		}
	}
	s.show(bundle.root, map[string][]diagnostic{}) // nobody looks any more
}

// A bundle is what is compiled together.
type bundle struct {
	root  string // the folder or the file; the URI of what is no file
	files []pdl.File
}

var (
	policyFile = regexp.MustCompile(`(?m)^\x{feff}?\s*(\{\s*)?["']?pdl["']?\s*:`)
	schemaKind = regexp.MustCompile(`(?m)^\x{feff}?\s*[{,]?\s*["']?kind["']?\s*:\s*["']?schema\b|[{,]\s*["']?kind["']?\s*:\s*["']?schema\b`)
)

// bundleOf finds the bundle of an open document: the nearest folder above it,
// within the workspace, that holds a schema. A file that holds a schema where
// others do, too, is a bundle of its own.
func (s *server) bundleOf(b *buffer) bundle {
	own := bundle{b.name(), []pdl.File{{Name: b.name(), Data: []byte(b.text.content)}}}
	if b.path == "" || !policyFile.MatchString(b.text.content) {
		return own
	}
	nearest := own
	for dir := filepath.Dir(b.path); ; dir = filepath.Dir(dir) {
		files := s.filesBelow(dir)
		schemas := 0
		for _, f := range files {
			if schemaKind.Match(f.Data) {
				schemas++
			}
		}
		switch {
		case schemas == 1:
			return bundle{dir, files}
		case schemas > 1:
			return own
		case nearest.root == own.root && len(files) > 0:
			nearest = bundle{dir, files}
		}
		if !s.inWorkspace(filepath.Dir(dir)) || dir == filepath.Dir(dir) {
			return nearest
		}
	}
}

func (s *server) inWorkspace(dir string) bool {
	return slices.ContainsFunc(s.folders, func(folder string) bool {
		return dir == folder || strings.HasPrefix(dir, strings.TrimSuffix(folder, "/")+"/")
	})
}

// filesBelow reads a folder, with what is open in place of what is on disk.
func (s *server) filesBelow(dir string) []pdl.File {
	if s.disk == nil {
		s.disk = map[string][]pdl.File{}
	}
	onDisk, known := s.disk[dir]
	if !known {
		var err error
		if onDisk, err = s.cfg.ReadBundle(dir); err != nil {
			s.cfg.Log("read %s: %v", dir, err)
		}
		s.disk[dir] = onDisk
	}
	files := slices.Clone(onDisk)
	for i := range files {
		files[i].Name = clean(files[i].Name)
	}
	for _, uri := range slices.Sorted(maps.Keys(s.buffers)) {
		b := s.buffers[uri]
		if b.path == "" || !strings.HasPrefix(b.path, strings.TrimSuffix(dir, "/")+"/") || !isYAML(b.path) {
			continue
		}
		f := pdl.File{Name: b.path, Data: []byte(b.text.content)}
		if pdl.IsRegistryFile(f) {
			continue
		}
		if i := slices.IndexFunc(files, func(f pdl.File) bool { return f.Name == b.path }); i >= 0 {
			files[i] = f
		} else {
			files = append(files, f)
		}
	}
	return files
}

func isYAML(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".yaml" || ext == ".yml"
}

// publishAll compiles the bundles in which something changed.
func (s *server) publishAll() {
	done := map[string]bool{}
	for _, uri := range slices.Sorted(maps.Keys(s.dirty)) {
		if b := s.buffers[uri]; b != nil {
			if k := s.bundleOf(b); !done[k.root] {
				done[k.root] = true
				s.publish(k)
			}
		}
	}
	clear(s.dirty)
}

// publish compiles a bundle and shows what was found in each of its files.
// What holds no document of the language is none of our business.
func (s *server) publish(k bundle) {
	found := map[string][]diagnostic{}
	ours := slices.ContainsFunc(k.files, func(f pdl.File) bool { return policyFile.Match(f.Data) })
	texts := map[string]*text{}
	for _, f := range k.files {
		if ours {
			texts[f.Name] = newText(string(f.Data))
		}
		if b := s.bufferOf(f.Name); b != nil {
			found[b.uri] = []diagnostic{}
		}
	}
	if ours {
		_, diagnostics := pdl.Compile(k.files)
		for _, d := range diagnostics {
			if t := texts[d.File]; t != nil {
				uri := s.spelling(d.File)
				found[uri] = append(found[uri], shownAs(t, d))
			}
		}
	}
	s.show(k.root, found)
}

// show sends what was found, and takes back what is no longer so.
func (s *server) show(root string, found map[string][]diagnostic) {
	before := s.shown[root]
	s.shown[root] = map[string]bool{}
	for _, uri := range slices.Sorted(maps.Keys(before)) {
		if _, still := found[uri]; !still {
			s.notify("textDocument/publishDiagnostics", publishParams{URI: uri, Diagnostics: []diagnostic{}})
		}
	}
	for _, uri := range slices.Sorted(maps.Keys(found)) {
		p := publishParams{URI: uri, Diagnostics: found[uri]}
		if b := s.buffers[uri]; b != nil {
			p.Version = b.version
		}
		s.notify("textDocument/publishDiagnostics", p)
		if len(found[uri]) > 0 {
			s.shown[root][uri] = true
		}
	}
	if len(s.shown[root]) == 0 {
		delete(s.shown, root)
	}
}

func shownAs(t *text, d pdl.Diagnostic) diagnostic {
	line := d.Line - 1
	shown := diagnostic{Range: textRange{t.at(line, d.Col-1), t.at(d.EndLine-1, d.EndCol-1)}, Severity: 1, Source: "kernel", Message: d.Message}
	if d.Severity == pdl.Warning {
		shown.Severity = 2
	}
	if d.Suggestion != "" {
		shown.Message += "; " + d.Suggestion
	}
	return shown
}

// bufferOf returns the open document of a file, or nil.
func (s *server) bufferOf(name string) *buffer {
	for _, uri := range slices.Sorted(maps.Keys(s.buffers)) {
		if s.buffers[uri].name() == name {
			return s.buffers[uri]
		}
	}
	return nil
}

// spelling is the URI of a file as the editor spells it.
func (s *server) spelling(name string) string {
	if b := s.bufferOf(name); b != nil {
		return b.uri
	}
	return uriOf(name)
}

// symbols lists what the bundle of a document declares. For a document that
// cannot be read just now, what it last declared.
func (s *server) symbols(b *buffer) []pdl.Symbol {
	const most = 10_000 // documents remembered
	if len(s.good) > most {
		clear(s.good)
	}
	symbols := pdl.AlwaysThere()
	for _, f := range s.bundleOf(b).files {
		for _, d := range pdl.Outline(f) {
			key := f.Name + "\x00" + d.Kind + "\x00" + d.Name
			if last, known := s.good[key]; d.Broken && known {
				d.Symbols = last.Symbols
			} else if !d.Broken {
				s.good[key] = d
			}
			symbols = append(symbols, d.Symbols...)
		}
	}
	return symbols
}
