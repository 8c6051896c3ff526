package dataset

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// FuzzReadMetadata reads any file as a run's metadata. If it can be read, it can
// be written and read again, and is the same then.
func FuzzReadMetadata(f *testing.F) {
	full, err := fullMetadata().AppendJSON(nil)
	require.NoError(f, err)
	f.Add(full)
	empty, err := (&Metadata{Schema: output.SchemaVersion}).AppendJSON(nil)
	require.NoError(f, err)
	f.Add(empty)
	f.Add([]byte(`{"schema":1,"statuses":{"success":1},"config":null,"notes":[""],"end_reason":"?","start_time":"2026-01-02T03:04:05.678901234+05:30"}`))
	f.Add([]byte(`{"schema":2}`))
	f.Add([]byte(`{"schema":1,"statuses":{"successful":1}}`))
	f.Add([]byte(`{"schema":1,"rtt_ms":{"p50":1e300},"duration_s":-0.00049,"end_time":"0000-01-01T00:00:00Z"} x`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "run.meta.json")
		require.NoError(t, os.WriteFile(path, b, 0o644))
		m, err := ReadMetadata(path)
		if err != nil {
			require.Nil(t, m)
			return
		}
		require.Equal(t, output.SchemaVersion, m.Schema)
		_ = m.Check(0)
		writeMetadata(t, m, path)
		written := readFile(t, path)
		require.True(t, json.Valid(written))
		require.Equal(t, 1, bytes.Count(written, []byte{'\n'}), "%s", written)
		again, err := ReadMetadata(path)
		require.NoError(t, err)
		first, err := m.AppendJSON(nil)
		require.NoError(t, err)
		second, err := again.AppendJSON(nil)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	})
}
