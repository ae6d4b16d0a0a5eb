// The workloads in Go: goroutines, channels and sync.
package main

import (
	"context"
	"runtime"
	"sync"
	"time"
)

func runSwitch(b *bench) {
	each := b.count(switches / 2)
	var ended sync.WaitGroup
	ended.Add(2)
	b.start()
	for task := 0; task < 2; task++ {
		go func() {
			for i := 0; i < each; i++ {
				runtime.Gosched()
			}
			ended.Done()
		}()
	}
	ended.Wait()
	b.stop()
	b.reportNs(2 * each)
}

func spawnBatches(b *bench, body func()) {
	batches := b.count(spawns / batch)
	var ended sync.WaitGroup
	b.start()
	for n := 0; n < batches; n++ {
		ended.Add(batch)
		for i := 0; i < batch; i++ {
			go func() {
				body()
				ended.Done()
			}()
		}
		ended.Wait()
	}
	b.stop()
	b.reportNs(batches * batch)
}

func runSpawnJoin(b *bench) {
	spawnBatches(b, func() {})
}

func runSpawnYield(b *bench) {
	spawnBatches(b, runtime.Gosched)
}

func skynet(results chan<- int, number, leaves int) {
	if leaves == 1 {
		results <- number
		return
	}
	below := make(chan int)
	each := leaves / skynetChildren
	for i := 0; i < skynetChildren; i++ {
		go skynet(below, number+i*each, each)
	}
	sum := 0
	for i := 0; i < skynetChildren; i++ {
		sum += <-below
	}
	results <- sum
}

func runSkynet(b *bench) {
	leaves := b.skynetLeaves()
	result := make(chan int)
	b.start()
	go skynet(result, 0, leaves)
	sum := <-result
	b.stop()
	b.check("sum", sum, leaves*(leaves-1)/2)
	b.reportMs(float64(leaves) / fullLeaves)
}

// A channel as the future: faster here than a WaitGroup and a variable.
func fib(n int) int {
	if n < 2 {
		return n
	}
	result := make(chan int, 1)
	go func() { result <- fib(n - 1) }()
	y := fib(n - 2)
	return <-result + y
}

func runFib(b *bench) {
	n := b.fibN()
	b.start()
	result := fib(n)
	b.stop()
	b.check("fib", result, fibResult(n))
	b.reportMs(fibShare(n))
}

func runChanPingpong(b *bench) {
	trips := b.count(roundTrips)
	there, back, sum := make(chan int), make(chan int), make(chan int)
	b.start()
	go func() {
		for i := 0; i < trips; i++ {
			back <- <-there
		}
	}()
	go func() {
		total := 0
		for i := 0; i < trips; i++ {
			there <- i
			total += <-back
		}
		sum <- total
	}()
	got := <-sum
	b.stop()
	b.check("sum", got, trips*(trips-1)/2)
	b.reportNs(trips)
}

func runTimeoutScope(b *bench) {
	turns, done := b.count(timeouts), 0
	b.start()
	for i := 0; i < turns; i++ {
		_, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		done++
		cancel()
	}
	b.stop()
	b.check("turns", done, turns)
	b.reportNs(turns)
}

func receiveInTime(channel chan int) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	select {
	case got := <-channel:
		return got
	case <-ctx.Done():
		panic("too late")
	}
}

func runTimeoutPingpong(b *bench) {
	trips := b.count(roundTrips)
	there, back, sum := make(chan int), make(chan int), make(chan int)
	b.start()
	go func() {
		for i := 0; i < trips; i++ {
			back <- receiveInTime(there)
		}
	}()
	go func() {
		total := 0
		for i := 0; i < trips; i++ {
			there <- i
			total += receiveInTime(back)
		}
		sum <- total
	}()
	got := <-sum
	b.stop()
	b.check("sum", got, trips*(trips-1)/2)
	b.reportNs(trips)
}

func runChanMpmc(b *bench) {
	each := b.count(messages / channelSides)
	channel := make(chan int, channelCapacity)
	sums := make(chan int, channelSides)
	var producers sync.WaitGroup
	producers.Add(channelSides)
	b.start()
	for task := 0; task < channelSides; task++ {
		go func() {
			for i := 0; i < each; i++ {
				channel <- i
			}
			producers.Done()
		}()
		go func() {
			sum := 0
			for message := range channel {
				sum += message
			}
			sums <- sum
		}()
	}
	producers.Wait()
	close(channel)
	sum := 0
	for task := 0; task < channelSides; task++ {
		sum += <-sums
	}
	b.stop()
	b.check("sum", sum, channelSides*(each*(each-1)/2))
	b.reportNs(channelSides * each)
}

