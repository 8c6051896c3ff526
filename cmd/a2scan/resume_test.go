package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A fixture is a farm in this process and a prefix of it that tests scan.
type fixture struct {
	world  *prototest.World
	farm   *farm.Farm
	port   uint16
	prefix netip.Prefix
	want   proto.Kinds
}

// honest are servers that answer all that they are asked, each in its own way: what
// a scan of them misses was lost by the scan.
var honest = prototest.Shares{Challenge: 60, GoldSource: 10, Ship: 3, Split: 30, BZip2: 5, Duplicate: 5, Reorder: 10}

// newFixture starts a farm of honest servers.
func newFixture(t testing.TB, prefix string) *fixture { return newFixtureOf(t, prefix, honest) }

func newFixtureOf(t testing.TB, prefix string, shares prototest.Shares) *fixture {
	t.Helper()
	if farm.DefaultListen().IsSingleIP() {
		t.Skip("this system has no loopback network of many addresses")
	}
	f := &fixture{
		world:  &prototest.World{Seed: 11, Shares: shares},
		prefix: netip.MustParsePrefix(prefix),
		want:   proto.WantInfo,
	}
	served, err := farm.Start(context.Background(), farm.Config{Ports: []uint16{0}, Service: f.world})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, served.Close()) })
	f.farm, f.port = served, served.Ports()[0]
	return f
}

// size returns how many targets there are.
func (f *fixture) size() int { return 1 << (32 - f.prefix.Bits()) }

// args returns the command line of a scan of all of them into out.
func (f *fixture) args(out string, more ...string) []string {
	return override([]string{"scan", "-r", "0", "--per-ip-rate", "0", "--timeout", "1s", "--retries", "5", "-e", "7",
		"-p", strconv.Itoa(int(f.port)), "-o", out}, append(more, f.prefix.String())...)
}

func (f *fixture) targets() iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		for a := f.prefix.Addr(); f.prefix.Contains(a); a = a.Next() {
			if !yield(netip.AddrPortFrom(a, f.port)) {
				return
			}
		}
	}
}

// requireTruth requires that the file has a record of every target, once, with
// the true values, and that the metadata says the same.
func (f *fixture) requireTruth(t testing.TB, path string) {
	t.Helper()
	report, err := farm.Verify(f.world, farm.Lines(path), farm.VerifyOptions{Want: f.want, Targets: f.targets()})
	require.NoError(t, err)
	require.True(t, report.OK(), "%v", report)
	require.EqualValues(t, f.size(), report.Records)
	require.Zero(t, report.Aborted)

	m := readMetadata(t, path)
	require.NoError(t, m.Check(0))
	require.Equal(t, dataset.EndComplete, m.EndReason)
	require.EqualValues(t, f.size(), m.Output.Records)
	bytesRead := int64(0)
	for line := range farm.Lines(path) {
		bytesRead += int64(len(line)) + 1
	}
	require.Equal(t, bytesRead, m.Output.Bytes)
	if m.Output.CompressedBytes != nil {
		require.EqualValues(t, len(readFile(t, path)), *m.Output.CompressedBytes)
	}
}

func readMetadata(t testing.TB, path string) *dataset.Metadata {
	t.Helper()
	m, err := dataset.ReadMetadata(path + ".meta.json")
	require.NoError(t, err)
	return m
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// inProcess runs the program in this process, and returns its exit status and
// what it wrote to standard error.
func inProcess(args ...string) (int, string) {
	var stderr bytes.Buffer
	status := run(args, strings.NewReader(""), new(bytes.Buffer), &stderr)
	return status, stderr.String()
}

// requireRun requires that the program, run in this process, ends with status 0.
func requireRun(t testing.TB, args ...string) {
	t.Helper()
	status, stderr := inProcess(args...)
	require.Zero(t, status, "a2scan %s\n%s", strings.Join(args, " "), stderr)
}

// seqs returns how many records each target has in a file that may be cut off.
func seqs(t testing.TB, path string) map[uint64]int {
	t.Helper()
	n := map[uint64]int{}
	r, err := dataset.OpenReader(path)
	require.NoError(t, err)
	defer r.Close()
	for {
		line, err := r.Next()
		if err != nil {
			return n
		}
		seq, ok := output.Seq(line)
		require.True(t, ok, "%s", line)
		n[seq]++
	}
}

var endings = map[string]string{"plain": "out.ndjson", "zstd": "out.ndjson.zst", "gzip": "out.ndjson.gz"}

// killAfter starts the program, ends it by SIGKILL after d, and reports whether
// it was still running then. A program that ended before must have done well.
func killAfter(t testing.TB, d time.Duration, args ...string) bool {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("a2scan", args...)
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	time.Sleep(d)
	_ = cmd.Process.Kill()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true
	}
	require.NoError(t, err, stderr.String())
	return false
}

// A scan that is killed again and again, at any moment, and resumed each time,
// leaves one true record of every target. A2SCAN_KILLS says how often each form
// of file is killed in all; scans then are of 32,768 targets instead of 1,024.
func TestResumeKilled(t *testing.T) {
	t.Parallel()
	kills, prefix, rate := 3, "127.64.0.0/22", "4000"
	if s := os.Getenv("A2SCAN_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		kills, prefix, rate = n, "127.64.0.0/17", "60000"
	} else if testing.Short() {
		kills = 2
	}
	f := newFixture(t, prefix)
	f.want = proto.WantInfo | proto.WantPlayers | proto.WantRules
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			scans, done, left := 0, 0, 0
			for done < kills {
				path := filepath.Join(t.TempDir(), file)
				args := f.args(path, "-q", "--resume", "--query", "info,players,rules", "-r", rate)
				scans++
				for running, n := true, 0; running && n < 8 && done < kills; n++ {
					// Most moments are early, so that a scan is killed several
					// times; some are after the compressor's first frame.
					d := time.Duration(random.ExpFloat64() * float64(200*time.Millisecond))
					if n%3 == 2 {
						d += time.Second
					}
					if running = killAfter(t, d, args...); running {
						done++
						if info, err := os.Stat(path); err == nil && info.Size() > 0 {
							left++
						}
					}
				}
				requireRun(t, args...)
				f.requireTruth(t, path)
			}
			t.Logf("%d scans, killed %d times, %d of them with records in the file; seed %d", scans, done, left, seed)
		})
	}
}

