package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/bench/memory"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// What servers, strangers, users and the system do to the program as a whole.
// All packets stay on loopback.

// A process is the program in a process of its own.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
	memory         *memory.Watch
}

func start(t testing.TB, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith is start with a standard output, unless that is nil.
func startWith(t testing.TB, stdout *os.File, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("a2scan", args...)}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if stdout != nil {
		p.Stdout = stdout
	}
	require.NoError(t, p.Start())
	p.memory = memory.Of(p.Process)
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// end waits for the process, and returns its exit status and the most memory it
// had, in bytes.
func (p *process) end(t testing.TB) (status int, rss int64) {
	t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return p.ProcessState.ExitCode(), p.memory.Peak(p.ProcessState)
}

// interrupt sends what a user does, or, twice, an impatient one. The two differ: of two of a
// kind that a busy process has not taken in yet the system makes one. The first is the exit
// status.
func (p *process) interrupt(t testing.TB, times int) {
	t.Helper()
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM}[:times] {
		require.NoError(t, p.Process.Signal(s))
		time.Sleep(50 * time.Millisecond)
	}
}

// requireWithin requires that f, which returns what it has measured, does so within most
// in one of a few tries: a machine that has more to do makes it longer, and nothing shorter.
func requireWithin(t testing.TB, most time.Duration, f func() time.Duration) {
	t.Helper()
	var took []time.Duration
	for range 5 {
		took = append(took, f())
		if took[len(took)-1] < most {
			return
		}
	}
	require.Failf(t, "too long", "%v; %v is the most", took, most)
}

// A flood sends well-formed replies of a million servers that were not asked to a port
// of this machine, as fast as that lets it, until it is stopped.
type flood struct {
	quit, done chan struct{}
	sent       int
}

func startFlood(t testing.TB, to netip.AddrPort) *flood {
	t.Helper()
	port, err := mux.Listen(mux.Options{Local: netip.MustParseAddrPort("0.0.0.0:0"), Wildcard: true, NoICMP: true})
	require.NoError(t, err)
	f := &flood{quit: make(chan struct{}), done: make(chan struct{})}
	reply := prototest.AppendInfo(nil, &proto.Info{Protocol: 17, Name: []byte("forged"), Version: []byte("1")})
	peer := mux.KeyFrom(to)
	go func() {
		defer close(f.done)
		defer port.Close()
		batch := mux.NewBatch(64, 512)
		for n := uint32(0); ; {
			select {
			case <-f.quit:
				return
			default:
			}
			batch.Reset()
			for ; batch.Len() < batch.Cap(); n = (n + 1) % (1 << 20) {
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 192 + byte(n>>16), byte(n >> 8), byte(n)}), 0)
				batch.CommitFrom(mux.KeyFrom(from), peer, append(batch.Next(), reply...))
			}
			sent, _ := port.Send(batch) // what there is no room for is not sent
			f.sent += sent
		}
	}()
	return f
}

func (f *flood) stop() int {
	close(f.quit)
	<-f.done
	return f.sent
}

