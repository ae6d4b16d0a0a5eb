package main

// The command line, the clock, the checks and the JSON line: what bench/workload.c is for C, and the same sizes.

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	batch           = 1000
	skynetChildren  = 10
	channelCapacity = 128
	channelSides    = 8
	mutexTasks      = 64
	criticalSteps   = 10

	switches   = 4000000
	spawns     = 1000000
	fullLeaves = 1000000
	roundTrips = 500000
	selects    = 1000000
	timeouts   = 1000000
	messages   = 4000000
	locks      = 100000
	sleepers   = 1000000
	parked     = 1000000
	sumTasks   = 10000
	sumSteps   = 100000

	fibFull   = 32
	sumPower  = -0.8
	sumSample = 97
	seed      = uint64(88172645463325252)
)

type workload struct {
	name string
	run  func(*bench)
}

type bench struct {
	workload string
	workers  int
	scale    float64
	started  time.Time
	took     time.Duration
	cpu      float64
	fields   string
}

func usage() {
	fmt.Fprintf(os.Stderr, "usage: %s WORKLOAD WORKERS [--scale S] | --list | --version\n", os.Args[0])
	os.Exit(2)
}

func open(workloads []workload) (*bench, func(*bench)) {
	args := os.Args[1:]
	if len(args) == 1 && args[0] == "--list" {
		for _, w := range workloads {
			fmt.Println(w.name)
		}
		os.Exit(0)
	}
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("Go", strings.TrimPrefix(runtime.Version(), "go"))
		os.Exit(0)
	}
	b := &bench{scale: 1}
	if len(args) != 2 && !(len(args) == 4 && args[2] == "--scale") {
		usage()
	}
	b.workload = args[0]
	b.workers, _ = strconv.Atoi(args[1])
	if len(args) == 4 {
		b.scale, _ = strconv.ParseFloat(args[3], 64)
	}
	for _, w := range workloads {
		if w.name == b.workload && b.workers > 0 && b.scale > 0 {
			return b, w.run
		}
	}
	usage()
	return nil, nil
}

func (b *bench) count(full int) int {
	if n := int(float64(full) * b.scale); n > 0 {
		return n
	}
	return 1
}

func (b *bench) start() {
	b.cpu = cpuSeconds()
	b.started = time.Now()
}

func (b *bench) stop() {
	b.took = time.Since(b.started)
	b.cpu = cpuSeconds() - b.cpu
}

func (b *bench) fail(why string) {
	fmt.Fprintf(os.Stderr, "go %s: %s\n", b.workload, why)
	os.Exit(1)
}

func (b *bench) check(what string, got, expected int) {
	if got != expected {
		b.fail(fmt.Sprintf("wrong %s: %d, expected %d", what, got, expected))
	}
}

func (b *bench) field(name string, value float64) {
	b.fields += fmt.Sprintf(", %q: %.6g", name, value)
}

func (b *bench) report(value float64, unit string) {
	fmt.Printf("{\"peer\": \"go\", \"workload\": %q, \"workers\": %d, \"scale\": %g, \"value\": %.6g, \"unit\": %q, "+
		"\"wall_ms\": %.6g, \"cpu_s\": %.6g, \"rss_mb\": %.6g%s}\n",
		b.workload, b.workers, b.scale, value, unit, milliseconds(b.took), b.cpu, statusBytes("VmHWM:")/1048576, b.fields)
}

func (b *bench) reportNs(operations int) {
	b.report(float64(b.took.Nanoseconds())/float64(operations), "ns/op")
}

// The time is scaled up to the full size, of which `share` was run.
func (b *bench) reportMs(share float64) {
	b.report(milliseconds(b.took)/share, "ms")
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / 1e6
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func statusBytes(key string) float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, key) {
			kilobytes, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
			return kilobytes * 1024
		}
	}
	return 0
}

func random(state *uint64) uint64 {
	*state = *state*6364136223846793005 + 1442695040888963407
	return *state >> 33
}

func spin(x uint64, steps uint64) uint64 {
	for i := uint64(0); i < steps; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

func fibResult(n int) int {
	a, b := 0, 1
	for i := 0; i < n; i++ {
		a, b = b, a+b
	}
	return a
}

func fibShare(n int) float64 {
	return float64(2*fibResult(n+1)-1) / float64(2*fibResult(fibFull+1)-1)
}

func (b *bench) fibN() int {
	n := fibFull
	for n > 2 && fibShare(n) > b.scale*1.2 {
		n--
	}
	return n
}

func (b *bench) skynetLeaves() int {
	return int(math.Round(math.Pow(10, math.Round(math.Log10(fullLeaves*b.scale)))))
}

func (b *bench) lateness(lateUs []uint32) {
	sort.Slice(lateUs, func(i, j int) bool { return lateUs[i] < lateUs[j] })
	n := len(lateUs)
	b.field("p50_us", float64(lateUs[n/2]))
	b.field("p99_us", float64(lateUs[n*99/100]))
	b.field("max_us", float64(lateUs[n-1]))
}

func powerLaw(tasks int) []uint64 {
	weights, total := 0.0, float64(sumSteps)*float64(tasks)
	for i := 0; i < tasks; i++ {
		weights += math.Pow(float64(i+1), sumPower)
	}
	steps := make([]uint64, tasks)
	for i := range steps {
		steps[i] = uint64(total * math.Pow(float64(i+1), sumPower) / weights)
	}
	state := uint64(12345)
	for i := tasks - 1; i > 0; i-- {
		j := random(&state) % uint64(i+1)
		steps[i], steps[j] = steps[j], steps[i]
	}
	return steps
}

func (b *bench) checkSums(steps, results []uint64) {
	for i := 0; i < len(steps); i += sumSample {
		if results[i] != spin(seed+uint64(i), steps[i]) {
			b.fail("wrong partial sum")
		}
	}
	for _, result := range results {
		if result == 0 { // xorshift never reaches 0
			b.fail("a task did not run")
		}
	}
}
