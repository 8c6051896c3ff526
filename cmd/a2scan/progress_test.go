package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
)

// testScan is a progress whose silent servers are given up after seven seconds.
func testScan() *progress {
	return newProgress(newUI(io.Discard), &scanner.Config{Timeout: time.Second, Retries: 2, TargetTimeout: 10 * time.Second})
}

// TestProgressText has the progress line for terminals of several widths.
func TestProgressText(t *testing.T) {
	p := testScan()
	var first, cur sample
	p.recent = []sample{first}
	cur.at, cur.total = 2*time.Second, 4096
	cur.stats = scanner.Stats{Done: 1065, InFlight: 983, Sent: 2100, Received: 1900, Retransmits: 3}
	cur.stats.Statuses[output.Success] = 1020
	cur.stats.Statuses[output.Partial] = 3
	cur.stats.Statuses[output.Timeout] = 12
	cur.counts.Output.Bytes = 1_234_567
	p.lastStart = cur.at
	for columns, want := range map[int]string{
		0:   "1,065/4,096 26 %  1.1 kpps  96 % answered  0 dropped  10 s left  983 in flight  950 pps in  12 timeout  1.2 MB written  2 s elapsed",
		199: "1,065/4,096 26 %  1.1 kpps  96 % answered  0 dropped  10 s left  983 in flight  950 pps in  12 timeout  1.2 MB written  2 s elapsed",
		79:  "1,065/4,096 26 %  1.1 kpps  96 % answered  0 dropped  10 s left  983 in flight",
		63:  "1,065/4,096 26 %  1.1 kpps  96 % answered  0 dropped  10 s left",
		39:  "1,065/4,096 26 %  1.1 kpps  10 s left",
		20:  "1,065/4,096 26 %",
		9:   "1,065/4,…",
	} {
		require.Equal(t, want, p.text(&cur, &terminal{}, columns, "  "), columns)
	}

	colored := terminal{color: true}
	cur.counts.Socket.RxDropped = 802
	require.Equal(t, "1,065/4,096 26 %  1.1 kpps  96 % answered  \x1b[31m802 dropped: lower --rate\x1b[0m  10 s left", p.text(&cur, &colored, 79, "  "))
	require.Equal(t, "1,065/4,096 26 %  802 dropped: lower --rate  10 s left", p.text(&cur, &terminal{}, 60, "  "))

	cur.total = 0
	require.Contains(t, p.text(&cur, &terminal{}, 79, "  "), "1,065 done  1.1 kpps")
	require.NotContains(t, p.text(&cur, &terminal{}, 0, "  "), "left")
	require.Equal(t, "0 done  0 pps  0 dropped  0 in flight  0 pps in  0 s elapsed", p.text(&sample{}, &terminal{}, 0, "  "), "nothing is divided by zero")
}

// While only silent servers are left, and after an interrupt, the line has the number of
// servers and the longest wait.
func TestProgressWaits(t *testing.T) {
	p := testScan()
	p.recent = []sample{{}}
	cur := sample{at: 5 * time.Second, total: 4096}
	cur.stats = scanner.Stats{Done: 3777, InFlight: 319}
	p.lastStart = 5 * time.Second
	require.Contains(t, p.text(&cur, &terminal{}, 79, "  "), "3,777/4,096 92 %", "those in flight may answer")
	require.Contains(t, p.text(&cur, &terminal{}, 79, "  "), "8 s left")
	cur.at = 6 * time.Second
	require.Equal(t, "waiting for 319 silent servers, at most 7 s", p.text(&cur, &terminal{}, 79, "  "))
	cur.stats.Parked = 1
	require.NotContains(t, p.text(&cur, &terminal{}, 79, "  "), "silent", "one has not been asked yet")
	cur.stats = scanner.Stats{Done: 4095, InFlight: 1}
	cur.at = 13 * time.Second
	require.Equal(t, "waiting for 1 silent server, at most 2 s", p.text(&cur, &terminal{}, 79, "  "), "it answers some of the queries")

	p.stopping.Store(true)
	cur.stats = scanner.Stats{Done: 100, InFlight: 319}
	cur.at = 6 * time.Second
	require.Equal(t, "stopping: 319 servers in flight, at most 7 s; Ctrl-C again stops now", p.text(&cur, &terminal{}, 100, "  "))
	require.Equal(t, "stopping: 319 servers in flight, at mo…", p.text(&cur, &terminal{}, 39, "  "))
}

