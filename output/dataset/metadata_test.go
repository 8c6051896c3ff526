package dataset

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// fullMetadata has something other than zero in every field.
func fullMetadata() *Metadata {
	var m Metadata
	var n uint64
	fillMetadata(&n, reflect.ValueOf(&m).Elem())
	m.Schema, m.EndReason = output.SchemaVersion, EndInterrupted
	return &m
}

// fillMetadata fills v, and all that it holds, with numbers that count up from *n.
func fillMetadata(n *uint64, v reflect.Value) {
	*n++
	switch p := v.Addr().Interface().(type) {
	case *output.Timestamp:
		p.Time = time.Unix(int64(*n), 123456000).UTC()
		return
	case *Decimal:
		*p = Decimal(*n) / 8
		return
	case *map[string]string:
		*p = map[string]string{"rate": "2000", "query": "info,rules"}
		return
	case *[]string:
		*p = []string{"212 replies were dropped"}
		return
	case *string:
		*p = "<a> & 'b'"
		return
	case *json.RawMessage:
		*p = json.RawMessage(`["x"]`)
		return
	case *EndReason:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillMetadata(n, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fillMetadata(n, v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillMetadata(n, v.Elem())
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(*n)
	default:
		panic("no way to fill a " + v.Type().String())
	}
}

const statusKeys = "success partial timeout refused unreachable incomplete protocol_error send_error resolve_error blocked invalid_input aborted"

// The members as they are promised, in their order.
var wantMetadataKeys = map[string]string{
	"": "schema tool version command_line config notes start_time end_time duration_s end_reason resumed seed shard shards" +
		" input source user_notes user_metadata targets statuses sections packets socket rate rtt_ms output",
	"config":           "query rate",
	"resumed":          "records not_in_targets",
	"input":            "lines targets duplicates invalid blocked",
	"targets":          "done aborted",
	"statuses":         statusKeys,
	"sections":         "info players rules",
	"sections.info":    statusKeys,
	"sections.players": statusKeys,
	"sections.rules":   statusKeys,
	"packets":          "sent send_errors retransmits challenges received bytes_sent bytes_received unmatched late duplicate malformed truncated icmp",
	"socket":           "rcvbuf_requested rcvbuf_actual rx_dropped",
	"rate":             "requested_pps achieved_pps peak_in_flight",
	"rtt_ms":           "p50 p90 p99 max",
	"output":           "records bytes compressed_bytes",
}

func TestMetadataKeys(t *testing.T) {
	for _, m := range []*Metadata{{Config: map[string]string{"query": "info", "rate": "1"}}, fullMetadata()} {
		b, err := m.AppendJSON(nil)
		require.NoError(t, err)
		checkKeys(t, b, wantMetadataKeys)
		require.Equal(t, 1, strings.Count(string(b), "\n"))
	}
}

// checkKeys compares the keys of each object of b, and their order, with those that
// want has for its path.
func checkKeys(t *testing.T, b []byte, want map[string]string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	var walk func(path string)
	walk = func(path string) {
		token, err := d.Token()
		require.NoError(t, err)
		if token != json.Delim('{') {
			for token == json.Delim('[') && d.More() {
				walk(path)
			}
			if token == json.Delim('[') {
				_, err = d.Token()
				require.NoError(t, err)
			}
			return
		}
		var keys []string
		for d.More() {
			key, err := d.Token()
			require.NoError(t, err)
			keys = append(keys, key.(string))
			walk(strings.TrimPrefix(path+"."+key.(string), "."))
		}
		_, err = d.Token()
		require.NoError(t, err)
		require.Equal(t, want[path], strings.Join(keys, " "), "the object %q", path)
	}
	walk("")
}

func writeMetadata(t *testing.T, m *Metadata, path string) {
	t.Helper()
	b, err := m.AppendJSON(nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o644))
}

func TestMetadataRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.ndjson.meta.json")
	for _, m := range []*Metadata{{Schema: output.SchemaVersion, Config: map[string]string{}, Notes: []string{}}, fullMetadata()} {
		writeMetadata(t, m, path)
		got, err := ReadMetadata(path)
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
	require.Contains(t, string(readFile(t, path)), `"tool":"<a> & 'b'"`)
}

func TestMetadataNull(t *testing.T) {
	m := Metadata{DurationS: Decimal(math.NaN())}
	m.Rate.AchievedPPS, m.Rate.RequestedPPS = Decimal(math.Inf(1)), 0.0004
	b, err := m.AppendJSON(nil)
	require.NoError(t, err)
	for _, want := range []string{`"config":{}`, `"notes":[]`, `"start_time":null`, `"end_time":null`, `"end_reason":null`,
		`"duration_s":null`, `"requested_pps":0,`, `"achieved_pps":null`, `"p50":null`, `"compressed_bytes":null`} {
		require.Contains(t, string(b), want)
	}
}

func TestDecimal(t *testing.T) {
	for d, want := range map[Decimal]string{
		41.207: "41.207", 41.207499: "41.207",
		1.5: "1.5", 0: "0", -0.5: "-0.5", 1.0 / 3: "0.333", 1e300: "1e+300",
	} {
		b, err := json.Marshal(d)
		require.NoError(t, err)
		require.Equal(t, want, string(b))
	}
}

// The words of a long command line are in the metadata twice, and can be read.
func TestMetadataOfALongCommandLine(t *testing.T) {
	m := fullMetadata()
	m.CommandLine = strings.Repeat("127.0.0.1 ", 200_000)
	path := filepath.Join(t.TempDir(), "m")
	writeMetadata(t, m, path)
	got, err := ReadMetadata(path)
	require.NoError(t, err)
	require.Equal(t, m, got)
}

func TestReadMetadataErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadMetadata(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	path := filepath.Join(dir, "m")
	for content, want := range map[string]string{
		`{"schema":2}`:                        "schema 2; this version reads 1",
		`{"schema":1,`:                        "cut off",
		``:                                    "cut off",
		"\x00\x00\x00":                        "cut off",
		`{"sch`:                               "cut off",
		`my notes`:                            "invalid character",
		`null`:                                "schema 0",
		`{"schema":1,"statuses":{"happy":1}}`: `"happy" is no status`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		_, err := ReadMetadata(path)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
	}
}

func TestMetadataCheck(t *testing.T) {
	var m Metadata
	m.Input.Targets, m.Targets.Done, m.Targets.Aborted, m.Output.Records = 5, 4, 1, 3
	m.Statuses[output.Success], m.Statuses[output.Timeout], m.Statuses[output.Aborted] = 3, 1, 1
	require.NoError(t, m.Check(2))
	require.EqualError(t, m.Check(0), "targets.done + targets.aborted is 5, but output.records plus the records left out is 3")
	m.Input.Targets, m.Statuses[output.Success] = 6, 9
	require.EqualError(t, m.Check(2), "targets.done + targets.aborted is 5, but input.targets is 6\n"+
		"targets.done + targets.aborted is 5, but the sum of statuses is 11")
	m.Resumed = &Resumed{}
	require.EqualError(t, m.Check(2), "targets.done + targets.aborted is 5, but the sum of statuses is 11")
}
