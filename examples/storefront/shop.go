package main

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
)

// A good is something on sale.
type good struct {
	Name  string
	Cents int
}

var goods = []good{{"Lantern", 2490}, {"Rope, 10 m", 1200}, {"Tea & kettle", 3950}}

// Price is the price in euros.
func (g good) Price() string { return fmt.Sprintf("€ %d.%02d", g.Cents/100, g.Cents%100) }

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<title>Storefront</title>
<h1>On sale today</h1>
<ul>
{{range .}}<li>{{.Name}}: {{.Price}}</li>
{{else}}<li>Sold out.</li>
{{end}}</ul>
</html>
`))

func render(goods []good) ([]byte, error) {
	var b bytes.Buffer
	err := page.Execute(&b, goods)
	return b.Bytes(), err
}

func handler(goods []good) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		body, err := render(goods)
		if err != nil {
			http.Error(w, "the page could not be made", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}
