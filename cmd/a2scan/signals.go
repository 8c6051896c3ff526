package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// A signalWatch turns interrupts into calls: the first asks for an orderly end, the
// second for an immediate one. The system handles the third, which ends the process.
type signalWatch struct {
	ch   chan os.Signal
	done chan struct{}
	wg   sync.WaitGroup
	end  sync.Once

	mu    sync.Mutex
	first syscall.Signal // 0: none arrived
}

// watchSignals begins to watch for SIGINT, SIGTERM and SIGHUP. A SIGINT or SIGHUP that
// was ignored when the program started stays ignored: nohup ignores SIGHUP, and a shell
// without job control ignores SIGINT for its background jobs. gently and atOnce are each
// called at most once, in goroutines of their own.
func (a *app) watchSignals(gently, atOnce func()) *signalWatch {
	return a.watchSignalsAnd(nil, gently, atOnce)
}

// watchSignalsAnd is watchSignals for a program that runs for years: a SIGHUP calls
// reload, if that is not nil, and ends nothing.
func (a *app) watchSignalsAnd(reload, gently, atOnce func()) *signalWatch {
	w := &signalWatch{ch: make(chan os.Signal, 2), done: make(chan struct{})}
	signal.Notify(w.ch, syscall.SIGTERM)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) || s == syscall.SIGHUP && reload != nil {
			signal.Notify(w.ch, s)
		}
	}
	w.wg.Go(func() {
		hungUp := false
		for acts := []func(){gently, atOnce}; len(acts) > 0; {
			select {
			case s := <-w.ch:
				if s == syscall.SIGHUP && reload != nil {
					reload()
					continue
				}
				if s == syscall.SIGHUP {
					// If a terminal is closed, both the shell and the system may send one.
					// Together they are a single interrupt.
					signal.Ignore(syscall.SIGHUP)
					if hungUp { // it arrived before Ignore
						continue
					}
					hungUp = true
				}
				w.note(s)
				w.wg.Go(acts[0]) // it may block on a message; the next signal must not wait for it
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

// stop ends the watch. It returns an *interrupted if a signal arrived, else nil, and may
// be called again.
func (w *signalWatch) stop() error {
	signal.Stop(w.ch)
	w.end.Do(func() { close(w.done) })
	w.wg.Wait()
	return w.signal()
}

// signal returns an *interrupted if a signal arrived, else nil.
func (w *signalWatch) signal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == 0 {
		return nil
	}
	return &interrupted{w.first}
}
