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

// at returns f with other targets of the same farm.
func (f *fixture) at(prefix string) *fixture {
	other := *f
	other.prefix = netip.MustParsePrefix(prefix)
	return &other
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
	report, err := farm.Verify(f.world, dataset.Lines(path), farm.VerifyOptions{Want: f.want, Targets: f.targets()})
	require.NoError(t, err)
	require.True(t, report.OK(), "%v", report)
	require.EqualValues(t, f.size(), report.Records)
	require.Zero(t, report.Aborted)

	m := readMetadata(t, path)
	require.NoError(t, m.Check(0))
	require.Equal(t, dataset.EndComplete, m.EndReason)
	require.EqualValues(t, f.size(), m.Output.Records)
	bytesRead := int64(0)
	for line := range dataset.Lines(path) {
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
	for line, err := range dataset.Lines(path) {
		if err != nil {
			break
		}
		seq, ok := seqOf(line)
		require.True(t, ok, "%s", line)
		n[seq]++
	}
	return n
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

// A scan that is killed again and again, at any moment, and resumed each time with a
// list that has grown, shrunk or changed its order, leaves one true record of every
// target. A2SCAN_KILLS says how often each form of file is killed in all; scans then are
// of 8,192 targets instead of 1,024.
func TestResumeKilled(t *testing.T) {
	t.Parallel()
	kills, prefix, rate := 3, "127.64.0.0/22", "4000"
	if s := os.Getenv("A2SCAN_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		kills, prefix, rate = n, "127.64.0.0/19", "8000"
	} else if testing.Short() {
		kills = 2
	}
	f := newFixture(t, prefix)
	f.want = proto.WantInfo | proto.WantPlayers | proto.WantRules
	var all []string
	for at := range f.targets() {
		all = append(all, at.String())
	}
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			scans, done, left := 0, 0, 0
			for done < kills {
				dir := t.TempDir()
				path, list := filepath.Join(dir, file), filepath.Join(dir, "list")
				args := f.args(path, "-q", "--resume", "--query", "info,players,rules", "-r", rate)
				args = append(args[:len(args)-1], "-f", list)
				scans++
				for running, n := true, 0; running && n < 8 && done < kills; n++ {
					lines := slices.Clone(all)
					switch random.IntN(3) {
					case 0: // shrunk, or grown against the time before
						lines = lines[:random.IntN(len(lines))]
					case 1:
						random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
					}
					require.NoError(t, os.WriteFile(list, []byte(strings.Join(lines, "\n")), 0o666))
					// Most moments are early, so that a scan is killed several
					// times; some are after the compressor's first frame.
					d := time.Duration(random.ExpFloat64() * float64(200*time.Millisecond))
					if n%3 == 2 {
						d += time.Second
					}
					killed := killAfter(t, d, args...)
					running = killed || len(lines) < len(all)
					if killed {
						done++
						if info, err := os.Stat(path); err == nil && info.Size() > 0 {
							left++
						}
					}
				}
				require.NoError(t, os.WriteFile(list, []byte(strings.Join(all, "\n")), 0o666))
				requireRun(t, args...)
				f.requireTruth(t, path)
			}
			t.Logf("%d scans, killed %d times, %d of them with records in the file; seed %d", scans, done, left, seed)
		})
	}
}

// Wherever the file of a finished scan is cut, a beginning of its records stays, and
// the scan can be resumed. A2SCAN_CUTS=all takes a larger file
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
			for line := range dataset.Lines(path) {
				seq, _ := seqOf(line)
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
				file, err := dataset.Open(path, dataset.CompressAuto)
				require.NoError(t, err)
				err = file.Load(func(line []byte) (bool, error) {
					seq, ok := seqOf(line)
					if !ok || i >= len(order) || seq != order[i] {
						return false, fmt.Errorf("record %d is not that of target %d: %s", i, order[i], line)
					}
					i++
					return true, nil
				})
				require.NoError(t, err, "cut at %d", n)
				require.NoError(t, file.Start(), "cut at %d", n)
				require.NoError(t, file.Close(), "cut at %d", n)
				kept, _ := file.Held()
				require.EqualValues(t, i, kept, "cut at %d", n)
				if before >= 0 {
					require.LessOrEqual(t, i, before, "cut at %d: less was left, and more was found", n)
				}
				if i != before {
					ends = append(ends, n)
				}
				before = i
			}

			// A resumed run depends only on the records that are left: one cut for each number
			// of them is enough.
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

