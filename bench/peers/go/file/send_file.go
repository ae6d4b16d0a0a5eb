// One file over HTTP by net/http, which sends it with sendfile.
//
// usage: go_file PORT THREADS PATH
package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go_file PORT THREADS PATH")
		os.Exit(2)
	}
	threads, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(threads)
	path := os.Args[3]
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(
		func(answer http.ResponseWriter, request *http.Request) { http.ServeFile(answer, request, path) })))
	os.Exit(1)
}
