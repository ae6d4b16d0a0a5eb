// The service (bench/service/service.h) in Go: a goroutine for each connection. With -echo it echoes.
//
// usage: go_service [-echo] PORT THREADS
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

var (
	ok      = []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	unknown = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

	stepsPerMs uint64
	kept       uint64
)

func steps(count uint64) uint64 {
	x := uint64(88172645463325252)
	for ; count > 0; count-- {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// A goroutine may go on on another thread at any time, so a thread's clock says nothing: the length of a computation is
// found beforehand, as the best of many short ones.
func calibrate() {
	const count = 200000
	for i := 0; i < 50; i++ {
		began := time.Now()
		kept += steps(count)
		stepsPerMs = max(stepsPerMs, uint64(float64(count)*1e6/float64(time.Since(began).Nanoseconds())))
	}
}

func max(a, b uint64) uint64 {
	if a > b {
		return a
	}
	return b
}

func heavy(request []byte) {
	ms := 0
	if at := bytes.Index(request, []byte("ms=")); at >= 0 {
		digits := request[at+3:]
		end := bytes.IndexAny(digits, "& ")
		ms, _ = strconv.Atoi(string(digits[:end]))
	}
	if bytes.Contains(request, []byte("how=block")) {
		span := syscall.NsecToTimespec(int64(ms) * 1e6)
		syscall.Nanosleep(&span, nil)
	} else if steps(uint64(ms)*stepsPerMs) == 0 {
		panic("xorshift never comes to 0")
	}
}

func handle(request []byte) []byte {
	switch {
	case bytes.HasPrefix(request, []byte("GET /light")):
		return ok
	case bytes.HasPrefix(request, []byte("GET /heavy")):
		heavy(request)
		return ok
	}
	return unknown
}

// The first line of the next request; what follows up to the empty line is passed over.
func readRequest(from *bufio.Reader, request []byte) ([]byte, error) {
	line, err := from.ReadSlice('\n')
	request = append(request[:0], line...)
	for err == nil && len(line) > 2 {
		line, err = from.ReadSlice('\n')
	}
	return request, err
}

func serve(connection net.Conn) {
	defer connection.Close()
	from := bufio.NewReader(connection)
	var request []byte
	for {
		var err error
		if request, err = readRequest(from, request); err != nil {
			return
		}
		if _, err = connection.Write(handle(request)); err != nil {
			return
		}
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	message := make([]byte, 4096)
	for {
		got, err := connection.Read(message)
		if err != nil {
			return
		}
		if _, err = connection.Write(message[:got]); err != nil {
			return
		}
	}
}

func main() {
	handler, arguments := serve, os.Args[1:]
	if len(arguments) == 3 && arguments[0] == "-echo" {
		handler, arguments = echo, arguments[1:]
	}
	if len(arguments) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go_service [-echo] PORT THREADS")
		os.Exit(2)
	}
	threads, _ := strconv.Atoi(arguments[1])
	runtime.GOMAXPROCS(threads)
	calibrate()
	listener, err := net.Listen("tcp", "127.0.0.1:"+arguments[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		if connection, err := listener.Accept(); err == nil {
			go handler(connection)
		}
	}
}
