// Command storefront serves a shop window: a page with what is on sale.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "the address to serve on")
	check := flag.Bool("check", false, "render the page once and exit")
	flag.Parse()
	if *check {
		os.Exit(selfCheck())
	}
	server := &http.Server{Addr: *listen, Handler: handler(goods), ReadHeaderTimeout: 5 * time.Second}
	log.Printf("storefront on http://%s", *listen)
	log.Fatal(server.ListenAndServe())
}

// selfCheck is what a deployment runs before it believes in itself.
func selfCheck() int {
	page, err := render(goods)
	if err != nil {
		fmt.Fprintln(os.Stderr, "storefront:", err)
		return 1
	}
	fmt.Printf("storefront: %d goods on a page of %d bytes\n", len(goods), len(page))
	return 0
}
