package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// A signalWatch turns interrupts into calls: the first asks for an orderly end,
// the second for an immediate one, the third is left to the system, which ends
// the process.
type signalWatch struct {
	ch   chan os.Signal
	done chan struct{}
	wg   sync.WaitGroup
	end  sync.Once

	mu    sync.Mutex
	first syscall.Signal // 0: none came
}

// watchSignals begins to watch for SIGINT, SIGTERM and, unless nohup or the like
// has it ignored, SIGHUP. gently and atOnce are called from goroutines of their own,
// once each at most. After a signal nobody who does not read what we say keeps the
// program from its end.
func (a *app) watchSignals(gently, atOnce func()) *signalWatch {
	w := &signalWatch{ch: make(chan os.Signal, 2), done: make(chan struct{})}
	signal.Notify(w.ch, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(w.ch, syscall.SIGHUP)
	}
	w.wg.Go(func() {
		hungUp := false
		for acts := []func(){gently, atOnce}; len(acts) > 0; {
			select {
			case s := <-w.ch:
				if s == syscall.SIGHUP {
					// The shell sends one and the system may send another when a
					// terminal goes, and nobody has become impatient.
					signal.Ignore(syscall.SIGHUP)
					if hungUp { // it was there before that could be said
						continue
					}
					hungUp = true
				}
				w.note(s)
				time.AfterFunc(patience, a.ui.w.giveUp)
				w.wg.Go(acts[0]) // what it says may wait for its reader, and the next signal must not
				acts = acts[1:]
			case <-w.done:
				return
			}
		}
		signal.Stop(w.ch)
	})
	return w
}

func (w *signalWatch) note(s os.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if sig, ok := s.(syscall.Signal); ok && w.first == 0 {
		w.first = sig
	}
}

// stop ends the watch and returns an *interrupted where a signal came, else nil.
// It may be called again.
func (w *signalWatch) stop() error {
	signal.Stop(w.ch)
	w.end.Do(func() { close(w.done) })
	w.wg.Wait()
	return w.signal()
}

// signal returns an *interrupted where a signal came, else nil.
func (w *signalWatch) signal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == 0 {
		return nil
	}
	return &interrupted{w.first}
}