// The status updates of a resumed scan count the records of the whole file.
func TestResumeUpdates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/21")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	requireRun(t, f.args(path, "-n", "1000")...)
	requireRun(t, f.args(path, "-r", "1000", "--resume", "-u", path+".updates")...)
	m := readMetadata(t, path)
	type status struct {
		dataset.Metadata
		Targets struct {
			Total uint64 `json:"total"`
			Done  uint64 `json:"done"`
		} `json:"targets"`
	}
	var last status
	for line := range bytes.Lines(readFile(t, path+".updates")) {
		var u status
		require.NoError(t, json.Unmarshal(line, &u))
		require.EqualValues(t, f.size(), u.Targets.Total)
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

// Resuming a finished scan sends nothing and changes no byte of the records, also if
// -N or -n ended it and the list comes from a pipe.
func TestResumeFinished(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	for name, file := range endings {
		for how, more := range map[string][]string{"whole": nil, "max results": {"-N", "100"}, "shuffled": {"--shuffle"}} {
			for _, stdin := range []bool{false, true} {
				t.Run(fmt.Sprint(name, " ", how, " ", stdin), func(t *testing.T) {
					path := filepath.Join(t.TempDir(), file)
					requireRun(t, f.args(path, more...)...)
					before := readFile(t, path)
					for range 2 {
						args := f.args(path, append(more, "--resume")...)
						if stdin {
							args = args[:len(args)-1]
						}
						var stderr bytes.Buffer
						status := run(args, strings.NewReader(f.prefix.String()), new(bytes.Buffer), &stderr)
						require.Zero(t, status, stderr.String())
						require.Equal(t, before, readFile(t, path))
						m := readMetadata(t, path)
						require.Zero(t, m.Packets.Sent)
						require.EqualValues(t, m.Output.Records, len(seqs(t, path)))
						require.NoError(t, m.Check(0))
					}
					if how != "max results" {
						f.requireTruth(t, path)
					}
				})
			}
		}
	}
}

// A list may grow, shrink, change its order, its seed, its shards and its excludes
// between runs: each target that has a record is not asked again, and the metadata
// says how many records are of no target.
func TestResumeAnotherList(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	list := func(prefix string) []string {
		var lines []string
		for at := range f.at(prefix).targets() {
			lines = append(lines, at.String())
		}
		return lines
	}
	half := list("127.64.0.0/25")
	backwards := slices.Clone(half)
	slices.Reverse(backwards)
	for name, c := range map[string]struct {
		lines                 []string
		more                  []string
		records, notInTargets uint64 // in the end
	}{
		"grown":           {list("127.64.0.0/24"), nil, 256, 0},
		"grown in front":  {append(list("127.64.0.128/25"), half...), nil, 256, 0},
		"shrunk":          {half[:40], nil, 128, 88},
		"another":         {list("127.64.0.128/25"), nil, 256, 128},
		"backwards":       {backwards, nil, 128, 0},
		"shuffled":        {list("127.64.0.0/24"), []string{"--shuffle"}, 256, 0},
		"another seed":    {list("127.64.0.0/24"), []string{"--shuffle", "-e", "99"}, 256, 0},
		"excluded":        {half, []string{"--exclude", "127.64.0.0/26"}, 128, 0}, // a place in the list has a record
		"range excluded":  {[]string{fmt.Sprintf("127.64.0.0/25:%d", f.port)}, []string{"--exclude", "127.64.0.0/26"}, 128, 64},
		"another speed":   {half, []string{"-r", "5000", "--retries", "1"}, 128, 0},
		"spelled anew":    {[]string{"# the same", fmt.Sprintf("127.64.0.0/25:%d", f.port), ""}, nil, 128, 0},
		"in another form": {[]string{fmt.Sprintf(`{"ip":"127.64.0.3","port":%d}`, f.port), "::ffff:127.64.0.4", "[::ffff:127.64.0.9]:" + fmt.Sprint(f.port)}, nil, 128, 125},
	} {
		for ending, file := range endings {
			t.Run(name+" "+ending, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), file)
				requireRun(t, f.at("127.64.0.0/25").args(path)...)
				before := seqs(t, path)
				args := f.args(path, append([]string{"--resume"}, c.more...)...)
				args = override(args[:len(args)-1])
				var stderr bytes.Buffer
				status := run(args, strings.NewReader(strings.Join(c.lines, "\n")), new(bytes.Buffer), &stderr)
				require.Zero(t, status, stderr.String())
				m := readMetadata(t, path)
				require.Equal(t, &dataset.Resumed{Records: int64(len(before)), NotInTargets: &c.notInTargets}, m.Resumed)
				require.EqualValues(t, c.records, m.Output.Records)
				require.EqualValues(t, c.records, m.Statuses[output.Success])
				require.EqualValues(t, c.records, m.Input.Targets+c.notInTargets)
				require.NoError(t, m.Check(0))
				report, err := farm.Verify(f.world, dataset.Lines(path), farm.VerifyOptions{Want: f.want})
				require.NoError(t, err)
				require.True(t, report.OK(), "%v", report)
				require.EqualValues(t, c.records, report.Records)
				if c.records == 128 {
					require.Zero(t, m.Packets.Sent)
				}
			})
		}
	}
}

