package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
)

// tableApp is an app whose standard output is a terminal of that width.
func tableApp(columns int) (*app, *bytes.Buffer) {
	out := new(bytes.Buffer)
	return &app{stdout: out, screen: screenOf(columns, 24), ui: newUI(io.Discard)}, out
}

func recordLine(t testing.TB, status, reason, text string, answered bool) []byte {
	t.Helper()
	r := map[string]any{"schema": 1, "seq": 0, "ip": "192.0.2.7", "port": 27015, "status": status, "error": reason, "rtt_ms": 41.2,
		"timestamp": "2026-12-01T03:04:05.000000Z"}
	if answered {
		r["info"] = map[string]any{"status": "success", "name": text, "map": text, "game": text, "folder": text, "players": 3, "max_players": 16}
	}
	b, err := json.Marshal(r)
	require.NoError(t, err)
	return append(b, '\n')
}

// Targets that do not answer have a line in a small scan only; the footer has their count.
func TestTableSink(t *testing.T) {
	for _, all := range []bool{false, true} {
		a, out := tableApp(80)
		s := a.newTableSink(all)
		takeRecords(t, s, recordLine(t, "success", "", "x", true), recordLine(t, "timeout", "silence", "", false))
		require.NoError(t, s.Close())
		require.Contains(t, out.String(), "192.0.2.7:27015     41 ms  x")
		if all {
			require.Contains(t, out.String(), "timeout  silence")
			require.Contains(t, out.String(), "\n1 server, 3/16 players\n")
		} else {
			require.NotContains(t, out.String(), "timeout")
			require.Contains(t, out.String(), "\n1 server, 3/16 players; 1 target without an answer not shown (-v shows them)\n")
		}
	}
}

// takeRecords gives the records of lines to a sink, as a scan does.
func takeRecords(t testing.TB, s scanner.RecordSink, lines ...[]byte) {
	t.Helper()
	for _, line := range lines {
		var r output.Record
		require.NoError(t, output.Unmarshal(line, &r))
		s.WriteRecord(&r)
	}
	require.NoError(t, s.WriteLines(bytes.Repeat([]byte{'\n'}, len(lines))))
}

// FuzzTableSink: whatever servers send, a table moves no cursor and has no line wider than
// the terminal.
func FuzzTableSink(f *testing.F) {
	f.Add("plain", 80)
	f.Add("\x1b[2J\x1b[H\u009b1;1H\r\n\u202e\u2028a2scan: forged", 40)
	f.Add("最後の砦 🔥 \u0300\u0301\u0302", 200)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		columns = min(max(columns, 1), 300)
		a, out := tableApp(columns)
		s := a.newTableSink(true)
		for i, status := range []string{"success", "partial", "timeout", "protocol_error"} {
			takeRecords(t, s, recordLine(t, status, text, text, i < 2))
		}
		require.NoError(t, s.Close())
		requireInert(t, out.String())
		requireFits(t, columns, out.String())
		require.Equal(t, 6, bytes.Count(out.Bytes(), []byte("\n")), fmt.Sprintf("%q", out))
	})
}