func runMutex(b *bench) {
	each, taken, guarded := b.count(locks), 0, seed
	var mutex sync.Mutex
	var ended sync.WaitGroup
	ended.Add(mutexTasks)
	b.start()
	for task := 0; task < mutexTasks; task++ {
		go func() {
			for i := 0; i < each; i++ {
				mutex.Lock()
				guarded = spin(guarded, criticalSteps)
				taken++
				mutex.Unlock()
			}
			ended.Done()
		}()
	}
	ended.Wait()
	b.stop()
	b.check("count", taken, mutexTasks*each)
	if guarded != spin(seed, uint64(taken)*criticalSteps) {
		b.fail("wrong guarded value")
	}
	b.reportNs(taken)
}

func runSleepMany(b *bench) {
	count := b.count(sleepers)
	lateUs := make([]uint32, count)
	state := uint64(42)
	var ended sync.WaitGroup
	ended.Add(count)
	b.start()
	for i := 0; i < count; i++ {
		duration := time.Duration(1+random(&state)%1000) * time.Millisecond
		go func(i int) {
			from := time.Now()
			time.Sleep(duration)
			lateUs[i] = uint32((time.Since(from) - duration).Microseconds())
			ended.Done()
		}(i)
	}
	ended.Wait()
	b.stop()
	b.lateness(lateUs)
	b.reportMs(1)
}

func runIdleMem(b *bench) {
	count := b.count(parked)
	gate := make(chan struct{})
	var arrived, ended sync.WaitGroup
	arrived.Add(count)
	ended.Add(count)
	rss := statusBytes("VmRSS:")
	b.start()
	for i := 0; i < count; i++ {
		go func() {
			arrived.Done()
			<-gate
			ended.Done()
		}()
	}
	arrived.Wait()
	b.stop()
	time.Sleep(50 * time.Millisecond) // the last arrivals get from the count to the wait
	bytes := (statusBytes("VmRSS:") - rss) / float64(count)
	woken := time.Now()
	close(gate)
	ended.Wait()
	b.field("wake_ms", milliseconds(time.Since(woken)))
	b.report(bytes, "bytes/task")
}

func runParallelSum(b *bench) {
	tasks := b.count(sumTasks)
	steps, results := powerLaw(tasks), make([]uint64, tasks)
	var ended sync.WaitGroup
	ended.Add(tasks)
	b.start()
	for i := range steps {
		go func(i int) {
			results[i] = spin(seed+uint64(i), steps[i])
			ended.Done()
		}(i)
	}
	ended.Wait()
	b.stop()
	b.checkSums(steps, results)
	b.reportMs(float64(tasks) / sumTasks)
}

// The cases are written out: reflect.Select, for a number of them that is not known, is many times slower.
func selectReady(c *[8]chan int, turns int) int {
	sum := 0
	for i := 0; i < turns; i++ {
		c[i*5%8] <- i
		select {
		case x := <-c[0]:
			sum += x
		case x := <-c[1]:
			sum += x
		case x := <-c[2]:
			sum += x
		case x := <-c[3]:
			sum += x
		case x := <-c[4]:
			sum += x
		case x := <-c[5]:
			sum += x
		case x := <-c[6]:
			sum += x
		case x := <-c[7]:
			sum += x
		}
	}
	return sum
}

func runSelectReady(b *bench) {
	turns := b.count(selects)
	var channels [8]chan int
	for i := range channels {
		channels[i] = make(chan int, 1)
	}
	b.start()
	sum := selectReady(&channels, turns)
	b.stop()
	b.check("sum", sum, turns*(turns-1)/2)
	b.reportNs(turns)
}

func main() {
	b, run := open([]workload{
		{"switch", runSwitch},
		{"spawn_join", runSpawnJoin},
		{"spawn_yield", runSpawnYield},
		{"skynet", runSkynet},
		{"fib", runFib},
		{"chan_pingpong", runChanPingpong},
		{"chan_mpmc", runChanMpmc},
		{"select_ready", runSelectReady},
		{"timeout_scope", runTimeoutScope},
		{"timeout_pingpong", runTimeoutPingpong},
		{"mutex", runMutex},
		{"sleep_many", runSleepMany},
		{"idle_mem", runIdleMem},
		{"parallel_sum", runParallelSum},
	})
	runtime.GOMAXPROCS(b.workers)
	run(b)
}