// Names are recognized by their text, wherever their address has gone.
func TestResumeNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/30")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	port := strconv.Itoa(int(f.port))
	scan := func(more ...string) *dataset.Metadata {
		// Go knows without the DNS that names of .onion have no address.
		list := []string{"LocalHost:" + port, "nowhere.onion:" + port, "127.64.0.1:" + port}
		args := append([]string{"scan", "-r", "0", "--per-ip-rate", "0", "--retries", "0", "--timeout", "200ms", "-o", path}, more...)
		status, stderr := inProcess(append(args, list...)...)
		require.Zero(t, status, stderr)
		return readMetadata(t, path)
	}
	m := scan()
	require.EqualValues(t, 3, m.Output.Records)
	require.EqualValues(t, 1, m.Statuses[output.ResolveError])
	m = scan("--resume", "localhost:"+port, "elsewhere.onion:"+port)
	require.EqualValues(t, 4, m.Output.Records)
	require.EqualValues(t, 3, m.Resumed.Records)
	require.Zero(t, *m.Resumed.NotInTargets)
	require.Zero(t, m.Packets.Sent)
}

// A file of another scan is refused: the message names the difference, and all files stay
// unchanged.
func TestResumeRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/27")
	for name, c := range map[string]struct {
		more  []string
		names string
	}{
		"other queries":      {[]string{"--query", "info,players"}, "line 1 was asked for info, and --query is info,players now"},
		"another compressor": {[]string{"--compress", "zstd"}, "it is none, and this run would write zstd"},
		"duplicates":         {[]string{"--no-dedup"}, "--resume and --no-dedup exclude each other"},
		"a filter":           {[]string{"--filter", "success"}, "--resume and --filter exclude each other"},
		"a dry run":          {[]string{"--dry-run"}, "--resume and --dry-run exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.ndjson")
			requireRun(t, f.args(path)...)
			// The end of a scan that was killed: it stays, like the rest.
			before := append(readFile(t, path), `{"schema":1,"seq":`...)
			require.NoError(t, os.WriteFile(path, before, 0o666))
			meta := readFile(t, path+".meta.json")
			status, stderr := inProcess(f.args(path, append(c.more, "--resume")...)...)
			require.Equal(t, 2, status, stderr)
			require.Contains(t, stderr, c.names)
			require.Equal(t, string(before), string(readFile(t, path)))
			require.Equal(t, string(meta), string(readFile(t, path+".meta.json")))
			requireRun(t, f.args(path, "--resume")...)
			f.requireTruth(t, path)
		})
	}
}