// A flood of forged replies at full speed beside a scan of 20,000 servers costs none
// of them but those whose answers the kernel says it dropped, no memory, and no words.
func TestFloodBesideAScan(t *testing.T) {
	f := newFixture(t, "127.64.0.0/18")
	const n = 20_000
	list := "127.64.0.0-127.64.78.31"
	measure := func(flooded bool) (rss int64) {
		path := filepath.Join(t.TempDir(), "out.ndjson")
		port := freePort(t)
		var fl *flood
		began := time.Now()
		if flooded {
			fl = startFlood(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
		}
		p := start(t, "scan", "-r", "20000", "--per-ip-rate", "0", "--retries", "4", "-t", "20s", "--source-port", strconv.Itoa(port),
			"-p", strconv.Itoa(int(f.port)), "-o", path, list)
		status, rss := p.end(t)
		took := time.Since(began)
		sent := 0
		if flooded {
			sent = fl.stop()
		}
		require.Zero(t, status, p.stderr.String())
		progress := int(took / (plainEvery * progressEvery)) // lines
		require.LessOrEqual(t, strings.Count(p.stderr.String(), "\n"), 7+progress, p.stderr.String())
		m := readMetadata(t, path)
		require.NoError(t, m.Check(0))
		if !flooded {
			return rss
		}
		report, err := farm.Verify(f.world, dataset.Lines(path), farm.VerifyOptions{Want: proto.WantInfo, Lossy: m.Socket.RxDropped > 0})
		require.NoError(t, err)
		require.True(t, report.OK(), "%v", report)
		require.EqualValues(t, n, report.Records)
		lost := report.ByBehaviour[len(report.ByBehaviour)-1].FalseNegatives()
		require.LessOrEqual(t, lost, m.Socket.RxDropped+f.farm.Counters().SocketDrops)
		t.Logf("%d forged datagrams sent in %.1f s, %d taken in, %d dropped by the kernel; %d of %d servers lost; %d MiB",
			sent, took.Seconds(), m.Packets.Unmatched, m.Socket.RxDropped, lost, n, rss>>20)
		require.Greater(t, m.Packets.Unmatched, uint64(1000))
		return rss
	}
	quiet := measure(false)
	flooded := measure(true)
	t.Logf("%d MiB without a flood", quiet>>20)
	// What both have touched of what they took at the start differs from run to run;
	// that a forged datagram costs nothing is the business of scanner's
	// TestS2_SpoofedFlood.
	require.Less(t, flooded, quiet+64<<20)
}

// Servers that lie, repeat, stop short and never end: every record is true, and
// the memory is bounded.
func TestHostileMixture(t *testing.T) {
	t.Parallel()
	f := newFixtureOf(t, "127.65.0.0/23", prototest.Shares{
		Challenge: 50, Split: 20, BZip2: 60, Garbage: 15, ChallengeLoop: 15, Endless: 15, WrongType: 10, Truncate: 15,
		Duplicate: 30, Reorder: 30, DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond,
	})
	f.want = proto.WantInfo | proto.WantPlayers | proto.WantRules
	for at := range f.targets() { // texts are compressed when they are first asked for, and others wait
		f.world.Truth(prototest.EndpointFrom(at), f.want)
	}

	path := filepath.Join(t.TempDir(), "out.ndjson.zst")
	p := start(t, f.args(path, "-r", "2000", "--query", "info,players,rules", "--raw", "--retries", "2", "--timeout", "1s", "-t", "8s")...)
	status, rss := p.end(t)
	require.Zero(t, status, p.stderr.String())
	f.requireTruth(t, path)
	t.Logf("%d MiB", rss>>20)
	require.Less(t, rss, int64(256<<20))
}

// nasty is what a server may put into its strings: terminal escapes (C0 and C1),
// line ends, bytes that are not UTF-8, directions.
const nasty = "\x1b]0;owned\x07\x1b[2J\x1b[31m\r\n\"}\n{\"schema\":1}\u009b31m\u2028\u202e\xff\xfe\x7f"

// startNasty serves names of 60 KB that are nothing but nasty.
func startNasty(t testing.TB) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	long := []byte(strings.Repeat(nasty, 60_000/len(nasty)))
	replies := map[byte][]byte{
		'T': prototest.AppendInfo(nil, &proto.Info{
			Protocol: 17, Name: long, Map: []byte(nasty), Folder: []byte(nasty), Game: []byte(nasty), Version: []byte(nasty),
			HasEDF: true, EDF: 0x20, Keywords: []byte(nasty),
		}),
		'U': prototest.AppendPlayers(nil, &proto.PlayerList{Count: 1, List: []proto.Player{{Name: long, Duration: 1}}}),
		'V': prototest.AppendRules(nil, &proto.RuleList{Count: 1, List: []proto.Rule{{Name: []byte(nasty), Value: long}}}),
	}
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n > 4 {
				_, _ = conn.WriteTo(replies[buf[4]], from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// requirePlain requires that b holds nothing that a terminal would obey, besides
// the ends of lines.
func requirePlain(t testing.TB, what string, b []byte) {
	t.Helper()
	require.NotEmpty(t, b, what)
	for _, r := range string(b) {
		if r == '\n' {
			continue
		}
		require.False(t, r < ' ' || r >= 0x7F && r <= 0x9F || r >= 0x2028 && r <= 0x202E || r == 0xFFFE, "%s: %q", what, r)
	}
}

// No byte of a server reaches a terminal as it is, and none breaks a line.
func TestTerminalEscapes(t *testing.T) {
	t.Parallel()
	server := startNasty(t)
	for _, args := range [][]string{
		{"query", server},
		{"query", "--json", server},
		{"scan", "-v", "--query", "info,players,rules", "--raw", "-u", "-", "-m", "-", server},
		// What users and files say is shown too.
		{"scan", "-v", "-m", "-", server, "\x1b[31mname.invalid", "\u009b2J\n", "\x7f\u202e"},
		{"scan", "-f", "\x1b[2Jlist"},
		{"\x1b[31m"},
	} {
		p := start(t, args...)
		_, rss := p.end(t)
		if p.stdout.Len() > 0 {
			requirePlain(t, "stdout of "+args[0], p.stdout.Bytes())
		}
		if p.stderr.Len() > 0 {
			requirePlain(t, "stderr of "+args[0], p.stderr.Bytes())
		}
		require.Less(t, rss, int64(200<<20))
	}

	var stdout, stderr bytes.Buffer
	record := `{"schema":1,"seq":1,"status":"success","ip":"fe80::1%\u009b31m\u007f\u202e","port":1,"raw":[{"t_ms":0,"dir":"rx","b64":"/////2wbWzMxbQA="}]}`
	require.Zero(t, run([]string{"decode", "-"}, strings.NewReader(record), &stdout, &stderr), stderr.String())
	requirePlain(t, "stdout of decode", stdout.Bytes())

	p := start(t, "scan", "-q", "--query", "info,players,rules", server)
	status, _ := p.end(t)
	require.Zero(t, status)
	require.Equal(t, 1, strings.Count(p.stdout.String(), "\n"))
	r := parseOne(t, p.stdout.Bytes())
	require.Equal(t, output.Success, r.Status)
}

// A scan that is stopped for longer than every timeout has its answers in the
// socket's buffer when it goes on: they are answers.
func TestStoppedAndContinued(t *testing.T) {
	t.Parallel()
	f := newFixtureOf(t, "127.64.0.0/20", prototest.Shares{DelayMin: 100 * time.Millisecond, DelayMax: 400 * time.Millisecond})
	path := filepath.Join(t.TempDir(), "out.ndjson")
	// Servers have seconds for an answer, and the test as long to stop the scan.
	const timeout, stop = 4 * time.Second, 5500 * time.Millisecond
	p := start(t, "scan", "-r", "700", "--timeout", timeout.String(), "--retries", "0", "-t", timeout.String(),
		"-p", strconv.Itoa(int(f.port)), "-o", path, f.prefix.String())
	awaitContent(t, path)
	require.NoError(t, p.Process.Signal(syscall.SIGSTOP))
	time.Sleep(stop)
	require.NoError(t, p.Process.Signal(syscall.SIGCONT))
	status, _ := p.end(t)
	require.Zero(t, status, p.stderr.String())
	require.Greater(t, readMetadata(t, path).DurationS, dataset.Decimal(stop.Seconds()), "or it was over before")
	f.requireTruth(t, path)
}

// A change of the file during the scan is reported, with status 1; the metadata describes the
// scan's own records and is never written next to another scan's.
func TestOutputMovedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/22")
	for _, test := range []struct {
		name     string
		do       func(path string) error
		says     string
		metadata bool // it tells of the end
	}{
		{"renamed", func(path string) error { return os.Rename(path, path+".1") }, "removed or renamed", true},
		{"replaced", func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		}, "replaced by another file", false},
		{"cut", func(path string) error { return os.Truncate(path, 0) }, "another program has changed it", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "out.ndjson")
			p := start(t, f.args(path, "-r", "20")...) // for most of a minute, if it were not interrupted
			awaitContent(t, path)
			require.NoError(t, test.do(path))
			require.NoError(t, p.Process.Signal(syscall.SIGINT))
			status, _ := p.end(t)
			require.Equal(t, 1, status, p.stderr.String())
			require.Contains(t, p.stderr.String(), path+": ")
			require.Contains(t, p.stderr.String(), test.says)
			require.Contains(t, p.stderr.String(), "a2scan: hint: ")
			if !test.metadata { // what stands there may be another's by now
				require.Empty(t, readMetadata(t, path).EndReason)
				return
			}
			m := readMetadata(t, path)
			require.Equal(t, dataset.EndError, m.EndReason)
			require.Positive(t, m.Output.Records)
		})
	}
}