// Wherever the file of a finished scan is cut, Recover keeps a beginning of its
// records, and the scan can be gone on with. A2SCAN_CUTS=all takes a larger file
// and every byte of its last 64 KiB; otherwise it is 300 places of a small one,
// and package output cuts a smaller one yet at every byte.
func TestResumeCutAnywhere(t *testing.T) {
	t.Parallel()
	all := os.Getenv("A2SCAN_CUTS") == "all"
	f := newFixture(t, "127.64.0.0/26")
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			if all { // as many as fill 64 KiB, roughly
				f.prefix = netip.MustParsePrefix("127.64.0.0/23")
				if name == "plain" {
					f.prefix = netip.MustParsePrefix("127.64.0.0/25")
				}
			}
			path := filepath.Join(t.TempDir(), file)
			requireRun(t, f.args(path, "-q", "--max-runtime", "1h")...)
			f.requireTruth(t, path)
			// Two frames, of which the second is what a resumed run adds.
			whole := readFile(t, path)
			meta := readFile(t, path+".meta.json")
			require.NoError(t, os.WriteFile(path, whole[:len(whole)/2], 0o666))
			requireRun(t, f.args(path, "-q", "--resume")...)
			whole = readFile(t, path)

			var order []uint64
			for line := range farm.Lines(path) {
				seq, _ := output.Seq(line)
				order = append(order, seq)
			}
			require.Len(t, order, f.size())

			step := 1
			if !all {
				step = len(whole)/300 | 1
			}
			first := max(0, len(whole)-64<<10)
			before := -1
			var ends []int // for each number of records that is left, the longest beginning that leaves it
			for n := len(whole); n >= first; n -= step {
				require.NoError(t, os.WriteFile(path, whole[:n], 0o666))
				i := 0
				kept, err := dataset.Recover(path, func(line []byte) error {
					seq, ok := output.Seq(line)
					if !ok || i >= len(order) || seq != order[i] {
						return fmt.Errorf("record %d is not that of target %d: %s", i, order[i], line)
					}
					i++
					return nil
				})
				require.NoError(t, err, "cut at %d", n)
				require.EqualValues(t, i, kept.Lines, "cut at %d", n)
				if before >= 0 {
					require.LessOrEqual(t, i, before, "cut at %d: less was left, and more was found", n)
				}
				if i != before {
					ends = append(ends, n)
				}
				before = i
			}

			// What a resumed run does depends on the records that are left alone: one cut
			// for each number of them stands for all cuts.
			resumes := ends
			if !all {
				resumes = nil
				for range 4 {
					resumes = append(resumes, first+rand.IntN(len(whole)-first))
				}
			}
			t.Logf("%d cuts of %d bytes leave %d different numbers of records; %d are gone on with", (len(whole)-first)/step+1, len(whole), len(ends), len(resumes))
			for _, n := range resumes {
				require.NoError(t, os.WriteFile(path, whole[:n], 0o666))
				require.NoError(t, os.WriteFile(path+".meta.json", meta, 0o666))
				requireRun(t, f.args(path, "-q", "--resume")...)
				f.requireTruth(t, path)
			}
		})
	}
}

// A file that holds another scan's records is not gone on with: the program says
// what differs, and leaves the file as it was.
func TestResumeAnotherScan(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/27")
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		return path
	}
	list := file("list", "127.64.0.0/27\n")
	longer := file("longer", "127.64.0.0/27\n127.64.1.0\n")
	none := file("none", "192.0.2.1\n")
	one := file("one", "127.64.0.9\n")
	port := strconv.Itoa(int(f.port))
	base := map[string]string{"-e": "7", "-p": port, "-f": list, "--query": "info", "--shards": "2", "--shard": "1", "-b": none}
	for name, c := range map[string]struct {
		flag, value string
		names       string
	}{
		"another list":       {"-f", longer, "the content of --input-file was "},
		"another seed":       {"-e", "8", "--seed was 7, and is 8 now"},
		"other queries":      {"--query", "info,players", "--query was info, and is info,players now"},
		"another shard":      {"--shard", "0", "--shard was 1, and is 0 now"},
		"more shards":        {"--shards", "3", "--shards was 2, and is 3 now"},
		"another port":       {"-p", "1,3", "--target-ports was " + port + ", and is 1,3 now"},
		"another blocklist":  {"-b", one, "the content of --blocklist-file was "},
		"an allowlist":       {"-w", list, "the content of --allowlist-file was empty, and is "},
		"an exclusion":       {"--exclude", "127.64.0.9", "--exclude was empty, and is 127.64.0.9 now"},
		"another order":      {"--shuffle=true", "", "--shuffle was false, and is true now"},
		"duplicates":         {"--no-dedup=true", "", "--no-dedup was false, and is true now"},
		"another filter":     {"--filter", "success", "--filter was empty, and is success now"},
		"targets as well":    {"", "127.64.1.0", "the list of TARGETs was empty, and is 127.64.1.0 now"},
		"another TARGET":     {"", "127.64.1.0 x", "the list of TARGETs was empty, and is '127.64.1.0 x' now"},
		"another compressor": {"--compress", "zstd", "it is plain, and this run would write zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.ndjson")
			run := func(flags map[string]string, more ...string) (int, string) {
				args := []string{"scan", "-r", "0", "--per-ip-rate", "0", "-o", path}
				for k, v := range flags {
					if v == "" {
						args = append(args, k)
					} else {
						args = append(args, k, v)
					}
				}
				return inProcess(append(args, more...)...)
			}
			status, stderr := run(base)
			require.Zero(t, status, stderr)
			// The end of a scan that was killed: it stays, like the rest.
			before := append(readFile(t, path), `{"schema":1,"seq":`...)
			require.NoError(t, os.WriteFile(path, before, 0o666))
			meta := readFile(t, path+".meta.json")

			flags := map[string]string{}
			for k, v := range base {
				flags[k] = v
			}
			var more []string
			if c.flag == "" {
				more = append(more, c.value)
			} else {
				flags[c.flag] = c.value
			}
			status, stderr = run(flags, append(more, "--resume")...)
			require.Equal(t, 2, status, stderr)
			require.Contains(t, stderr, "a2scan: cannot resume "+path+": ")
			require.Contains(t, stderr, c.names)
			require.Contains(t, stderr, "a2scan: hint: ")
			require.Equal(t, string(before), string(readFile(t, path)))
			require.Equal(t, string(meta), string(readFile(t, path+".meta.json")))

			// With what it was, it is gone on with.
			status, stderr = run(base, "--resume")
			require.Zero(t, status, stderr)
			require.Len(t, seqs(t, path), 17, "the shard's")
		})
	}
}

