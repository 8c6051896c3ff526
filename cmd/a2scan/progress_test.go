package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
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
	var screen, file bytes.Buffer
	u := newUI(&screen)
	u.terminal = true
	p := &progress{
		ui: u, show: true, file: newOutlet(&file), start: time.Unix(1000, 0),
		sample: func() sample { return sample{stats: scanner.Stats{Done: 10, Sent: 20}, total: 40} },
	}
	p.update(time.Unix(1002, 0), true)
	p.update(time.Unix(1004, 0), true)
	require.Contains(t, screen.String(), "\ra2scan: 2s: 10 of 40 (25%) done")
	require.Contains(t, screen.String(), "\ra2scan: 4s: 10 of 40 (25%) done")

	lines := bytes.SplitAfter(bytes.TrimSuffix(file.Bytes(), []byte("\n")), []byte("\n"))
	require.Len(t, lines, 2)
	var first, second struct {
		DurationS  float64  `json:"duration_s"`
		RemainingS *float64 `json:"remaining_s"`
		Rate       struct {
			SentPPS float64 `json:"sent_pps"`
		}
	}
	require.NoError(t, json.Unmarshal(lines[0], &first))
	require.NoError(t, json.Unmarshal(lines[1], &second))
	require.Equal(t, 2.0, first.DurationS)
	require.Equal(t, 10.0, first.Rate.SentPPS)
	require.Equal(t, 6.0, *first.RemainingS)
	require.Zero(t, second.Rate.SentPPS, "rates are since the line before")

	// A status file that cannot be written is said once, and the scan goes on.
	screen.Reset()
	p.file = newOutlet(brokenWriter{})
	p.update(time.Unix(1005, 0), false)
	p.update(time.Unix(1006, 0), false)
	require.ErrorIs(t, p.err, errBroken)
	require.Equal(t, 1, bytes.Count(screen.Bytes(), []byte("cannot write status updates")))
}

var errBroken = errors.New("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestCommandLine(t *testing.T) {
	require.Equal(t, `a2scan scan -r 5 'a b' 'it'\''s' '' '10.0.0.1;x' 10.0.0.0/8:27015,27016`,
		commandLine([]string{"scan", "-r", "5", "a b", "it's", "", "10.0.0.1;x", "10.0.0.0/8:27015,27016"}))
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