// A full disk ends the scan with status 1 and a message, the records before it
// are whole, the metadata says so, and with free space the scan resumes.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("no right to make a small disk: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	f := newFixture(t, "127.64.0.0/22")
	f.want = proto.WantInfo | proto.WantPlayers | proto.WantRules
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, file)
			args := f.args(path, "--query", "info,players,rules", "-r", "20000", "--raw")
			status, stderr := inProcess(args...)
			require.Equal(t, 1, status, stderr)
			require.Contains(t, stderr, "no space left on device")
			require.Contains(t, stderr, "a2scan: hint: ")
			m := readMetadata(t, path)
			require.Equal(t, dataset.EndError, m.EndReason)
			found := 0
			for line, err := range dataset.Lines(path) {
				require.NoError(t, err)
				_, ok := seqOf(line)
				require.True(t, ok)
				found++
			}
			require.EqualValues(t, found, m.Output.Records)

			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"))
			requireRun(t, append(args, "--resume")...)
			f.requireTruth(t, path)
			require.NoError(t, errors.Join(os.Remove(path), os.Remove(path+".meta.json")))
			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=128k"))
		})
	}
}

// Whenever a scan that takes an old file's place is killed, the metadata is never the new
// one's beside the old one's records: a list that is scanned each day would have
// yesterday's answers for today's.
func TestMetadataNeverPrecedesTheRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/28")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	meta := path + ".meta.json"
	requireRun(t, f.args(path)...)
	old := readFile(t, path)
	for i := range 20 {
		before, err := os.Stat(meta)
		require.NoError(t, err)
		p := start(t, f.args(path)...)
		changed := false
		for began := time.Now(); !changed && time.Since(began) < time.Minute; {
			now, err := os.Stat(meta)
			// It changes twice, and the second time the system may use what was the old one's.
			changed = err == nil && (!os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime()))
		}
		_ = p.Process.Kill() // as soon as it can be seen
		p.end(t)
		require.True(t, changed, p.stderr.String())
		require.False(t, bytes.Equal(old, readFile(t, path)), "kill %d", i)
		require.NoError(t, os.WriteFile(path, old, 0o666))
	}
}