// Where a scan that goes on stands is where its file stands.
func TestResumeUpdates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/21")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	requireRun(t, f.args(path, "-n", "1000")...)
	requireRun(t, f.args(path, "-r", "1000", "--resume", "-u", path+".updates")...)
	m := readMetadata(t, path)
	var last dataset.Update
	for line := range bytes.Lines(readFile(t, path+".updates")) {
		var u dataset.Update
		require.NoError(t, json.Unmarshal(line, &u))
		require.EqualValues(t, f.size(), *u.Targets.Total)
		require.GreaterOrEqual(t, u.Targets.Done, uint64(1000))
		last = u
	}
	require.EqualValues(t, f.size(), last.Targets.Done)
	require.Equal(t, m.Statuses, last.Statuses)
	require.Equal(t, m.Output.Records, last.Output.Records)
	require.Equal(t, m.Output.Bytes, last.Output.Bytes)
	require.Equal(t, m.Input.Targets, last.Input.Targets)
	f.requireTruth(t, path)
}

// Metadata that is about other records than those beside it, since files were moved, or
// an -m sent the newer elsewhere, does not make these the scan's: they are compared.
func TestResumeMetadataOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/27")
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, file)
			requireRun(t, f.args(path)...)
			other := *f
			other.prefix = netip.MustParsePrefix("127.64.1.0/27")
			requireRun(t, other.args(path, "-n", "10", "-m", filepath.Join(dir, "elsewhere"))...)
			before, meta := readFile(t, path), readFile(t, path+".meta.json")
			status, stderr := inProcess(f.args(path, "--resume")...)
			require.Equal(t, 2, status, stderr)
			require.Regexp(t, `target \d was 127\.64\.1\.\d:\d+, and is 127\.64\.0\.\d:\d+ now`, stderr)
			require.Equal(t, before, readFile(t, path))
			require.Equal(t, meta, readFile(t, path+".meta.json"))

			// A number that the list does not have is nothing that is done.
			requireRun(t, f.args(path)...)
			if name == "plain" {
				b := bytes.Replace(readFile(t, path), []byte(`"seq":31,`), []byte(`"seq":300,`), 1)
				require.NoError(t, os.WriteFile(path, b, 0o666))
				status, stderr = inProcess(f.args(path, "--resume")...)
				require.Equal(t, 2, status, stderr)
				require.Contains(t, stderr, "1 target that has a record is not in the list")
			}
		})
	}
}

// To go on with what is finished sends nothing and changes nothing, be it a byte of
// the metadata: also where the records alone don't tell, since --filter left some
// out, or since -N ended the scan.
func TestResumeFinished(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	closed := fmt.Sprintf("127.64.1.0/28:%d", closedPort(t))
	for name, file := range endings {
		for how, more := range map[string][]string{
			"whole":       {},
			"filter":      {"--filter", "refused", closed},
			"max results": {"-N", "100"},
			"none":        {"-N", "100", "--filter", "blocked"},
			"max targets": {"-n", "100"},
			"some":        {"-n", "100", "-N", "20", "--filter", "success"},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), file)
				requireRun(t, f.args(path, more...)...)
				before, meta := readFile(t, path), readFile(t, path+".meta.json")
				for range 2 {
					status, stderr := inProcess(f.args(path, append(more, "--resume")...)...)
					require.Zero(t, status, stderr)
					require.Contains(t, stderr, " done before\na2scan: that was all: the scan has ended as ")
					require.Equal(t, before, readFile(t, path))
					require.Equal(t, meta, readFile(t, path+".meta.json"))
				}
				if how == "whole" {
					f.requireTruth(t, path)
				}
			})
		}
	}

	// Where more is wanted, or the file is not what the metadata tells of, the scan
	// goes on.
	path := filepath.Join(t.TempDir(), "out.ndjson")
	requireRun(t, f.args(path, "-n", "100")...)
	requireRun(t, f.args(path, "-n", "120", "--resume")...)
	require.Len(t, seqs(t, path), 120)
	b := readFile(t, path)
	require.NoError(t, os.WriteFile(path, b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1], 0o666))
	requireRun(t, f.args(path, "-n", "120", "--resume")...)
	require.Len(t, seqs(t, path), 120)
	requireRun(t, f.args(path, "--resume")...)
	f.requireTruth(t, path)
}

// -N counts what the file holds: a scan that was killed, or that more is wanted of, has
// in the end as many successes as one that was not.
func TestResumeMaxResults(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/22")
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), file)
			requireRun(t, f.args(path, "-N", "100", "-c", "8")...) // few are given up
			require.EqualValues(t, 100, readMetadata(t, path).Statuses[output.Success])
			b := readFile(t, path)
			require.NoError(t, os.WriteFile(path, b[:len(b)/2], 0o666))
			for _, c := range []struct{ wanted, have uint64 }{{100, 100}, {150, 150}, {120, 150}} {
				requireRun(t, f.args(path, "-N", strconv.FormatUint(c.wanted, 10), "--resume")...)
				m := readMetadata(t, path)
				require.Equal(t, c.have, m.Statuses[output.Success])
				require.Equal(t, dataset.EndMaxResults, m.EndReason)
				require.NoError(t, m.Check(0))
				require.EqualValues(t, m.Output.Records, len(seqs(t, path)))
				require.Equal(t, c.wanted == 120, m.Packets.Sent == 0)
			}
			requireRun(t, f.args(path, "--resume")...)
			f.requireTruth(t, path)
		})
	}
}

