package main

import (
	"bufio"
	"io"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// All signals of one hang-up are a single interrupt, however late they are read; another
// signal after them is the second interrupt.
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

// An interrupt that is ignored when the program starts stays ignored. A shell starts its
// background jobs like that, so that Ctrl-C ends the job in the foreground only.
func TestIgnoredInterrupt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	cmd := exec.Command("sh", "-c", `trap '' INT; exec a2scan farm --listen 127.0.0.1 --ports "$1"`, "sh", strconv.Itoa(freePort(t)))
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	heard := bufio.NewReader(stderr)
	_, err = heard.ReadString('\n') // it serves, and so watches for signals
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_, err = io.Copy(io.Discard, heard)
	require.NoError(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 128+int(syscall.SIGTERM), exit.ExitCode(), "the interrupt came first")
}