// A disk without room for what a scan needs at its beginning costs nothing of an earlier one's.
func TestFullDiskAtTheBeginning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no right to make a small disk: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	f := newFixture(t, "127.64.0.0/27")
	path := filepath.Join(dir, "out.ndjson")
	requireRun(t, f.args(path)...)
	records, meta := readFile(t, path), readFile(t, path+".meta.json")
	filler, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 512))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)

	status, stderr := inProcess(f.args(path)...)
	require.Equal(t, 1, status, stderr)
	require.Contains(t, stderr, "cannot write metadata: ")
	require.Contains(t, stderr, "no space left on device")
	require.Equal(t, records, readFile(t, path))
	require.Equal(t, meta, readFile(t, path+".meta.json"))
}

// So does a limit on the size of files, which needs no rights to try.
func TestFileSizeLimit(t *testing.T) {
	f := newFixture(t, "127.64.0.0/22")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	args := append([]string{"-c", `ulimit -f 512; exec a2scan "$@"`, "sh"}, f.args(path)...)
	var stderr bytes.Buffer
	cmd := exec.Command("sh", args...)
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	require.Equal(t, 1, exit.ExitCode(), stderr.String())
	require.Contains(t, stderr.String(), "file too large")
	require.Contains(t, stderr.String(), "a2scan: hint: ")
	require.Contains(t, stderr.String(), "run it again with --resume")
	m := readMetadata(t, path)
	require.Equal(t, dataset.EndError, m.EndReason)
	found := len(seqs(t, path))
	require.NotZero(t, found)
	require.EqualValues(t, found, m.Output.Records)
	lost := m.Targets.Done + m.Targets.Aborted - uint64(found)
	require.NotZero(t, lost)
	require.Regexp(t, fmt.Sprintf("^%s records? (is|are) lost: not written$", thousands(lost)), m.Notes[0])
	require.NoError(t, m.Check(lost))
	requireRun(t, f.args(path, "--resume")...)
	f.requireTruth(t, path)
}