// Scans that ended early for any reason are gone on with, more than once.
func TestResumeAfterOtherEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/22")
	for name, c := range map[string]struct {
		first  []string
		status int
		reason dataset.EndReason
	}{
		// What is in flight is given up with a record: fewer than all must be.
		"max results": {[]string{"--max-results", "100", "-c", "8"}, 0, dataset.EndMaxResults},
		"max runtime": {[]string{"--max-runtime", "200ms", "-r", "1000"}, 0, dataset.EndMaxRuntime},
		"max targets": {[]string{"--max-targets", "300"}, 0, dataset.EndComplete},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.ndjson.zst")
			for _, resume := range []string{"--resume=false", "--resume"} {
				status, stderr := inProcess(f.args(path, append(c.first, resume)...)...)
				require.Equal(t, c.status, status, stderr)
				m := readMetadata(t, path)
				require.Equal(t, c.reason, m.EndReason)
				require.NoError(t, m.Check(0))
				n := len(seqs(t, path))
				require.EqualValues(t, n, m.Output.Records)
				require.Less(t, n, f.size())
			}
			requireRun(t, f.args(path, "--resume")...)
			f.requireTruth(t, path)
		})
	}
}

// Targets that a scan gave up, as a whole or in part, are asked again, and have
// one record.
func TestResumeAborted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/22")
	f.want = proto.WantInfo | proto.WantPlayers
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), file)
			args := f.args(path, "-q", "--query", "info,players")
			requireRun(t, args...)
			// As a second interrupt leaves them: a third of the records are of
			// targets that were given up, another of such as had answered INFO.
			var lines []byte
			gaveUp := 0
			for line := range farm.Lines(path) {
				var r output.Record
				require.NoError(t, output.Unmarshal(line, &r))
				one := abortedRecord(&r)
				switch r.Seq % 3 {
				case 1:
					one.Status, one.Info.Status, one.Info.Fields = output.Aborted, output.Aborted, 0
					one.Info.Error = one.Error
					fallthrough
				case 2:
					gaveUp++
					lines = output.AppendJSON(lines, one)
				default:
					lines = append(append(lines, line...), '\n')
				}
			}
			sink, err := dataset.OpenSink(path, dataset.SinkOptions{})
			require.NoError(t, err)
			require.NoError(t, sink.WriteLines(lines))
			require.NoError(t, sink.Close())

			requireRun(t, append(args, "--resume")...)
			f.requireTruth(t, path)
			m := readMetadata(t, path)
			require.Contains(t, strings.Join(m.Notes, "\n"), fmt.Sprintf("resumed: %d of the targets", f.size()-gaveUp))
		})
	}
}

// abortedRecord returns the record of a target that had answered INFO when the
// scan stopped.
func abortedRecord(r *output.Record) *output.Record {
	return &output.Record{
		Seq: r.Seq, Addr: r.Addr, Time: time.Unix(1_800_000_000, 0),
		Status: output.Partial, Error: "the scan stopped first", RTT: output.NoRTT,
		Info: &output.Info{
			Section: output.Section{Status: output.Success, RTT: output.NoRTT},
			Fields:  output.InfoName, Name: `,"status":"success",`, // no server can fake a status
		},
		Players: &output.Players{Section: output.Section{Status: output.Aborted, Error: "the scan stopped first", RTT: output.NoRTT}},
	}
}

// The metadata is a help, no condition.
func TestResumeMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	cut := func() {
		b := readFile(t, path)
		require.NoError(t, os.WriteFile(path, b[:len(b)/2], 0o666))
	}
	requireRun(t, f.args(path)...)

	// It is missing.
	cut()
	require.NoError(t, os.Remove(path+".meta.json"))
	status, stderr := inProcess(f.args(path, "--resume")...)
	require.Zero(t, status, stderr)
	require.Contains(t, stderr, "is missing: that this is the same scan can't be checked but by the records")
	require.Contains(t, strings.Join(readMetadata(t, path).Notes, "\n"), "is missing: that this is the same scan")
	f.requireTruth(t, path)

	// It is what a run that was killed leaves, written at the start: no end.
	cut()
	m := readMetadata(t, path)
	m.EndReason, m.EndTime, m.Output = "", output.Timestamp{}, dataset.OutputCounts{}
	require.NoError(t, m.WriteFile(path+".meta.json"))
	requireRun(t, f.args(path, "--resume")...)
	f.requireTruth(t, path)

	// The seed need not be given again; nothing else is lost with it.
	cut()
	args := f.args(path, "--resume")
	for i, a := range args {
		if a == "-e" {
			args = append(args[:i:i], args[i+2:]...)
			break
		}
	}
	requireRun(t, args...)
	require.EqualValues(t, 7, readMetadata(t, path).Seed)
	f.requireTruth(t, path)

	// It is cut off, as a power cut leaves it: that is said, and the records tell.
	for _, left := range []string{"", `{"schema":1,`, "\x00\x00\x00"} {
		cut()
		require.NoError(t, os.WriteFile(path+".meta.json", []byte(left), 0o666))
		status, stderr = inProcess(f.args(path, "--resume")...)
		require.Zero(t, status, stderr)
		require.Contains(t, stderr, "is cut off: that this is the same scan can't be checked but by the records")
		f.requireTruth(t, path)
	}

	// It is something else, or of a later version: that is said, and nothing is touched.
	cut()
	before := readFile(t, path)
	for _, other := range []string{"my notes\n", `{"schema":2}`} {
		require.NoError(t, os.WriteFile(path+".meta.json", []byte(other), 0o666))
		status, stderr = inProcess(f.args(path, "--resume")...)
		require.Equal(t, 1, status)
		require.Contains(t, stderr, "cannot resume")
		require.Contains(t, stderr, "a2scan: hint: ")
		require.Equal(t, before, readFile(t, path))
		require.Equal(t, other, string(readFile(t, path+".meta.json")))
	}

	// There is no file yet, or an empty one: then this is the beginning.
	for _, content := range []func() error{
		func() error { return errors.Join(os.Remove(path), os.Remove(path+".meta.json")) },
		func() error { return os.WriteFile(path, nil, 0o666) },
	} {
		require.NoError(t, content())
		requireRun(t, f.args(path, "--resume")...)
		f.requireTruth(t, path)
	}

	// It holds something else.
	require.NoError(t, os.WriteFile(path, []byte("my shopping list\n"), 0o666))
	status, stderr = inProcess(f.args(path, "--resume")...)
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "line 1 is not a record of a scan")
	require.Equal(t, "my shopping list\n", string(readFile(t, path)))
}

