// Package memory measures the peak memory of a process that this one started.
//
// The system's own figure (ru_maxrss) is exact, but includes the parent's memory at the
// start: until the new program is loaded, both share one memory, and a parent of 400 MB
// makes every child one of 400. Below that, the peak is the largest sample taken while it
// ran.
package memory

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Watch watches a process of ours.
type Watch struct {
	floor int64 // memory of this process, when it had started the other
	seen  atomic.Int64
	quit  chan struct{}
	done  chan struct{}
}

// Of begins to watch p, which was started just now. Peak ends that.
func Of(p *os.Process) *Watch {
	w := &Watch{floor: ownPeak(), quit: make(chan struct{}), done: make(chan struct{})}
	go w.run(strconv.Itoa(p.Pid))
	return w
}

// Peak returns the most memory that the process held, in bytes, after its Wait has returned
// ended; 0 if it is not known. Call it once.
func (w *Watch) Peak(ended *os.ProcessState) int64 {
	close(w.quit)
	<-w.done
	if peak := peakOf(ended); peak > w.floor {
		return peak
	}
	return w.seen.Load()
}

// A process that lives for a moment only is looked at often; later on seldom
// enough that looking costs a thousandth of a processor.
const (
	firstLook = 2 * time.Millisecond
	lookEvery = 50 * time.Millisecond
)

func (w *Watch) run(pid string) {
	defer close(w.done)
	every := firstLook
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-timer.C:
			w.seen.Store(max(w.seen.Load(), highWater(pid)))
			every = min(every*3/2, lookEvery)
			timer.Reset(every)
		}
	}
}

// Self returns the most memory that this process has held since its program was loaded, in
// bytes; 0 if the system does not report it.
func Self() int64 { return highWater("self") }

// highWater is Self of a process, by Linux's proc(5).
func highWater(pid string) int64 {
	f, err := os.Open("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		value, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0
		}
		return n << 10
	}
	return 0
}