// The estimate includes the time until silent servers are given up.
func TestTimeLeft(t *testing.T) {
	p := testScan()
	cur := sample{at: 10 * time.Second, total: 2000}
	cur.stats = scanner.Stats{Done: 900, InFlight: 100}
	left, ok := p.timeLeft(&cur)
	require.True(t, ok)
	require.Equal(t, 10*time.Second, left)
	cur.stats.Statuses[output.Timeout] = 1
	left, _ = p.timeLeft(&cur)
	require.Equal(t, 10*time.Second+p.silence, left)
	cur.before = 500
	left, _ = p.timeLeft(&cur)
	require.Equal(t, 20*time.Second+p.silence, left, "the earlier run's targets took no time of this one")
	cur.at = 900 * time.Millisecond
	_, ok = p.timeLeft(&cur)
	require.False(t, ok, "too early")
}

func TestFormats(t *testing.T) {
	for pps, want := range map[float64]string{0: "0 pps", 999: "999 pps", 1049: "1.0 kpps", 1.25e6: "1.2 Mpps"} {
		require.Equal(t, want, formatRate(pps))
	}
	for n, want := range map[int64]string{7: "7 bytes", 1500: "1.5 KB", 2_000_000: "2.0 MB", 3_210_000_000: "3.2 GB"} {
		require.Equal(t, want, formatBytes(n))
	}
	for d, want := range map[time.Duration]string{
		0: "0 s", time.Millisecond: "1 s", 119 * time.Second: "119 s", 121 * time.Second: "3 min", 119 * time.Minute: "119 min",
		125 * time.Minute: "2 h 5 min", 73 * time.Hour: "3 d 1 h",
	} {
		require.Equal(t, want, formatWait(d), d)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1002003: "1,002,003", 1<<64 - 1: "18,446,744,073,709,551,615"} {
		require.Equal(t, want, thousands(n))
	}
	require.Equal(t, "1 target", plural(1, "target", "targets"))
	require.Equal(t, "0 targets", plural(0, "target", "targets"))
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen, file bytes.Buffer
		p := testProgress(&screen, &file)
		p.run(sample{})
		time.Sleep(2500 * time.Millisecond)
		require.NoError(t, p.stop())
		require.Contains(t, screen.String(), "\r10/40 25 %  ")
		require.True(t, strings.HasSuffix(screen.String(), "\r\x1b[K"), "it is erased")
		updates := parseUpdates(t, file.Bytes())
		require.Len(t, updates, 3)
		require.Equal(t, 1.0, updates[0].DurationS)
		require.Equal(t, 20.0, updates[0].Rate.SentPPS)
		require.Equal(t, 3.0, *updates[0].RemainingS)
		require.Equal(t, 6.0, *updates[1].RemainingS)
		require.Zero(t, updates[1].Rate.SentPPS, "rates are since the line before")
		require.Equal(t, 2.5, updates[2].DurationS)
	})
}

// A scan that --per-ip-rate holds back says so once, with the name of the flag.
func TestProgressHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		p := testProgress(&screen, io.Discard)
		p.ui.terminal, p.perIPRate = terminal{}, 20
		p.sample = func() sample {
			return sample{stats: scanner.Stats{HeldByAddress: time.Since(p.start) / 2}}
		}
		p.run(sample{})
		time.Sleep(3500 * time.Millisecond)
		p.ui.mu.Lock()
		require.Empty(t, screen.String(), "less than two seconds")
		p.ui.mu.Unlock()
		time.Sleep(5 * time.Second)
		require.NoError(t, p.stop())
		require.True(t, p.held)
		require.Equal(t, "a2scan: the limit of 20 packets per second to one address holds the scan back\n"+
			"a2scan: hint: raise --per-ip-rate if the addresses belong to machines that can take more\n", screen.String())
	})
	require.False(t, heldBack(3*time.Second, time.Minute), "it costs little")
}

// A status file that cannot be written is reported once, and the scan continues.
func TestProgressWithABrokenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		p := testProgress(&screen, brokenWriter{})
		p.run(sample{})
		time.Sleep(3500 * time.Millisecond)
		require.ErrorIs(t, p.stop(), errBroken)
		require.Equal(t, 1, bytes.Count(screen.Bytes(), []byte("cannot write status updates")))
		require.Contains(t, screen.String(), "\r10/40 25 %")
	})
}

// A reader of status updates that stalls for a while gets the next ones. Meanwhile the
// progress line is drawn.
func TestProgressWithAStuckFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		file := &stuckWriter{released: make(chan struct{})}
		p := testProgress(&screen, file)
		p.sample = func() sample {
			return sample{stats: scanner.Stats{Sent: uint64(time.Since(p.start) / time.Millisecond)}}
		}
		p.run(sample{})
		time.Sleep(5500 * time.Millisecond)
		close(file.released)
		time.Sleep(2 * time.Second) // to 7.5 s
		require.NoError(t, p.stop())
		require.Contains(t, screen.String(), "  5 s elapsed")
		var at []float64
		for _, u := range parseUpdates(t, file.Bytes()) {
			at = append(at, u.DurationS)
			require.Equal(t, 1000.0, u.Rate.SentPPS, "since the line before, whenever that was")
		}
		require.Equal(t, []float64{1, 6, 7, 7.5}, at)
	})
}