// A file that is no dataset is not taken for one that was cut, only because it has no
// newline.
func TestResumeNoDataset(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/30")
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(rand.Uint32()) | 0x80 // no newline
	}
	for name, text := range map[string][]byte{"settings": []byte(`{"my":"settings"}`), "notes": []byte("precious notes without newline"), "noise": noise} {
		for packed, file := range endings {
			t.Run(name+" "+packed, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), file)
				sink, err := dataset.OpenSink(path, dataset.SinkOptions{})
				require.NoError(t, err)
				require.NoError(t, sink.WriteLines(text))
				require.NoError(t, sink.Close())
				before := readFile(t, path)
				status, stderr := inProcess(f.args(path, "--resume")...)
				require.Equal(t, 1, status, stderr)
				require.Contains(t, stderr, "line 1 is not a record of a scan\na2scan: hint: the file is as it was; without --resume it is overwritten\n")
				require.Equal(t, before, readFile(t, path))
				require.NoFileExists(t, path+".meta.json")
			})
		}
	}
}

// A scan that was killed, or whose machine was, before its first record was whole begins
// anew, with what the metadata says or without.
func TestResumeFirstRecordCut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/30")
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), file)
			requireRun(t, f.args(path)...)
			whole, meta := readFile(t, path), readFile(t, path+".meta.json")
			for _, n := range []int{1, 2, 4, 5, 10, 20, 30} {
				for _, b := range [][]byte{whole[:n], append(bytes.Clone(whole[:n]), make([]byte, n)...), make([]byte, n)} {
					require.NoError(t, os.WriteFile(path, b, 0o666))
					require.NoError(t, os.WriteFile(path+".meta.json", meta, 0o666))
					if n%2 == 0 {
						require.NoError(t, os.Remove(path+".meta.json"))
					}
					requireRun(t, f.args(path, "-q", "--resume")...)
					f.requireTruth(t, path)
				}
			}
		})
	}
}

// Where the metadata does not tell that this is another scan, the records do: by
// what was asked, by the shard, and by which target has which number. Nothing is
// changed then.
func TestResumeAnotherScanByRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/27")
	port := strconv.Itoa(int(f.port))
	lines := func(hosts ...string) string {
		var b strings.Builder
		for _, h := range hosts {
			fmt.Fprintln(&b, strings.ReplaceAll(h, "PORT", port))
		}
		return b.String()
	}
	// Go knows by itself that names of .onion have no address.
	list := lines("127.64.0.1:PORT", "127.64.0.2:PORT eu", "127.64.0.8/30:PORT", "[::ffff:127.64.0.3]:PORT",
		"localhost:PORT", "nowhere.onion:PORT", "240.0.0.1:PORT", "127.64.0.4:PORT")
	base := []string{"--query", "info,players", "--shards", "1", "--retries", "0", "--timeout", "300ms"}
	for name, c := range map[string]struct {
		list string   // "": the same
		args []string // nil: base
		want string
	}{
		"the same":      {want: ""},
		"spelling":      {list: "# the same\n" + strings.Replace(list, "127.64.0.1:", "127.64.0.1:", 1) + "\n\n", want: ""},
		"one more":      {list: list + lines("127.64.0.5:PORT"), want: ""},
		"another order": {list: lines("127.64.0.2:PORT", "127.64.0.1:PORT") + list, want: "target 0 was 127.64.0.1:" + port + ", and is 127.64.0.2:" + port + " now"},
		"another port":  {list: strings.Replace(list, "127.64.0.4:"+port, "127.64.0.4:1", 1), want: "target 10 was 127.64.0.4:" + port + ", and is 127.64.0.4:1 now"},
		"another name":  {list: strings.Replace(list, "nowhere.", "elsewhere.", 1), want: "target 8 was nowhere.onion:" + port + ", and is elsewhere.onion:" + port + " now"},
		"a name's port": {list: strings.Replace(list, "localhost:"+port, "localhost:1", 1), want: "target 7 was localhost:" + port + ", and is localhost:1 now"},
		"other queries": {args: []string{"--query", "info"}, want: "target "},
		"a shorter one": {list: lines("127.64.0.1:PORT", "127.64.0.2:PORT"), want: "9 targets that have a record are not in the list"},
		"none":          {list: "\n", want: "11 targets that have a record are not in the list"},
	} {
		for _, from := range []string{"file", "stdin"} {
			for _, meta := range []string{"", "{}", "{\"schema\":1}"} {
				t.Run(name+" "+from+" "+meta, func(t *testing.T) {
					dir := t.TempDir()
					path, input := filepath.Join(dir, "out.ndjson"), filepath.Join(dir, "list")
					scan := func(list string, args ...string) (int, string) {
						args = override([]string{"scan", "-q", "-r", "0", "--per-ip-rate", "0", "-o", path}, args...)
						if from == "file" {
							require.NoError(t, os.WriteFile(input, []byte(list), 0o666))
							args = append(args, "-f", input)
						}
						var stderr bytes.Buffer
						status := run(args, strings.NewReader(list), new(bytes.Buffer), &stderr)
						return status, stderr.String()
					}
					status, stderr := scan(list, base...)
					require.Zero(t, status, stderr)
					require.Len(t, seqs(t, path), 11)
					switch meta {
					case "":
						require.NoError(t, os.Remove(path+".meta.json"))
					case "{}":
						m := readMetadata(t, path)
						m.Config = map[string]string{"seed": m.Config["seed"]}
						require.NoError(t, m.WriteFile(path+".meta.json"))
					default:
						require.NoError(t, os.WriteFile(path+".meta.json", []byte(meta), 0o666))
					}
					before := append(readFile(t, path), `{"schema":1,"seq":`...)
					require.NoError(t, os.WriteFile(path, before, 0o666))

					if c.list == "" {
						c.list = list
					}
					if c.args == nil {
						c.args = base
					}
					status, stderr = scan(c.list, append(c.args, "--resume")...)
					require.Contains(t, stderr, "that this is the same scan can't be checked but by the records")
					if c.want == "" {
						require.Zero(t, status, stderr)
						require.Len(t, seqs(t, path), 11+strings.Count(name, "more"))
						require.Contains(t, strings.Join(readMetadata(t, path).Notes, "\n"), "can't be checked but by the records")
						return
					}
					require.Equal(t, 2, status, stderr)
					require.Contains(t, stderr, "a2scan: cannot resume "+path+": ")
					require.Contains(t, stderr, c.want)
					require.Contains(t, stderr, "a2scan: hint: give the same targets and flags")
					require.Equal(t, string(before), string(readFile(t, path)))
				})
			}
		}
	}
}