// A reader that leaves ends the scan, with and without a file of metadata.
func TestReaderLeaves(t *testing.T) {
	f := newFixture(t, "127.64.0.0/14")
	meta := filepath.Join(t.TempDir(), "meta.json")
	args := append([]string{"-c", `{ a2scan "$@"; echo $? >&3; } 3>&2 | head -n 1`, "sh"}, f.args("-", "-q", "-r", "2000", "-m", meta)...)
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("sh", args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	require.NoError(t, cmd.Run())
	require.Less(t, time.Since(began), time.Minute, "the scan would take more than two")
	require.Equal(t, "1\n", stderr.String(), "status 1, and not a word")
	parseOne(t, stdout.Bytes())
	m, err := dataset.ReadMetadata(meta)
	require.NoError(t, err)
	require.Equal(t, dataset.EndError, m.EndReason)
	require.Contains(t, strings.Join(m.Notes, "\n"), " lost: not written")
}

// So does one that leaves while there is nothing to write, since the filter wants none.
func TestReaderLeavesAFilteredScan(t *testing.T) {
	t.Parallel()
	meta := filepath.Join(t.TempDir(), "meta.json")
	cmd := exec.Command("sh", "-c", `{ a2scan "$@"; echo $? >&3; } 3>&2 | true`, "sh", "scan", "-q", "-r", "1",
		"--filter", "success", "--max-runtime", "1m", "-m", meta, "127.64.0.0/16:"+strconv.Itoa(closedPort(t)))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Run())
	require.Equal(t, "1\n", stderr.String(), "status 1, and not a word")
	m, err := dataset.ReadMetadata(meta)
	require.NoError(t, err)
	require.Equal(t, dataset.EndError, m.EndReason)
	require.Less(t, m.Targets.Done, uint64(60), "it did not go on to the end")
}

// A signal after the end of the scan does not lose the metadata: writing it may take a
// while to write.
func TestInterruptedAtTheEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/30")
	for signals := range 3 {
		path, meta := filepath.Join(t.TempDir(), "out.ndjson"), filepath.Join(t.TempDir(), "meta")
		require.NoError(t, syscall.Mkfifo(meta, 0o666))
		reader, err := os.OpenFile(meta, os.O_RDWR, 0)
		require.NoError(t, err)
		defer reader.Close()
		filling := fill(t, reader)

		p := start(t, f.args(path, "-m", meta, "-u", path+".updates")...)
		awaitContent(t, path+".updates") // the last one; next it writes into the full pipe
		p.interrupt(t, signals)
		time.Sleep(100 * time.Millisecond)
		_, err = io.CopyN(io.Discard, reader, filling)
		require.NoError(t, err)
		status, _ := p.end(t)
		require.Zero(t, status, p.stderr.String())
		require.NoError(t, reader.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		b, err := io.ReadAll(reader)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var m dataset.Metadata
		require.NoError(t, json.Unmarshal(b, &m), "%s", b)
		require.Equal(t, dataset.EndComplete, m.EndReason)
	}
}

