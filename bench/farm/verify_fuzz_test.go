package farm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto/prototest"
)

// FuzzVerify replaces n bytes of a perfect record by patch. If Verify still accepts it,
// encoding/json must read the same values as before. The report on any line contains no
// character that controls a terminal.
func FuzzVerify(f *testing.F) {
	w := everything()
	all := sequence(40, 27015)
	records := make([][]byte, len(all))
	for i, ap := range all {
		records[i] = bytes.TrimSuffix(perfect(w, uint64(i), ap), []byte("\n"))
	}
	place := func(which int, text string) uint16 { return uint16(bytes.Index(records[which], []byte(text))) }
	f.Add(uint8(0), uint16(0), uint16(0), []byte{})
	f.Add(uint8(1), place(1, `"status":"`)+10, uint16(3), []byte("\x1b[2J"))
	f.Add(uint8(2), place(2, `"status":`)+10, uint16(3), []byte(`\u001b[2J\u202e`))
	f.Add(uint8(3), place(3, `"info"`)+1, uint16(4), []byte(`in\u009bfo`))
	f.Add(uint8(4), place(4, `"ip":"`)+6, uint16(0), []byte(`::ffff:`))
	f.Add(uint8(5), place(5, `,"tag"`), uint16(0), []byte(`,"tag":"a b"`))
	f.Add(uint8(6), uint16(0), uint16(60000), []byte(`{"schema":1,"seq":1e3,"status":"blocked","error":"x","ip":7,"info":{"status":[]}}`))
	f.Add(uint8(7), place(7, `"challenged":`)+13, uint16(4), []byte("1"))
	f.Fuzz(func(t *testing.T, which uint8, at, n uint16, patch []byte) {
		record := records[int(which)%len(records)]
		from := int(at) % (len(record) + 1)
		to := min(from+int(n), len(record))
		changed := slices.Concat(record[:from], patch, record[to:])
		o := VerifyOptions{Want: wantAll, Ports: []uint16{27015}}
		report, err := Verify(w, lines(changed), o)
		require.NoError(t, err)
		require.EqualValues(t, 1, report.Records)
		require.Equal(t, report.Total == 0, report.OK())
		for line := range strings.Lines(report.String()) {
			line = strings.TrimSuffix(line, "\n")
			require.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
			require.Less(t, len(line), 8<<10)
		}
		if !report.OK() || report.Elsewhere+report.Aborted > 0 {
			return
		}
		was, is := known(t, record), known(t, changed)
		if was["ip"] != is["ip"] {
			// The record is of another target, of which it may be true.
			require.NotEqual(t, prototest.EndpointFrom(all[int(which)%len(all)]).String(), fmt.Sprintf("%v:%v", is["ip"], is["port"]))
			return
		}
		require.Equal(t, was, is)
	})
}

// known returns the world's knowledge of a record, spelled in one way.
func known(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var r map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	require.NoError(t, d.Decode(&r))
	for _, free := range []string{"seq", "input", "tag", "error", "timestamp", "duration_ms", "rtt_ms", "attempts",
		"packets_sent", "packets_received", "bytes_received", "challenged", "raw"} {
		delete(r, free)
		delete(r, free+"_b64")
	}
	for _, s := range []string{"info", "players", "rules"} {
		if section, ok := r[s].(map[string]any); ok {
			for _, free := range []string{"error", "attempts", "rtt_ms"} {
				delete(section, free)
			}
		}
	}
	if ip, ok := r["ip"].(string); ok {
		r["ip"] = strings.TrimPrefix(strings.ToLower(ip), "::ffff:")
	}
	return spelled(r).(map[string]any)
}

// spelled returns v with each number as the nearest float32, and without members that mean
// nothing.
func spelled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if strings.HasSuffix(name, "_b64") && member == nil {
				delete(v, name)
				continue
			}
			v[name] = spelled(member)
		}
	case []any:
		for i := range v {
			v[i] = spelled(v[i])
		}
	case json.Number:
		if x, err := strconv.ParseFloat(string(v), 32); err == nil && strings.ContainsAny(string(v), ".eE") {
			return float32(x)
		}
		return string(v)
	case string:
		return oneReplacement(v)
	}
	return v
}
