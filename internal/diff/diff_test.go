package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
)

// events compares two datasets.
func events(t *testing.T, o Options, before, after []*output.Record) (lines []string) {
	t.Helper()
	o.TempDir = t.TempDir()
	c := New(o)
	defer c.Close()
	for _, r := range before {
		require.NoError(t, c.AddOld(r))
	}
	for _, r := range after {
		require.NoError(t, c.AddNew(r))
	}
	require.NoError(t, c.Events(func(e *output.Event) error {
		lines = append(lines, string(e.AppendJSON(nil)))
		return nil
	}))
	return lines
}

// TestOracle compares 20,000 servers with a comparison by maps and encoding/json, with
// and without temporary files.
func TestOracle(t *testing.T) {
	m := recordtest.New(9)
	m.Hostile, m.Hosts = 0.005, 150
	var before, after []*output.Record
	next := func() *output.Record {
		r := m.Next()
		if r.Players != nil && len(r.Players.List) > 3 {
			r.Players.List = r.Players.List[:3] // encoding/json is slow
		}
		return r
	}
	n := 20_000
	if testing.Short() {
		n = 2000
	}
	for range n {
		before = append(before, next())
	}
	for range n {
		after = append(after, next())
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(before), func(i, j int) { before[i], before[j] = before[j], before[i] })
	r.Shuffle(len(after), func(i, j int) { after[i], after[j] = after[j], after[i] })
	want := oracle(t, before, after)
	for _, memory := range []int{1 << 30, 1 << 20} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			got := map[string]bool{}
			for _, line := range events(t, Options{Memory: memory}, before, after) {
				var e map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &e))
				key, err := json.Marshal(e)
				require.NoError(t, err)
				got[string(key)] = true
			}
			for key := range want {
				require.True(t, got[key], "missing: %.2000s", key)
			}
			require.Len(t, got, len(want))
			kinds := map[string]int{}
			for key := range got {
				for _, k := range []string{"appeared", "changed", "gone"} {
					if strings.Contains(key, `"event":"`+k+`"`) {
						kinds[k]++
					}
				}
			}
			require.Len(t, kinds, 3)
		})
	}
}

// oracle returns the events as JSON with sorted keys.
func oracle(t *testing.T, before, after []*output.Record) map[string]bool {
	latest := func(list []*output.Record) map[netip.AddrPort]*output.Record {
		m := map[netip.AddrPort]*output.Record{}
		for _, r := range list {
			if old := m[r.Addr]; r.Addr.IsValid() && (old == nil || r.Time.After(old.Time)) {
				m[r.Addr] = r
			}
		}
		return m
	}
	objects := map[*output.Record]map[string]any{}
	object := func(r *output.Record) map[string]any {
		o := objects[r]
		if o == nil {
			require.NoError(t, json.Unmarshal(output.AppendJSON(nil, r), &o))
			objects[r] = o
		}
		return o
	}
	old, new := latest(before), latest(after)
	last := slices.MaxFunc(after, func(a, b *output.Record) int { return a.Time.Compare(b.Time) }).Time
	answered := func(r *output.Record) bool {
		return r != nil && (r.Status == output.Success || r.Status == output.Partial)
	}
	want := map[string]bool{}
	addrs := map[netip.AddrPort]bool{}
	for a := range old {
		addrs[a] = true
	}
	for a := range new {
		addrs[a] = true
	}
	for a := range addrs {
		o, n := old[a], new[a]
		e := map[string]any{"schema": 1, "round": nil, "ip": a.Addr().String(), "port": a.Port(), "tag": nil, "changes": nil, "record": nil}
		stamp := func(when time.Time) { e["time"] = when.UTC().Format("2006-01-02T15:04:05.000000Z") }
		if n != nil {
			stamp(n.Time)
			e["tag"] = object(n)["tag"]
			if b64 := object(n)["tag_b64"]; b64 != nil {
				e["tag_b64"] = b64
			}
		}
		switch {
		case answered(n) && !answered(o):
			e["event"], e["record"] = "appeared", object(n)
		case answered(o) && !answered(n):
			e["event"] = "gone"
			if n == nil {
				stamp(last)
				e["tag"] = object(o)["tag"]
				if b64 := object(o)["tag_b64"]; b64 != nil {
					e["tag_b64"] = b64
				}
			}
		case answered(o) && answered(n):
			a, _ := object(o)["info"].(map[string]any)
			b, _ := object(n)["info"].(map[string]any)
			if a == nil || b == nil || a["status"] != "success" || b["status"] != "success" {
				continue
			}
			changes := map[string]any{}
			for f := range strings.SplitSeq(output.Fields{}.String(), ",") {
				x, y := a[f+"_b64"], b[f+"_b64"]
				if x != y {
					changes[f+"_b64"] = []any{x, y}
				}
				if a[f] != b[f] || x != y {
					changes[f] = []any{a[f], b[f]}
				}
				if changes[f] != nil && (x != nil || y != nil) {
					changes[f+"_b64"] = []any{x, y}
				}
			}
			if len(changes) == 0 {
				continue
			}
			e["event"], e["changes"], e["record"] = "changed", changes, object(n)
		default:
			continue
		}
		key, err := json.Marshal(e)
		require.NoError(t, err)
		// Through encoding/json once more, so that numbers are written alike.
		var again map[string]any
		require.NoError(t, json.Unmarshal(key, &again))
		key, err = json.Marshal(again)
		require.NoError(t, err)
		want[string(key)] = true
	}
	return want
}

