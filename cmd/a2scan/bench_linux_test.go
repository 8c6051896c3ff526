package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An interrupted benchmark leaves neither a process nor a file behind; one that
// is killed cannot clean up its files, but its farm ends with it all the same.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		status int
	}{
		{"interrupted", syscall.SIGINT, 130},
		{"terminated", syscall.SIGTERM, 143},
		{"killed", syscall.SIGKILL, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			// Delays make the scan last, so that there is one to be ended.
			cmd := exec.Command(self, "bench", "-q", "--ports", strconv.Itoa(freePort(t)), "--dir", dir,
				"--pairs", "1000", "--targets", "500", "--max-in-flight", "1", "--delay", "10ms:20ms", "--split", "10")
			cmd.Args[0] = "a2scan"
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			require.NoError(t, cmd.Start())
			var children []int
			require.Eventually(t, func() bool {
				children = childrenOf(t, cmd.Process.Pid)
				records, _ := filepath.Glob(filepath.Join(dir, "a2scan-bench-*", "metadata.json"))
				return len(children) == 2 && len(records) == 1
			}, 20*time.Second, 5*time.Millisecond, "a farm and a scan")

			require.NoError(t, cmd.Process.Signal(c.signal))
			err := cmd.Wait()
			var exit *exec.ExitError
			require.True(t, errors.As(err, &exit), "%v", err)
			require.Equal(t, c.status, exit.ExitCode(), stderr.String())
			if c.signal != syscall.SIGKILL {
				require.Empty(t, stderr.String())
				left, err := filepath.Glob(filepath.Join(dir, "*"))
				require.NoError(t, err)
				require.Empty(t, left)
			}
			require.Eventually(t, func() bool {
				n := 0
				for _, pid := range children {
					// The scan of a killed benchmark goes on to its own end.
					if name, alive := processLine(pid); alive && (c.signal != syscall.SIGKILL || strings.Contains(name, "worker")) {
						n++
					}
				}
				return n == 0
			}, 10*time.Second, 5*time.Millisecond, "processes that outlive the benchmark")
			for _, pid := range children {
				if name, alive := processLine(pid); alive && strings.Contains(name, " scan ") {
					require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				}
			}
		})
	}
}

// childrenOf returns the processes that pid has started.
func childrenOf(t *testing.T, pid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	var children []int
	for _, s := range stats {
		b, err := os.ReadFile(s)
		if err != nil {
			continue // it has ended meanwhile
		}
		child, rest, ok := strings.Cut(string(b), " ")
		_, rest, ok2 := strings.Cut(rest, ") ") // a name may hold anything
		f := strings.Fields(rest)
		if !ok || !ok2 || len(f) < 2 || f[1] != strconv.Itoa(pid) {
			continue
		}
		n, err := strconv.Atoi(child)
		require.NoError(t, err)
		children = append(children, n)
	}
	return children
}

// processLine returns a process's command line, false where it has ended.
func processLine(pid int) (string, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})), err == nil && len(b) > 0
}
