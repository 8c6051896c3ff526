package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
)

func TestProgressLine(t *testing.T) {
	var prev, cur sample
	cur.at = 1500 * time.Millisecond
	cur.stats = scanner.Stats{Done: 900, Aborted: 100, InFlight: 1234, Sent: 3000, Received: 1500}
	cur.stats.Statuses[output.Success] = 400
	cur.stats.Statuses[output.Partial] = 50
	require.Equal(t, "2s: 1,000 done; 450 answered (50%); 2,000 p/s out, 1,000 in; 1,234 in flight", progressLine(&prev, &cur))

	prev, cur.at = cur, 2500*time.Millisecond
	cur.total = 5000
	cur.socket.RxDropped = 7
	require.Equal(t, "3s: 1,000 of 5,000 (20%) done, 10s left; 450 answered (50%); 0 p/s out, 0 in; 1,234 in flight; 7 dropped", progressLine(&prev, &cur))

	cur.before = 500
	require.Contains(t, progressLine(&prev, &cur), " done, 20s left; ", "what is left takes as long as this run takes")

	require.Equal(t, "0s: 0 done; 0 answered; 0 p/s out, 0 in; 0 in flight", progressLine(&sample{}, &sample{}), "nothing is divided by nothing")
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
		p.run()
		time.Sleep(2500 * time.Millisecond)
		require.NoError(t, p.stop())
		require.Contains(t, screen.String(), "\ra2scan: 1s: 10 of 40 (25%) done")
		require.Contains(t, screen.String(), "\ra2scan: 2s: 10 of 40 (25%) done")
		updates := parseUpdates(t, file.Bytes())
		require.Len(t, updates, 3)
		require.Equal(t, 1.0, updates[0].DurationS)
		require.Equal(t, 20.0, updates[0].Rate.SentPPS)
		require.Nil(t, updates[0].RemainingS, "too early to tell")
		require.Equal(t, 6.0, *updates[1].RemainingS)
		require.Zero(t, updates[1].Rate.SentPPS, "rates are since the line before")
		require.Equal(t, 2.5, updates[2].DurationS)
	})
}

// A status file that cannot be written is said once, and the scan goes on.
func TestProgressWithABrokenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		p := testProgress(&screen, brokenWriter{})
		p.run()
		time.Sleep(3500 * time.Millisecond)
		require.ErrorIs(t, p.stop(), errBroken)
		require.Equal(t, 1, bytes.Count(screen.Bytes(), []byte("cannot write status updates")))
		require.Contains(t, screen.String(), "\ra2scan: 3s: ")
	})
}

// Whoever does not read status updates for a while gets the next ones, and meanwhile
// the screen stands still for nobody.
func TestProgressWithAStuckFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		file := &stuckWriter{released: make(chan struct{})}
		p := testProgress(&screen, file)
		p.sample = func() sample {
			return sample{stats: scanner.Stats{Sent: uint64(time.Since(p.start) / time.Millisecond)}}
		}
		p.run()
		time.Sleep(5500 * time.Millisecond)
		close(file.released)
		time.Sleep(2 * time.Second) // to 7.5 s
		require.NoError(t, p.stop())
		require.Contains(t, screen.String(), "\ra2scan: 5s: ")
		var at []float64
		for _, u := range parseUpdates(t, file.Bytes()) {
			at = append(at, u.DurationS)
			require.Equal(t, 1000.0, u.Rate.SentPPS, "since the line before, whenever that was")
		}
		require.Equal(t, []float64{1, 6, 7, 7.5}, at)
	})
}

// The last update comes when the scan ends, which may be right after the one before:
// it is no reason for a rate that never was. Nor is a tick that was dealt with late.
func TestProgressRates(t *testing.T) {
	const before = 5000
	for name, c := range map[string]struct {
		busy time.Duration // for so long each tick is late
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
				p.last.stats.Sent = before // by an earlier run
				p.run()
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

// Whoever never reads them is not waited for at the end, or not for long.
func TestProgressWithAFileThatIsStuckForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		file := &stuckWriter{released: make(chan struct{})}
		p := testProgress(&screen, file)
		p.run()
		time.Sleep(1500 * time.Millisecond)
		ended := time.Now()
		require.ErrorIs(t, p.stop(), errNobodyReads)
		require.Less(t, time.Since(ended), patience+time.Second)
		require.Equal(t, 1, bytes.Count(screen.Bytes(), []byte("the reader stalled")))
		close(file.released)
	})
}

func testProgress(screen, file io.Writer) *progress {
	u := newUI(screen)
	u.terminal = true
	return &progress{
		ui: u, show: true, file: newOutlet(file), start: time.Now(),
		sample: func() sample { return sample{stats: scanner.Stats{Done: 10, Sent: 20}, total: 40} },
	}
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

// TestHelp holds every command's help to 80 columns, but for its examples, and
// to the flags that it has.
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