// Of a stream those targets that are not done are held back until those that are
// were compared; what is not there yet is not waited for.
func TestResumeFromAStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	var list []string
	for at := range f.targets() {
		list = append(list, at.String())
	}
	path := filepath.Join(t.TempDir(), "out.ndjson")
	scan := func(input io.Reader, args ...string) (int, string) {
		args = override([]string{"scan", "-q", "-r", "0", "--per-ip-rate", "0", "-e", "7", "-o", path, "--shuffle"}, args...)
		var stderr bytes.Buffer
		status := run(args, input, new(bytes.Buffer), &stderr)
		return status, stderr.String()
	}
	all := strings.Join(list, "\n") + "\n"
	status, stderr := scan(strings.NewReader(all))
	require.Zero(t, status, stderr)
	b := readFile(t, path)
	b = b[:bytes.LastIndexByte(b[:len(b)/2], '\n')+1]

	// One of those that are not done is another: that cannot be seen. One that is
	// done is another, behind those: nothing is asked.
	require.NoError(t, os.WriteFile(path, b, 0o666))
	done := seqs(t, path)
	last := uint64(255)
	for done[last] == 0 {
		last--
	}
	wrong := strings.Replace(all, list[last]+"\n", "127.64.9.9:1\n", 1)
	status, stderr = scan(strings.NewReader(wrong), "--resume")
	require.Equal(t, 2, status, stderr)
	require.Contains(t, stderr, fmt.Sprintf("target %d was %s, and is 127.64.9.9:1 now", last, list[last]))
	require.True(t, bytes.Equal(b, readFile(t, path)))

	// The list stands still behind the last that is done.
	in, feed := io.Pipe()
	go func() {
		_, _ = io.WriteString(feed, strings.Join(list[:last+1], "\n")+"\n")
		require.Eventually(t, func() bool { return len(seqs(t, path)) == int(last)+1 }, 20*time.Second, 10*time.Millisecond)
		_, _ = io.WriteString(feed, strings.Join(list[last+1:], "\n")+"\n")
		feed.Close()
	}()
	status, stderr = scan(in, "--resume")
	require.Zero(t, status, stderr)
	require.Contains(t, stderr, "--input-file can be read once only: ")
	f.requireTruth(t, path)
}

// A scan of a stream that has ended is as finished as that of a file, if the stream brings
// what it brought then: with --filter, -N and -n too not a byte changes. Another list is
// refused.
func TestResumeFinishedFromAStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/25")
	closed := closedPort(t)
	var lines []string
	for at := range f.targets() {
		lines = append(lines, at.String())
	}
	for i := range 20 { // these refuse
		lines = append(lines, fmt.Sprintf("127.64.2.%d:%d", i, closed))
	}
	for how, more := range map[string][]string{
		"whole":           {},
		"some left out":   {"--filter", "refused"},
		"others left out": {"--filter", "success"},
		"all left out":    {"--filter", "blocked"},
		"shuffled":        {"--filter", "success", "--shuffle"},
		"a shard":         {"--filter", "success", "--shards", "3", "--shard", "1"},
		"max results":     {"-N", "40", "-c", "8"},
		"none of these":   {"-N", "40", "--filter", "blocked"},
		"max targets":     {"-n", "40"},
		"some of a shard": {"-n", "40", "--shards", "2", "--shard", "1"},
	} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.ndjson")
			scan := func(list []string, args ...string) (int, string) {
				args = override([]string{"scan", "-r", "0", "--per-ip-rate", "0", "-e", "7", "-o", path}, slices.Concat(more, args)...)
				var stderr bytes.Buffer
				status := run(args, strings.NewReader(strings.Join(list, "\n")), new(bytes.Buffer), &stderr)
				return status, stderr.String()
			}
			status, stderr := scan(lines)
			require.Zero(t, status, stderr)
			before, meta := readFile(t, path), readFile(t, path+".meta.json")
			unchanged := func() {
				require.Equal(t, string(before), string(readFile(t, path)))
				require.Equal(t, string(meta), string(readFile(t, path+".meta.json")))
			}
			for range 2 {
				status, stderr = scan(lines, "--resume")
				require.Zero(t, status, stderr)
				require.Contains(t, stderr, "a2scan: that was all: the scan has ended as ")
				unchanged()
			}
			if len(before) > 0 {
				status, stderr = scan(lines[100:], "--resume")
				require.Equal(t, 2, status, stderr)
				unchanged()
			}
			if len(more) == 0 || more[0] == "--filter" {
				status, stderr = scan(append(slices.Clone(lines), "127.64.3.1:1", "127.64.3.2:1", "127.64.3.3:1"), "--resume")
				require.Equal(t, 2, status, stderr)
				require.Regexp(t, `: the list had [0-9]+ targets, and has [0-9]+ now\n`, stderr)
				unchanged()
			}
		})
	}
}

// A list that ends by itself lacks what is done behind its end, however few -n wants of it.
func TestResumeShorterStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/26")
	var lines []string
	for at := range f.targets() {
		lines = append(lines, at.String())
	}
	path := filepath.Join(t.TempDir(), "out.ndjson")
	scan := func(list []string, args ...string) (int, string) {
		args = override([]string{"scan", "-r", "0", "--per-ip-rate", "0", "-o", path}, args...)
		var stderr bytes.Buffer
		status := run(args, strings.NewReader(strings.Join(list, "\n")), new(bytes.Buffer), &stderr)
		return status, stderr.String()
	}
	status, stderr := scan(lines, "-n", "50")
	require.Zero(t, status, stderr)
	b := readFile(t, path)
	b = b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1]
	require.NoError(t, os.WriteFile(path, b, 0o666))
	status, stderr = scan(lines[:10], "-n", "60", "--resume")
	require.Equal(t, 2, status, stderr)
	require.Regexp(t, "(39|40) targets that have a record are not in the list", stderr)
	require.Equal(t, string(b), string(readFile(t, path)))
	status, stderr = scan(lines, "-n", "10", "--resume") // there are more, and these are not wanted
	require.Zero(t, status, stderr)
	status, stderr = scan(lines, "--resume")
	require.Zero(t, status, stderr)
	f.requireTruth(t, path)
}

