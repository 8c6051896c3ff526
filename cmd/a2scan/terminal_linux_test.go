package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a pseudo-terminal of that size.
func openTerminal(t *testing.T, columns, rows int) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}))
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return screen, tty
}

// onTerminal runs the program with standard output and standard error on a terminal of
// that size, and returns what it wrote there.
func onTerminal(t *testing.T, columns, rows int, env []string, args ...string) string {
	t.Helper()
	return commandOnTerminal(t, columns, rows, env, exec.Command("a2scan", args...))
}

func commandOnTerminal(t *testing.T, columns, rows int, env []string, cmd *exec.Cmd) string {
	t.Helper()
	screen, tty := openTerminal(t, columns, rows)
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "NO_COLOR="), env...)
	cmd.Stdout, cmd.Stderr = tty, tty
	require.NoError(t, cmd.Start())
	require.NoError(t, tty.Close())
	var out bytes.Buffer
	_, _ = io.Copy(&out, screen) // it ends with EIO when the program has
	require.NoError(t, cmd.Wait(), out.String())
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

// The same scan on a terminal, on a dumb one, without colours, as JSON and as a file.
func TestScanOnATerminal(t *testing.T) {
	t.Parallel()
	demo := func(more ...string) []string {
		return append([]string{"demo", "-n", "12", "--ports", strconv.Itoa(freePort(t)), "--delay", "1ms:2ms",
			"--silent", "0", "--garbage", "0", "--challenge-loop", "0", "--loss", "0"}, more...)
	}
	screen := onTerminal(t, 80, 24, nil, demo()...)
	require.Contains(t, screen, "\x1b[1mADDRESS")
	require.Contains(t, screen, "a2scan: verified: 12 of 12 records match their servers\n")
	require.Contains(t, screen, "12 servers, ")
	require.NotContains(t, screen, `{"schema"`)

	screen = onTerminal(t, 80, 24, []string{"NO_COLOR=1"}, demo()...)
	require.Contains(t, screen, "ADDRESS")
	require.NotContains(t, screen, "\x1b[1m")
	require.Contains(t, onTerminal(t, 80, 24, []string{"NO_COLOR=1"}, demo("--color", "always")...), "\x1b[1mADDRESS")
	require.NotContains(t, onTerminal(t, 80, 24, nil, demo("--color", "never")...), "\x1b[1m")
	screen = onTerminal(t, 80, 24, []string{"TERM=dumb"}, demo()...)
	require.Contains(t, screen, "ADDRESS")
	require.NotContains(t, screen, "\x1b")

	for _, args := range [][]string{demo("--json"), demo("-o", "-")} {
		screen = onTerminal(t, 80, 24, nil, args...)
		require.Equal(t, 12, strings.Count(screen, `{"schema":1,`))
		require.NotContains(t, screen, "ADDRESS")
		require.NotContains(t, screen, "\r", "no progress line runs through the records")
	}
}

// With an output file, the terminal has the progress line only, which is erased.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	out := t.TempDir() + "/out.ndjson"
	port := strconv.Itoa(closedPort(t))
	screen := onTerminal(t, 60, 24, nil, "scan", "--icmp", "off", "--timeout", "1s", "--retries", "0", "-o", out, "127.0.0.1:"+port)
	require.Contains(t, screen, "\r0/1 0 %  ")
	require.Contains(t, screen, "\r\x1b[Ka2scan: 1 target", "erased before the summary")
	require.NotContains(t, screen, "ADDRESS")
	require.NotContains(t, screen, "interrupt")
}

// A manual page on a terminal is source, so the hint says how to read it.
func TestManOnATerminal(t *testing.T) {
	t.Parallel()
	screen := onTerminal(t, 80, 24, nil, "man", "scan")
	require.True(t, strings.HasSuffix(screen, "a2scan: hint: to read the page: a2scan man scan | man -l -\n"), screen)
}