// Two interrupts end a scan at once even if its output is not read, and it says
// what that has cost.
func TestInterruptedTwiceWithoutAReader(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/20")
	meta := filepath.Join(t.TempDir(), "meta.json")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	p := startWith(t, w, f.args("-", "-r", "0", "-m", meta)...)
	require.NoError(t, w.Close())
	_, err = r.Read(make([]byte, 1)) // it has begun; the pipe will soon be full
	require.NoError(t, err)
	time.Sleep(500 * time.Millisecond)
	p.interrupt(t, 2)
	late := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() })
	defer late.Stop()
	status, _ := p.end(t)
	require.Equal(t, 130, status, p.stderr.String())
	require.Contains(t, p.stderr.String(), "their reader stalled\n")
	require.Contains(t, p.stderr.String(), " lost: not written\n")
	require.NotContains(t, p.stderr.String(), "bug")
	m, err := dataset.ReadMetadata(meta)
	require.NoError(t, err)
	require.Equal(t, dataset.EndInterrupted, m.EndReason)

	// Whoever comes too late finds whole lines in the pipe, as many as the metadata says.
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NotEmpty(t, b)
	require.EqualValues(t, '\n', b[len(b)-1], "%s", b[max(0, len(b)-200):])
	require.EqualValues(t, m.Output.Records, bytes.Count(b, []byte{'\n'}))
}

// awaitFile waits until a file is there.
func awaitFile(t testing.TB, path string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(path)
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
}

// awaitContent waits until there is something in a file.
func awaitContent(t testing.TB, path string) {
	t.Helper()
	require.Eventually(t, func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 0
	}, 20*time.Second, 5*time.Millisecond)
}