// --resume alone takes the targets and flags from the metadata.
func TestResumeAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	f.want = proto.WantInfo | proto.WantPlayers
	dir := t.TempDir()
	list := filepath.Join(dir, "a list, of some")
	require.NoError(t, os.WriteFile(list, []byte("127.64.0.128/25\n"), 0o666))
	path := filepath.Join(dir, "out.ndjson.gz")
	args := f.args(path, "--query", "players,info", "-q", "--shuffle", "-f", list, "-f", os.DevNull, "--notes", "a note", "--user-metadata", `{"a": [1]}`)
	args[len(args)-1] = "127.64.0.0/25"
	requireRun(t, append(args, "--max-runtime", "1m")...)
	b := readFile(t, path)
	require.NoError(t, os.WriteFile(path, b[:len(b)/2], 0o666))
	requireRun(t, "scan", "--resume", "-o", path)
	f.requireTruth(t, path)
	m := readMetadata(t, path)
	require.EqualValues(t, 7, m.Seed)
	require.Equal(t, "1m", m.Config["max-runtime"])
	require.Equal(t, list+"\n"+os.DevNull, m.Config["input-file"])
	require.Equal(t, "127.64.0.0/25", m.Config["targets"])
	require.Equal(t, "a note", *m.UserNotes)
	require.JSONEq(t, `{"a":[1]}`, string(m.UserMetadata))

	// A flag more, and the flags are those of the command line.
	status, stderr := inProcess("scan", "--resume", "-o", path, "--retries", "0")
	require.Equal(t, 2, status, stderr)
	require.Contains(t, stderr, "was asked for info,players, and --query is info now")

	// Without metadata, too.
	require.NoError(t, os.Remove(path+".meta.json"))
	status, stderr = inProcess("scan", "--resume", "-o", path)
	require.Equal(t, 2, status, stderr)
	require.Contains(t, stderr, "there is no metadata in "+path+".meta.json: the flags are the defaults")
}

// -N counts the successes in the file: a scan that was killed and resumed ends with as
// many as one that was not.
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

// Scans that ended early for any reason are resumed, more than once.
func TestResumeAfterOtherEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/22")
	for name, c := range map[string]struct {
		first  []string
		status int
		reason dataset.EndReason
	}{
		// Targets in flight are aborted, with a record: there must be fewer than all.
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
			for line := range dataset.Lines(path) {
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
			sink, err := dataset.Create(path, dataset.CompressAuto)
			require.NoError(t, err)
			require.NoError(t, sink.WriteLines(lines))
			require.NoError(t, sink.Close())

			requireRun(t, append(args, "--resume")...)
			f.requireTruth(t, path)
			m := readMetadata(t, path)
			require.EqualValues(t, f.size()-gaveUp, m.Resumed.Records)
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

// The metadata is not needed: the records alone decide.
func TestResumeMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/24")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	requireRun(t, f.args(path)...)
	whole := readFile(t, path)
	for _, meta := range []string{"", `{"schema":1,`, "\x00\x00\x00", "my notes\n", `{"schema":2}`, "none"} {
		require.NoError(t, os.WriteFile(path, whole[:len(whole)/2], 0o666))
		require.NoError(t, os.Remove(path+".meta.json"))
		if meta != "none" {
			require.NoError(t, os.WriteFile(path+".meta.json", []byte(meta), 0o666))
		}
		requireRun(t, f.args(path, "--resume")...)
		f.requireTruth(t, path)
	}

	// If there is no file yet, or an empty one, this is the beginning.
	for _, content := range []func() error{
		func() error { return errors.Join(os.Remove(path), os.Remove(path+".meta.json")) },
		func() error { return os.WriteFile(path, nil, 0o666) },
	} {
		require.NoError(t, content())
		requireRun(t, f.args(path, "--resume")...)
		f.requireTruth(t, path)
		require.Zero(t, readMetadata(t, path).Resumed.Records)
	}

	// Anything else is refused.
	for _, other := range []string{"my shopping list\n", "{\"a\":1}\n", string(whole) + "{\"a\":1}\n"} {
		require.NoError(t, os.WriteFile(path, []byte(other), 0o666))
		meta := readFile(t, path+".meta.json")
		status, stderr := inProcess(f.args(path, "--resume")...)
		require.Equal(t, 2, status)
		require.Contains(t, stderr, "is not a record of a scan")
		require.Equal(t, other, string(readFile(t, path)))
		require.Equal(t, meta, readFile(t, path+".meta.json"))
	}
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
				sink, err := dataset.Create(path, dataset.CompressAuto)
				require.NoError(t, err)
				require.NoError(t, sink.WriteLines(text))
				require.NoError(t, sink.Close())
				before := readFile(t, path)
				status, stderr := inProcess(f.args(path, "--resume")...)
				require.Equal(t, 2, status, stderr)
				require.Contains(t, stderr, "line 1 is not a record of a scan\na2scan: hint: the file is unchanged; without --resume it is overwritten\n")
				require.Equal(t, before, readFile(t, path))
				require.NoFileExists(t, path+".meta.json")
			})
		}
	}
}