// Where more targets than can be held stand before the last that is done, the rest
// of a stream is compared as it comes; an error is then no longer one of usage.
func TestHoldNoMoreThanFits(t *testing.T) {
	line := func(seq int, at string) []byte {
		return bytes.TrimSuffix(output.AppendJSON(nil, &output.Record{
			Seq: uint64(seq), Addr: netip.MustParseAddrPort(at), Status: output.Timeout,
			Info: &output.Info{Section: output.Section{Status: output.Timeout}},
		}), []byte{'\n'})
	}
	for name, c := range map[string]struct{ list, want string }{
		"the same": {strings.Repeat("127.0.0.1:1\n", 2000) + "127.0.0.2:1\n127.0.0.3:1\n", ""},
		"another":  {strings.Repeat("127.0.0.1:1\n", 2000) + "127.0.0.9:1\n127.0.0.3:1\n", "target 2000 was another, and is 127.0.0.9:1 now"},
		"shorter":  {strings.Repeat("127.0.0.1:1\n", 2000), "1 target that has a record is not in the list"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			a := &app{ui: newUI(&stderr)}
			o := newScanOptions()
			r := &resumption{path: "out", kinds: o.ask.cfg.Kinds, prints: newFingerprints(1)}
			require.NoError(t, r.take(line(7, "127.0.0.1:1"), o))
			require.NoError(t, r.take(line(2000, "127.0.0.2:1"), o))
			list, err := targets.NewList(targets.Config{
				Files: []targets.File{{Name: "stdin", R: strings.NewReader(c.list)}}, DoneSeqs: &r.done, Skipped: r.skipped,
			})
			require.NoError(t, err)
			defer list.Close()
			h, err := a.holdTargets(r, list, 500)
			require.NoError(t, err)
			require.Contains(t, stderr.String(), "the rest of the list is compared as it is read")
			require.Len(t, r.remarks, 1)
			n := 0
			for err == nil {
				var more int
				more, err = h.Next(t.Context(), make([]targets.Target, 100))
				n += more
			}
			if c.want == "" {
				require.ErrorIs(t, err, io.EOF)
				require.Equal(t, 2000, n)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.False(t, errors.As(err, new(*usageError)))
		})
	}
}

// A file that lost a page in the middle: what can be read stays, and what the rest
// was is asked again.
func TestResumeDamaged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	whole := filepath.Join(t.TempDir(), "whole.ndjson")
	requireRun(t, f.args(whole)...)
	b, meta := readFile(t, whole), readFile(t, whole+".meta.json")
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	copy(noise[700:], "\n7\n[]\n\"x\"\n") // JSON, as one in some hundred pages of noise has it somewhere
	for name, page := range map[string][]byte{"zeros": make([]byte, 4096), "noise": noise, "a line": []byte("\n")} {
		for _, at := range []int{0, 4096, 9000, len(b) - 5000} {
			t.Run(fmt.Sprintf("%s at %d", name, at), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "out.ndjson")
				damaged := bytes.Clone(b)
				if damaged[at] == '\n' { // there a line more would damage nothing
					at++
				}
				copy(damaged[at:], page)
				require.NoError(t, os.WriteFile(path, damaged, 0o666))
				require.NoError(t, os.WriteFile(path+".meta.json", meta, 0o666))
				status, stderr := inProcess(f.args(path, "--resume", "-q")...)
				require.Zero(t, status, stderr)
				require.Regexp(t, `a2scan: [0-9]+ lines? (is|are) damaged, the first of them line [0-9]+: what they were is asked again\n`, stderr)
				require.Contains(t, strings.Join(readMetadata(t, path).Notes, "\n"), "damaged, the first of them line")
				f.requireTruth(t, path)
			})
		}
	}
}

// Targets that no packet has left for are asked again, since that may have been a
// moment without a network.
func TestResumeSendErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/25")
	path := filepath.Join(t.TempDir(), "out.ndjson.gz")
	requireRun(t, f.args(path)...)
	var lines []byte
	for line := range farm.Lines(path) {
		var r output.Record
		require.NoError(t, output.Unmarshal(line, &r))
		if r.Seq%2 == 0 {
			lines = append(append(lines, line...), '\n')
			continue
		}
		lines = output.AppendJSON(lines, &output.Record{
			Seq: r.Seq, Addr: r.Addr, Time: time.Unix(1_800_000_000, 0),
			Status: output.SendError, Error: "network is unreachable", RTT: output.NoRTT,
			Info: &output.Info{Section: output.Section{Status: output.SendError, RTT: output.NoRTT}},
		})
	}
	sink, err := dataset.OpenSink(path, dataset.SinkOptions{})
	require.NoError(t, err)
	require.NoError(t, sink.WriteLines(lines))
	require.NoError(t, sink.Close())

	// Through a link, which stays one; and what a killed process has left goes.
	link := filepath.Join(t.TempDir(), "link.gz")
	require.NoError(t, os.Symlink(path, link))
	rest := filepath.Join(filepath.Dir(path), ".out.ndjson.gz.resume")
	require.NoError(t, os.WriteFile(rest, []byte("rest"), 0o666))
	status, stderr := inProcess(f.args(link, "--resume", "-m", path+".meta.json", "--query", "rules")...)
	require.Equal(t, 2, status, stderr)
	require.FileExists(t, rest, "what is refused touches nothing")
	requireRun(t, f.args(link, "--resume", "-m", path+".meta.json")...)
	f.requireTruth(t, path)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	require.NoFileExists(t, rest)
	require.Contains(t, strings.Join(readMetadata(t, path).Notes, "\n"), "resumed: 64 of the targets")
}