// fill writes into a pipe until it is full, and returns how much that was.
func fill(t testing.TB, pipe *os.File) int64 {
	t.Helper()
	n := 0
	for n == 0 {
		require.NoError(t, pipe.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		var err error
		n, err = pipe.Write(make([]byte, 1<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	return int64(n)
}

// stuffed returns the write end of a full pipe without a reader.
func stuffed(t testing.TB) *os.File {
	t.Helper()
	var ends [2]int
	require.NoError(t, syscall.Pipe2(ends[:], syscall.O_CLOEXEC))
	r, w := os.NewFile(uintptr(ends[0]), "r"), os.NewFile(uintptr(ends[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	require.NoError(t, syscall.SetNonblock(ends[1], true))
	for {
		if _, err := syscall.Write(ends[1], make([]byte, 512)); err != nil {
			break
		}
	}
	require.NoError(t, syscall.SetNonblock(ends[1], false))
	return w
}

// Whoever does not read what a scan says keeps it neither from its end nor from what is
// written of it, with and without a signal.
func TestMessagesWithoutAReader(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/26")
	list := filepath.Join(t.TempDir(), "list")
	require.NoError(t, os.WriteFile(list, []byte(strings.Repeat("127.0.0.1:99999\n", 200)+f.prefix.String()+"\n"), 0o666))
	for name, c := range map[string]struct {
		signals int
		args    []string
		status  int
	}{
		"to its end":       {0, []string{f.prefix.String()}, 0},
		"interrupted":      {1, []string{"-r", "4", f.prefix.String()}, 130},
		"with much to say": {0, []string{"-f", list}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "out.ndjson")
			args := override([]string{"scan", "-r", "0", "--per-ip-rate", "0", "-p", strconv.Itoa(int(f.port)), "-o", path}, c.args...)
			p := &process{Cmd: exec.Command("a2scan", args...)}
			p.Stderr = stuffed(t)
			require.NoError(t, p.Start())
			p.memory = memory.Of(p.Process)
			t.Cleanup(func() { _ = p.Process.Kill() })
			awaitFile(t, path+".meta.json") // it has begun, and hears signals
			time.Sleep(300 * time.Millisecond)
			for range c.signals {
				require.NoError(t, p.Process.Signal(syscall.SIGINT))
			}
			status, _ := p.end(t)
			require.Equal(t, c.status, status)
			m := readMetadata(t, path)
			require.NotEmpty(t, m.EndReason)
			require.NoError(t, m.Check(0))
			if c.status == 0 {
				f.requireTruth(t, path)
			}
			require.Regexp(t, `messages? (was|were) lost: the reader of standard error stalled`, strings.Join(m.Notes, "\n"))
		})
	}
}

// Two interrupts end a scan even if its messages are not read.
func TestInterruptedTwiceWithoutAReaderOfMessages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/20")
	list := filepath.Join(t.TempDir(), "list")
	require.NoError(t, os.WriteFile(list, []byte(strings.Repeat("127.0.0.1:99999\n", 1000)+f.prefix.String()), 0o666))
	for _, more := range [][]string{nil, {"-q"}} {
		requireWithin(t, patience+2*time.Second, func() time.Duration {
			path := filepath.Join(t.TempDir(), "out.ndjson")
			args := override([]string{"scan", "-r", "500", "--per-ip-rate", "0", "-p", strconv.Itoa(int(f.port)), "-f", list, "-o", path}, more...)
			p := &process{Cmd: exec.Command("a2scan", args...)}
			p.Stderr = stuffed(t)
			require.NoError(t, p.Start())
			p.memory = memory.Of(p.Process)
			t.Cleanup(func() { _ = p.Process.Kill() })
			awaitFile(t, path+".meta.json")
			time.Sleep(300 * time.Millisecond)
			began := time.Now()
			p.interrupt(t, 2)
			status, _ := p.end(t)
			require.Equal(t, 130, status)
			return time.Since(began)
		})
	}
}

// Two interrupts end a dry run whose output is not read.
func TestDryRunInterruptedTwiceWithoutAReader(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	p := startWith(t, w, "scan", "-d", "127.0.0.0/8")
	require.NoError(t, w.Close())
	_, err = r.Read(make([]byte, 1)) // it prints, and hears signals; the pipe is soon full
	require.NoError(t, err)
	time.Sleep(300 * time.Millisecond)
	p.interrupt(t, 2)
	late := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() })
	defer late.Stop()
	status, _ := p.end(t)
	require.Equal(t, 130, status, p.stderr.String())
	require.Empty(t, p.stderr.String())
}

// A scan waits for the reader of a pipe; a signal ends the wait.
func TestInterruptedBeforeTheReaderCame(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/30")
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o666))
	for signals, within := range map[int]time.Duration{1: patience + 2*time.Second, 2: patience - 500*time.Millisecond} {
		requireWithin(t, within, func() time.Duration {
			meta := filepath.Join(t.TempDir(), "meta.json")
			p := start(t, f.args(pipe, "-q", "-m", meta)...)
			require.Eventually(t, func() bool { // it opens its files, and hears signals
				tmp, err := filepath.Glob(filepath.Join(filepath.Dir(meta), ".meta.json.*.tmp"))
				return err == nil && len(tmp) == 1
			}, 20*time.Second, 5*time.Millisecond)
			time.Sleep(300 * time.Millisecond)
			began := time.Now()
			p.interrupt(t, signals)
			status, _ := p.end(t)
			require.Equal(t, 130, status, p.stderr.String())
			return time.Since(began)
		})
	}
}

// Status updates that are not read do not delay the end of a scan, and it says so.
func TestStatusUpdatesWithoutAReader(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	dir := t.TempDir()
	pipe, path := filepath.Join(dir, "pipe"), filepath.Join(dir, "out.ndjson")
	require.NoError(t, syscall.Mkfifo(pipe, 0o666))
	full, err := os.OpenFile(pipe, os.O_RDWR, 0)
	require.NoError(t, err)
	defer full.Close()
	fill(t, full)

	p := start(t, f.args(path, "-r", "1000", "-u", pipe)...)
	status, _ := p.end(t)
	require.Equal(t, 1, status)
	require.Contains(t, p.stderr.String(), "cannot write status updates: the reader stalled")
	f.requireTruth(t, path)
}