// A scan that was killed before its first record was whole begins again, with metadata or
// without.
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

// A file that lost a page in the middle: whole records stay, and the targets of the others
// are asked again.
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
				require.Regexp(t, `a2scan: [0-9]+ lines? (was|were) damaged, the first in line [0-9]+ of the output file: their targets are asked again\n`, stderr)
				require.Contains(t, strings.Join(readMetadata(t, path).Notes, "\n"), "damaged, the first in line")
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
	for line := range dataset.Lines(path) {
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
	sink, err := dataset.Create(path, dataset.CompressAuto)
	require.NoError(t, err)
	require.NoError(t, sink.WriteLines(lines))
	require.NoError(t, sink.Close())

	// Through a link, which stays one.
	link := filepath.Join(t.TempDir(), "link.gz")
	require.NoError(t, os.Symlink(path, link))
	status, stderr := inProcess(f.args(link, "--resume", "-m", path+".meta.json", "--query", "rules")...)
	require.Equal(t, 2, status, stderr)
	requireRun(t, f.args(link, "--resume", "-m", path+".meta.json")...)
	f.requireTruth(t, path)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	require.EqualValues(t, 64, readMetadata(t, path).Resumed.Records)
}

// A few targets of a large range are resumed at once: no list is gone through before.
func TestResumeSampleOfALargeRange(t *testing.T) {
	f := newFixture(t, "127.64.0.0/24")
	path := filepath.Join(t.TempDir(), "out.ndjson")
	args := f.args(path, "-q", "--shuffle", "-e", "5", "-n", "300", "--timeout", "100ms", "--retries", "0")
	args[len(args)-1] = "127.0.0.0/8:1-60000" // hardly any server is there; nothing leaves this machine
	requireRun(t, args...)
	whole := readFile(t, path)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)/2], 0o666))
	began := time.Now()
	requireRun(t, append(args, "--resume")...)
	require.Less(t, time.Since(began), 20*time.Second, "there are 10^12 targets in the range")
	m := readMetadata(t, path)
	require.EqualValues(t, 300+m.Resumed.Records, m.Output.Records, "-n counts this run's targets")
	require.Nil(t, m.Resumed.NotInTargets, "the list was not read to its end")
	require.NoError(t, m.Check(0))
}

// With --port-offsets a target is known by the port that was asked first.
func TestResumePortGiven(t *testing.T) {
	e := &resumption{kinds: proto.WantInfo}
	for _, line := range []string{
		`{"schema":1,"seq":0,"ip":"192.0.2.1","port":27016,"port_given":27015,"input":"192.0.2.1","status":"success","info":{"status":"success"}}`,
		`{"schema":1,"seq":1,"ip":"192.0.2.1","port":27016,"port_given":null,"input":"192.0.2.1:27016","status":"success","info":{"status":"success"}}`,
		`{"schema":1,"seq":2,"ip":"192.0.2.2","port":27016,"port_given":27015,"input":"Name.test:27015","status":"success","info":{"status":"success"}}`,
	} {
		keep, err := e.take([]byte(line))
		require.NoError(t, err)
		require.True(t, keep)
	}
	list, err := targets.NewList(targets.Config{
		Args: []string{"192.0.2.1:27015", "192.0.2.1:27016", "name.test:27015", "192.0.2.1:27017"}, Dedup: true, Done: &e.done,
	})
	require.NoError(t, err)
	defer list.Close()
	got := make([]targets.Target, 8)
	n, err := list.Next(t.Context(), got)
	require.True(t, err == nil || errors.Is(err, io.EOF), "%v", err)
	require.Equal(t, 1, n)
	require.Equal(t, "192.0.2.1:27017", got[0].Key.AddrPort().String())
	require.EqualValues(t, 3, list.Counts().Skipped)
}

// seqOf returns the seq of a line, and false if the line is no record.
func seqOf(line []byte) (uint64, bool) {
	var r output.Record
	err := output.Unmarshal(line, &r)
	return r.Seq, err == nil
}
