package main

import (
	"io"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However many signals come of one hang-up, and however late they are looked at, they are
// one interrupt; another signal behind them is the second.
func TestHangUps(t *testing.T) {
	t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
	first, second := make(chan struct{}), make(chan struct{})
	a := &app{ui: newUI(io.Discard)}
	w := a.watchSignals(func() { close(first) }, func() { close(second) })
	for range 3 {
		w.ch <- syscall.SIGHUP
	}
	<-first
	require.Eventually(t, func() bool { return len(w.ch) == 0 }, 20*time.Second, time.Millisecond, "they are taken for the second")
	select {
	case <-second:
		require.Fail(t, "two of them were")
	default:
	}
	w.ch <- syscall.SIGINT
	<-second
	require.Equal(t, &interrupted{syscall.SIGHUP}, w.stop())
}