// An order that followed from a seed is not gone on with by another.
func TestResumeShuffledWithoutSeed(t *testing.T) {
	f := newFixture(t, "127.64.0.0/26")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	args := []string{"scan", "-r", "0", "--per-ip-rate", "0", "--shuffle", "-p", strconv.Itoa(int(f.port)), "-o", path, f.prefix.String()}
	requireRun(t, append(args, "-e", "9", "-n", "20")...)
	require.NoError(t, os.Remove(path+".meta.json"))
	before := readFile(t, path)
	status, stderr := inProcess(append(args, "--resume")...)
	require.Equal(t, 2, status, stderr)
	require.Contains(t, stderr, "the order of --shuffle follows from a seed, and "+path+".meta.json does not say which")
	require.Contains(t, stderr, "a2scan: hint: give it with --seed")
	require.Equal(t, before, readFile(t, path))
	requireRun(t, append(args, "--resume", "-e", "9")...)
	f.requireTruth(t, path)
}

// With --filter the records left out are not in the file: those targets are asked
// again, those with a record are not, and the counts are of all.
func TestResumeFilter(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	// Every second target refuses.
	args := append(f.args(path, "--filter", "refused"), fmt.Sprintf("127.64.1.0/24:%d", closedPort(t)))
	requireRun(t, args...)
	require.Len(t, seqs(t, path), 256)
	b := readFile(t, path)
	require.NoError(t, os.WriteFile(path, b[:len(b)/2], 0o666))
	requireRun(t, append(args, "--resume")...)
	for seq, n := range seqs(t, path) {
		require.Equal(t, 1, n, seq)
	}
	m := readMetadata(t, path)
	require.EqualValues(t, 512, m.Input.Targets)
	require.EqualValues(t, 256, m.Output.Records)
	require.EqualValues(t, 256, m.Statuses[output.Success])
	require.NoError(t, m.Check(256))
}

// A few targets of a large range, in random order, are gone on with at once: what
// they were follows from the metadata, and without it is compared as they come.
func TestResumeSampleOfALargeRange(t *testing.T) {
	f := newFixture(t, "127.64.0.0/24")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	args := f.args(path, "-q", "--shuffle", "-e", "5", "-n", "300", "--timeout", "100ms", "--retries", "0")
	args[len(args)-1] = "127.0.0.0/8:1-60000" // hardly anybody is there; nothing leaves this machine
	requireRun(t, args...)
	whole := readFile(t, path)
	for _, lose := range []bool{false, true} {
		require.NoError(t, os.WriteFile(path, whole[:len(whole)/2], 0o666))
		if lose {
			require.NoError(t, os.Remove(path+".meta.json"))
		}
		began := time.Now()
		requireRun(t, append(args, "--resume")...)
		require.Less(t, time.Since(began), 20*time.Second, "there are 10^12 targets in the range")
		list := seqs(t, path)
		require.Len(t, list, 300)
		for seq, n := range list {
			require.Equal(t, 1, n, seq)
		}
	}
}

// A scan that has ended is not gone on with, though all of its records were left out,
// and is gone on with where some were lost.
func TestResumeWhatHasEnded(t *testing.T) {
	f := newFixture(t, "127.64.0.0/24")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	args := f.args(path, "--filter", "timeout")
	requireRun(t, args...)
	meta := readFile(t, path+".meta.json")
	require.Empty(t, readFile(t, path))
	requireRun(t, append(args, "--resume")...)
	require.Equal(t, meta, readFile(t, path+".meta.json"), "nothing was done")

	args = f.args(path)
	requireRun(t, args...)
	lines := bytes.SplitAfter(readFile(t, path), []byte("\n"))
	half := bytes.Join(lines[:100], nil)
	require.NoError(t, os.WriteFile(path, half, 0o666))
	m := readMetadata(t, path)
	m.Output.Records, m.Output.Bytes = 100, int64(len(half)) // as a run says whose reader took no more
	require.NoError(t, m.WriteFile(path+".meta.json"))
	requireRun(t, append(args, "--resume")...)
	f.requireTruth(t, path)
}

// TARGETs that are not UTF-8 are the same ones the next time.
func TestResumeWithTargetsThatAreNotUTF8(t *testing.T) {
	f := newFixture(t, "127.64.0.0/30")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	requireRun(t, f.args(path, "-n", "1", "caf\xe9")...)
	args := f.args(path, "--resume", "caf\xe9")
	requireRun(t, args...)
	f.requireTruth(t, path)
	args[len(args)-2] = "caf\xe8"
	status, stderr := inProcess(args...)
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, `the list of TARGETs was $'caf\xe9' 127.64.0.0/30, and is $'caf\xe8' 127.64.0.0/30 now`)
}

// Two values that differ look different, however long they are.
func TestDescribeValues(t *testing.T) {
	long := strings.Repeat("127.0.0.1 ", 20)
	digest := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct{ name, was, is, wantWas, wantIs string }{
		{"short", "5", "8", "5", "8"},
		{"nothing", "", "5", "empty", "5"},
		{"nothing and much", "", long, "empty", "127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1…"},
		{"digests", digest, "f" + digest[1:], "0123456789abcdef…", "f123456789abcdef…"},
		{"a digest and none", digest, stdinDigest, "0123456789abcdef…", stdinDigest},
		{
			"in the middle", long + "a " + long, long + "b " + long,
			"…0.0.1 127.0.0.1 a 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 1…", "…0.0.1 127.0.0.1 b 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 1…",
		},
		{"at the end", long + "x", long + "y", "…0.0.1 127.0.0.1 x", "…0.0.1 127.0.0.1 y"},
		{"one goes on", long, long + "x", "…0.0.1 127.0.0.1 ", "…0.0.1 127.0.0.1 x"},
		{
			"at the beginning", "a " + long, "b " + long,
			"a 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0…", "b 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0…",
		},
		{"not ASCII", strings.Repeat("é", 40) + "a", strings.Repeat("é", 40) + "b", "…ééééééééa", "…ééééééééb"},
		{"in the same rune", strings.Repeat("x", 70) + "é", strings.Repeat("x", 70) + "è", "…xxxxxxxxxxxxxxxé", "…xxxxxxxxxxxxxxxè"},
	} {
		was, is := describeValues(c.was, c.is)
		require.Equal(t, c.wantWas, was, c.name)
		require.Equal(t, c.wantIs, is, c.name)
	}
}