// Rates are true although the last update can follow the one before at once, and although
// a tick can be handled late.
func TestProgressRates(t *testing.T) {
	const before = 5000
	for name, c := range map[string]struct {
		busy time.Duration // each tick is late by this time
		end  time.Duration
		at   []float64
	}{
		"right after a tick": {0, 3001 * time.Millisecond, []float64{1, 2, 3, 3.001}},
		"between two ticks":  {0, 3600 * time.Millisecond, []float64{1, 2, 3, 3.6}},
		"in the first":       {0, 400 * time.Millisecond, []float64{0.4}},
		"late":               {900 * time.Millisecond, 2950 * time.Millisecond, []float64{1.9, 2.9, 3.85}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var screen, file bytes.Buffer
				p := testProgress(&screen, &file)
				p.sample = func() sample {
					time.Sleep(c.busy)
					// A hundred packets leave at once, ten times a second.
					return sample{stats: scanner.Stats{Sent: before + 100*uint64((time.Since(p.start)+99500*time.Microsecond)/(100*time.Millisecond))}}
				}
				p.ui.terminal = terminal{}
				p.run(sample{stats: scanner.Stats{Sent: before}}) // by an earlier run
				time.Sleep(c.end)
				require.NoError(t, p.stop())
				var at []float64
				for _, u := range parseUpdates(t, file.Bytes()) {
					at = append(at, u.DurationS)
					require.InDelta(t, 1000, u.Rate.SentPPS, 110)
				}
				require.Equal(t, c.at, at)
			})
		})
	}
}

// A reader that never reads delays the end for a short time only.
func TestProgressWithAFileThatIsStuckForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		file := &stuckWriter{released: make(chan struct{})}
		p := testProgress(&screen, file)
		p.run(sample{})
		time.Sleep(1500 * time.Millisecond)
		ended := time.Now()
		require.ErrorIs(t, p.stop(), errStalled)
		require.Less(t, time.Since(ended), patience+time.Second)
		require.Equal(t, 1, bytes.Count(screen.Bytes(), []byte("the reader stalled")))
		close(file.released)
	})
}

func testProgress(screen, file io.Writer) *progress {
	p := testScan()
	p.ui = newUI(screen)
	p.ui.terminal = terminal{present: true, redraw: true, size: func() (int, int) { return 200, 50 }}
	p.file, p.start = newOutlet(file), time.Now()
	p.sample = func() sample { return sample{stats: scanner.Stats{Done: 10, Sent: 20}, total: 40} }
	return p
}

type parsedUpdate struct {
	DurationS  float64  `json:"duration_s"`
	RemainingS *float64 `json:"remaining_s"`
	Rate       struct {
		SentPPS float64 `json:"sent_pps"`
	}
}

func parseUpdates(t *testing.T, b []byte) []parsedUpdate {
	var all []parsedUpdate
	for line := range bytes.Lines(b) {
		var u parsedUpdate
		require.NoError(t, json.Unmarshal(line, &u))
		all = append(all, u)
	}
	return all
}

var errBroken = errors.New("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestCommandLine(t *testing.T) {
	require.Equal(t, `a2scan scan -r 5 'a b' 'it'\''s' '' '10.0.0.1;x' 10.0.0.0/8:27015,27016`,
		commandLine([]string{"scan", "-r", "5", "a b", "it's", "", "10.0.0.1;x", "10.0.0.0/8:27015,27016"}))

	// What is not UTF-8 comes through JSON as it is.
	for word, want := range map[string]string{
		"caf\xe9":                `$'caf\xe9'`,
		"caf\xe8":                `$'caf\xe8'`,
		"\xff it's \"\\\n\u202e": `$'\xff it\'s \"\\\n\u202e'`,
		`$'caf\xe9'`:             `'$'\''caf\xe9'\'''`,
		"caf\uFFFD":              "caf\uFFFD",
	} {
		require.Equal(t, want, quoteWords([]string{word}))
	}
}

// TestHelp requires that the help of every command has all of its flags, in lines of at
// most 80 columns except for examples.
func TestHelp(t *testing.T) {
	for _, c := range commands() {
		fs := newFlagSet(c.name)
		c.new(fs)
		text := string(helpText(c, fs, 80))
		for _, name := range fs.names() {
			require.Contains(t, text, "--"+name, c.name)
		}
		body, _, _ := bytes.Cut([]byte(text), []byte("\nExamples:"))
		for line := range bytes.Lines(body) {
			require.LessOrEqual(t, len([]rune(string(line))), 81, "%s: %s", c.name, line)
		}
		grouped := 0
		for _, g := range fs.groups {
			grouped += len(g.names)
		}
		require.Len(t, fs.names(), grouped, "a flag of %s is in no group", c.name)
	}
}
