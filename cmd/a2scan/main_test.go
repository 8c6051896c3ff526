package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
)

func TestMain(m *testing.M) {
	// Most tests here wait: for timers, and for processes that do. -parallel overrides it.
	_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0)))
	testscript.Main(m, commandsOfTests)
}

// commandsOfTests are the programs that tests can start by name.
var commandsOfTests = map[string]func(){"a2scan": main}

// TestScripts runs testdata/script/*.txtar, each a session with the program as
// a user would have it. Commands added to testscript's own:
//
//	status N PROGRAM [ARG…]   runs the program and requires that exit status
//	payload FILE WORD…        writes bytes: hex digits, =TEXT, or *N for N zeros
//	signal N SIGNALS FILE PROGRAM [ARG…]
//	                          runs the program until FILE holds something, sends the
//	                          signals (INT, TERM or HUP, joined by commas; an INT after
//	                          another when that was heard) and requires exit status N;
//	                          what it printed is then in stdout.txt and stderr.txt
//	farm PORT [FLAG…]         starts a2scan farm, which runs to the end of the script,
//	                          and waits until it serves
//	metadata META RECORDS [LEFT OUT]
//	                          requires that the two files tell of the same run
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PORT", strconv.Itoa(freePort(t)))
			env.Setenv("PORT2", strconv.Itoa(freePort(t)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":   cmdStatus,
			"payload":  cmdPayload,
			"farm":     cmdFarm,
			"signal":   cmdSignal,
			"metadata": cmdMetadata,
		},
	})
}

func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func cmdPayload(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: payload FILE WORD…")
	}
	var b []byte
	for _, word := range args[1:] {
		switch word[0] {
		case '=':
			b = append(b, word[1:]...)
		case '*':
			n, err := strconv.Atoi(word[1:])
			ts.Check(err)
			b = append(b, make([]byte, n)...)
		default:
			h, err := hex.DecodeString(word)
			ts.Check(err)
			b = append(b, h...)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o666))
}

// override returns the command line base with more behind it, without the flags of base
// that more sets again.
func override(base []string, more ...string) []string {
	var args []string
	for i := 0; i < len(base); i++ {
		if strings.HasPrefix(base[i], "-") && slices.Contains(more, base[i]) {
			i++ // its value
			continue
		}
		args = append(args, base[i])
	}
	return append(args, more...)
}

// freePort returns a UDP port that nobody listens on now, and that no system gives to
// a socket that names none: the tests and programs beside this one have many of these. It
// is returned once.
func freePort(t *testing.T) int {
	const first, n = 10_000, 20_000
	for range n {
		port := first + int((portsBegin+portsTaken.Add(1))%n)
		if c, err := net.ListenPacket("udp4", ":"+strconv.Itoa(port)); err == nil {
			require.NoError(t, c.Close())
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Where the search for a port begins is random: two runs of the tests at a time are not
// after the same ones.
var (
	portsBegin = rand.Uint32()
	portsTaken atomic.Uint32
)

// closedPort returns a UDP port that refuses what is sent to it, and goes on to while t
// runs: a socket has it that listens to port 9 alone.
func closedPort(t *testing.T) int {
	t.Helper()
	c, err := net.Dial("udp4", "127.0.0.1:9")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().(*net.UDPAddr).Port
}

func cmdFarm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: farm PORT [FLAG…]")
	}
	cmd := exec.Command("a2scan", append([]string{"farm", "--ports", args[0]}, args[1:]...)...)
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil || !strings.Contains(line, "serving") {
		ts.Fatalf("the farm does not serve: %s%v", line, err)
	}
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: signal N SIGNALS FILE PROGRAM [ARG…]")
	}
	if runtime.GOOS == "windows" {
		ts.Fatalf("there are no signals to send on Windows: guard the line with [unix]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	cmd := exec.Command(args[3], args[4:]...)
	cmd.Dir = ts.MkAbs(".")
	stdout, err := os.Create(ts.MkAbs("stdout.txt"))
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(ts.MkAbs("stderr.txt"))
	ts.Check(err)
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// A child inherits ignored signals, but not caught ones. Both are ignored if the tests
	// run under nohup or in the background of a script.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP, syscall.SIGINT)
	defer signal.Stop(caught)
	ts.Check(cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()

	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	signals, before := strings.Split(args[1], ","), ""
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-patience.C:
			_ = cmd.Process.Kill()
			<-done
			ts.Fatalf("still running after a minute\n%s%s", ts.ReadFile("stdout.txt"), ts.ReadFile("stderr.txt"))
		case <-poll.C:
			if info, err := os.Stat(ts.MkAbs(args[2])); len(signals) == 0 || err != nil || info.Size() == 0 {
				continue
			}
			// Two that the program has not taken in yet would be one. Of hang-ups they may be.
			if before == "INT" && signals[0] == "INT" && !strings.Contains(ts.ReadFile("stderr.txt"), "stopping: ") {
				continue
			}
			sig := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[signals[0]]
			before, signals = signals[0], signals[1:]
			if err := cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) { // done will say so
				ts.Check(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit status %d, want %d\n%s", got, want, ts.ReadFile("stderr.txt"))
	}
}

func cmdMetadata(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: metadata META RECORDS [LEFT OUT]")
	}
	filtered := uint64(0)
	if len(args) == 3 {
		n, err := strconv.ParseUint(args[2], 10, 64)
		ts.Check(err)
		filtered = n
	}
	m, err := dataset.ReadMetadata(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(m.Check(filtered))

	var counts output.StatusCounts
	var size int64
	seen := map[uint64]bool{}
	for line, err := range dataset.Lines(ts.MkAbs(args[1])) {
		ts.Check(err)
		var rec output.Record
		ts.Check(output.Unmarshal(line, &rec))
		if seen[rec.Seq] {
			ts.Fatalf("seq %d has two records", rec.Seq)
		}
		if (rec.Error == "") != (rec.Status == output.Success) {
			ts.Fatalf("status %v with error %v", rec.Status, rec.Error)
		}
		seen[rec.Seq] = true
		size += int64(len(line)) + 1
		counts[rec.Status]++
	}
	if int64(len(seen)) != m.Output.Records || size != m.Output.Bytes {
		ts.Fatalf("%d records of %d bytes; the metadata says %d of %d", len(seen), size, m.Output.Records, m.Output.Bytes)
	}
	if filtered == 0 && counts != m.Statuses {
		ts.Fatalf("statuses %v; the metadata says %v", counts, m.Statuses)
	}
	for s, n := range counts {
		if n > m.Statuses[s] {
			ts.Fatalf("%d records of status %v; the metadata says %d", n, output.Status(s), m.Statuses[s])
		}
	}
	if info, err := os.Stat(ts.MkAbs(args[1])); dataset.CompressAuto.For(args[1]) != dataset.CompressNone &&
		(err != nil || m.Output.CompressedBytes == nil || *m.Output.CompressedBytes != info.Size()) {
		ts.Fatalf("the metadata does not know the size of the compressed file")
	}
}
