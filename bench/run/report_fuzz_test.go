package run

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// FuzzReadReport shows any report that --from may name. It stays the same in its
// file, its figures are pictures, and its text has nothing that a terminal obeys.
func FuzzReadReport(f *testing.F) {
	var full bytes.Buffer
	require.NoError(f, sampleReport().WriteJSON(&full))
	f.Add(full.Bytes())
	f.Add([]byte(`{"schema":1}`))
	f.Add([]byte(`{"schema":1,"rows":[{"workload":"\u001b[2J","variant":"\u009b","runs":[{}]}],"machine":{"cpu":"\u202e"},"problems":[{"text":"\r\n"}]}`))
	f.Add([]byte(`{"schema":1,"rows":[{"variant":"a|b","servers":1e9,"servers_per_s":{"median":-1e300}}],"rates":[{"seconds":[4294967295],"worst_error":1e308}]}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<14 {
			return
		}
		path := filepath.Join(dir, "report.json")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		r, err := ReadReport(path)
		if err != nil {
			return
		}
		require.NoError(t, r.WriteJSONFile(path))
		again, err := ReadReport(path)
		require.NoError(t, err)
		var first, second bytes.Buffer
		require.NoError(t, r.WriteJSON(&first))
		require.NoError(t, again.WriteJSON(&second))
		require.Equal(t, first.String(), second.String())

		var text strings.Builder
		require.NoError(t, r.WriteText(&text))
		for line := range strings.Lines(text.String()) {
			line = strings.TrimSuffix(line, "\n")
			require.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
		}
		part := r.Markdown("figures")
		document, err := replacePart([]byte("before\n"+markdownBegin+"\nold\n"+markdownEnd+"\nafter\n"), part)
		require.NoError(t, err)
		once, err := replacePart(document, part)
		require.NoError(t, err)
		require.Equal(t, string(document), string(once), "the report has one place")
		for _, figure := range r.Figures() {
			require.NotEmpty(t, figure.SVG)
		}
	})
}

// FuzzFoundAt compares the values from the beginning of a record with those that
// encoding/json reads in all of it.
func FuzzFoundAt(f *testing.F) {
	r := output.Record{Time: time.Unix(1.8e9, 0), Duration: 1500 * time.Millisecond}
	f.Add(output.AppendJSON(nil, &r))
	f.Add([]byte(`{"status":"success","timestamp":"2026-01-02T03:04:05Z","duration_ms":1.5`))
	f.Add([]byte(`{"status":"timeout"}`))
	f.Add([]byte(`{"duration_ms":1e300,"status":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		at, found, err := foundAt(line)
		if err != nil {
			require.False(t, found)
			return
		}
		var want struct {
			Status     *string
			Timestamp  *time.Time
			DurationMS *float64 `json:"duration_ms"`
		}
		if bytes.Count(line, []byte(`"status"`)) != 1 || json.Unmarshal(line, &want) != nil || want.Status == nil {
			return
		}
		if found && want.Timestamp != nil && want.DurationMS != nil && bytes.Count(line, []byte(`"timestamp"`)) == 1 && bytes.Count(line, []byte(`duration_ms`)) == 1 {
			require.True(t, want.Timestamp.Add(time.Duration(*want.DurationMS*float64(time.Millisecond))).Equal(at), "%s", line)
		}
	})
}