func server(addr, mapName string, sec int) *output.Record {
	return &output.Record{
		Addr: netip.MustParseAddrPort(addr), Time: time.Date(2026, 1, 1, 0, 0, sec, 0, time.UTC), RTT: output.NoRTT,
		Info:  &output.Info{Section: output.Section{RTT: output.NoRTT}, Fields: output.InfoMap | output.InfoPlayers, Map: mapName, Players: 3},
		Rules: &output.Rules{Section: output.Section{RTT: output.NoRTT}, List: []output.Rule{{Name: "mp_timelimit", Value: mapName}}},
	}
}

// TestUnansweredChangesNothing: a query without an answer tells nothing of its fields.
func TestUnansweredChangesNothing(t *testing.T) {
	var fields output.Fields
	require.NoError(t, fields.UnmarshalText([]byte("map,rules.mp_timelimit,rules.none")))
	a, b := server("192.0.2.1:1", "x", 1), server("192.0.2.1:1", "y", 2)
	b.Status = output.Partial
	b.Info.Status = output.Timeout
	got := events(t, Options{Fields: fields}, []*output.Record{a}, []*output.Record{b})
	require.Len(t, got, 1)
	require.Contains(t, got[0], `"changes":{"rules.mp_timelimit":["x","y"]}`)
	b.Rules.Status = output.Timeout
	require.Empty(t, events(t, Options{Fields: fields}, []*output.Record{a}, []*output.Record{b}))
}

// TestOrder: events come in the order of addresses, IPv4 first.
func TestOrder(t *testing.T) {
	var list []*output.Record
	for _, a := range []string{"[2001:db8::1]:1", "192.0.2.10:5", "192.0.2.9:300", "192.0.2.9:5", "[2001:db8::1]:2"} {
		list = append(list, server(a, "x", 1))
	}
	var order []string
	for _, line := range events(t, Options{}, list, nil) {
		var e struct {
			Event, IP, Time string
			Port            int
			Record          json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Equal(t, "gone", e.Event)
		require.Equal(t, "null", string(e.Record))
		require.Equal(t, "2026-01-01T00:00:01.000000Z", e.Time, "nothing new was asked")
		order = append(order, fmt.Sprint(e.IP, " ", e.Port))
	}
	require.Equal(t, []string{"192.0.2.9 5", "192.0.2.9 300", "192.0.2.10 5", "2001:db8::1 1", "2001:db8::1 2"}, order)
}

func FuzzEntry(f *testing.F) {
	f.Add(bytes.Repeat([]byte{1}, 20), []byte{1, 2, 'a', 'b', 3, 'x', 'y', 'z', '{', '}'})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) < 8 || len(value) < 1 {
			return
		}
		var s side
		_ = s.set(key, value)
	})
}