// Two interrupts end a scan at once, and the scan can be gone on with.
func TestInterruptedTwiceAndResumed(t *testing.T) {
	t.Parallel()
	slow := honest
	slow.DelayMin, slow.DelayMax = 100*time.Millisecond, 300*time.Millisecond
	f := newFixtureOf(t, "127.64.0.0/19", slow)
	path := filepath.Join(t.TempDir(), "out.ndjson.gz")
	args := f.args(path, "-r", "500") // 16 s, of which each interrupt takes half a second
	interrupted := func(signals int) *dataset.Metadata {
		p := start(t, append(args, "--resume")...)
		// The metadata says when it has begun; some targets then are in flight.
		require.Eventually(t, func() bool {
			m, err := dataset.ReadMetadata(path + ".meta.json")
			return err == nil && m.EndReason == ""
		}, 20*time.Second, 5*time.Millisecond)
		time.Sleep(400 * time.Millisecond)
		p.interrupt(t, signals)
		status, _ := p.end(t)
		require.Equal(t, 130, status, p.stderr.String())
		m := readMetadata(t, path)
		require.Equal(t, dataset.EndInterrupted, m.EndReason)
		require.NoError(t, m.Check(0))
		return m
	}
	require.Zero(t, interrupted(1).Targets.Aborted)
	aborted := uint64(0)
	for try := 0; try < 5 && aborted == 0; try++ { // where the second comes late all have answered
		aborted = interrupted(2).Targets.Aborted
	}
	require.Positive(t, aborted)
	requireRun(t, f.args(path, "--resume")...)
	f.requireTruth(t, path)
}

func parseOne(t testing.TB, line []byte) *output.Record {
	t.Helper()
	r := new(output.Record)
	require.NoError(t, output.Unmarshal(line, r))
	return r
}

// Replies that the socket dropped are counted and said, with what to do, and their
// servers are found by a later try.
func TestDropsAreSaid(t *testing.T) {
	t.Parallel()
	slow := honest
	slow.DelayMin, slow.DelayMax = 50*time.Millisecond, 150*time.Millisecond
	f := newFixtureOf(t, "127.64.0.0/23", slow)
	// A hundred answers are on their way when it is stopped, and two fit into the smallest
	// buffer there is; but on a busy machine it may be over before.
	var path string
	var p *process
	var m *dataset.Metadata
	for try := 0; try < 10 && (m == nil || m.Socket.RxDropped == 0); try++ {
		path = filepath.Join(t.TempDir(), "out.ndjson")
		p = start(t, f.args(path, "-r", "1000", "--rcvbuf", "1", "--timeout", "500ms", "--retries", "30", "-t", "2m")...)
		awaitContent(t, path)
		require.NoError(t, p.Process.Signal(syscall.SIGSTOP))
		time.Sleep(300 * time.Millisecond)
		require.NoError(t, p.Process.Signal(syscall.SIGCONT))
		status, _ := p.end(t)
		require.Zero(t, status, p.stderr.String())
		m = readMetadata(t, path)
	}
	require.Positive(t, m.Socket.RxDropped)
	require.Positive(t, m.Packets.Retransmits)
	require.Regexp(t, `a2scan: this machine dropped [0-9,]+ repl(y|ies): the receive buffer was full\na2scan: hint: raise net\.core\.rmem_max`, p.stderr.String())
	require.Regexp(t, `this machine dropped [0-9,]+ repl`, strings.Join(m.Notes, "\n"))
	f.requireTruth(t, path)
}

// If no reply came at all, a hint says what the reason may be.
func TestNothingHeardIsSaid(t *testing.T) {
	t.Parallel()
	f := newFixtureOf(t, "127.64.0.0/28", prototest.Shares{Silent: 100})
	path := filepath.Join(t.TempDir(), "out.ndjson")
	status, stderr := inProcess(f.args(path, "--timeout", "50ms", "--retries", "0")...)
	require.Zero(t, status, stderr)
	require.Contains(t, stderr, "a2scan: no reply\na2scan: hint: a firewall may drop the packets")
	f.requireTruth(t, path)
}
