package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/extsort"
	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
)

// build returns the report of records.
func build(t *testing.T, b *Builder, records []*output.Record) (*Report, *Page) {
	t.Helper()
	defer b.Close()
	var row Row
	for _, r := range records {
		require.NoError(t, Parse(output.AppendJSON(nil, r), &row))
		require.NoError(t, b.Add(&row))
	}
	rep, page, err := b.Result([]File{{Name: "x"}})
	require.NoError(t, err)
	return rep, page
}

func make20k(hostile float64) []*output.Record {
	m := recordtest.New(1)
	m.Hostile, m.Hosts = hostile, 3000
	var all []*output.Record
	for range 20_000 {
		r := new(output.Record)
		if err := output.Unmarshal(output.AppendJSON(nil, m.Next()), r); err != nil {
			panic(err)
		}
		all = append(all, r)
	}
	return all
}

// TestAgainstPlainCounts compares a report with counts over maps in memory, without
// and with temporary files, for records in order and shuffled.
func TestAgainstPlainCounts(t *testing.T) {
	records := make20k(0.05)
	want := plainReport(records)
	require.Positive(t, want.Duplicates)
	for _, memory := range []int{rowMemory, 100_000} {
		for _, shuffled := range []bool{false, true} {
			t.Run(fmt.Sprint(memory, shuffled), func(t *testing.T) {
				list := slices.Clone(records)
				if shuffled {
					rand.New(rand.NewPCG(3, 4)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				}
				b := NewBuilder(Options{Top: 50, TempDir: t.TempDir()})
				b.rows = extsort.New(t.TempDir(), memory)
				got, _ := build(t, b, list)
				wantJSON, err := want.AppendJSON(nil)
				require.NoError(t, err)
				gotJSON, err := got.AppendJSON(nil)
				require.NoError(t, err)
				require.Equal(t, short10k(wantJSON), short10k(gotJSON))
				require.True(t, string(wantJSON) == string(gotJSON))
			})
		}
	}
}

func short10k(b []byte) string { return string(b[:min(len(b), 10_000)]) }

// plainReport counts in the simplest way.
func plainReport(records []*output.Record) *Report {
	latest := map[string]*output.Record{}
	for _, r := range records {
		key := r.Addr.String()
		if !r.Addr.IsValid() {
			key = r.Input
		}
		if old := latest[key]; old == nil || !r.Time.Before(old.Time) {
			latest[key] = r
		}
	}
	rep := &Report{Records: uint64(len(latest)), Duplicates: uint64(len(records) - len(latest)), Files: []string{"x"},
		Shards: Shards{Present: []int{}, Missing: []int{}}}
	statuses, info, players, rules := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
	env, types, vac, visibility := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
	reasons := map[string]uint64{}
	games, mapsOf, versions, errs, hosts := map[[2]string]tally{}, map[[2]string]tally{}, map[[2]string]tally{}, map[[2]string]tally{}, map[[2]string]tally{}
	var rtt []float64
	count := func(m map[[2]string]tally, key [2]string, t tally) {
		sum := m[key]
		sum.add(t)
		m[key] = sum
	}
	for _, r := range latest {
		statuses[r.Status.String()]++
		if r.RTT >= 0 {
			rtt = append(rtt, float64(r.RTT.Microseconds())/1000)
		}
		if r.Status != output.Success {
			count(errs, [2]string{valid(r.Error)}, tally{n: 1})
		}
		if r.Players != nil {
			players[r.Players.Status.String()]++
			rep.Players.Listed += uint64(len(r.Players.List))
		}
		if r.Rules != nil {
			rules[r.Rules.Status.String()]++
		}
		i := r.Info
		if i == nil {
			continue
		}
		info[i.Status.String()]++
		if i.Status != output.Success {
			continue
		}
		rep.Servers++
		n, most := i.Players, i.MaxPlayers
		if i.Has(output.InfoPlayersActual) {
			n = i.PlayersActual
		}
		if i.Has(output.InfoMaxPlayersActual) {
			most = i.MaxPlayersActual
		}
		rep.Players.Reported += uint64(n)
		rep.Players.Max += uint64(most)
		rep.Players.Bots += uint64(i.Bots)
		env[i.Environment]++
		types[i.ServerType]++
		vac[strconv.FormatBool(i.VAC)]++
		visibility[i.Visibility]++
		t := tally{1, uint64(n), uint64(most)}
		count(games, [2]string{valid(i.Game), strconv.Itoa(int(i.AppID))}, t)
		count(mapsOf, [2]string{valid(i.Game), valid(i.Map)}, t)
		count(versions, [2]string{valid(i.Game), valid(i.Version)}, t)
		count(hosts, [2]string{r.Addr.Addr().String()}, t)
		suspect := false
		add := func(name string) { reasons[name]++; suspect = true }
		if n > most {
			add("players_over_max")
		}
		if listed := len(r.Players.List); n-i.Bots-listed >= 10 && n-i.Bots > 2*listed && listed < 250 {
			add("players_not_listed")
		}
		if r.Source != nil {
			if i.AppID != 0 && i.AppID != 730 || i.Folder != "x" && i.Folder != "" || i.SteamID != 0 && i.SteamID != 90071992547409920 {
				add("steam_identity")
			}
			if n-i.Bots-1 >= 10 {
				add("steam_players")
			}
		}
		if suspect {
			rep.Suspect.Servers++
		}
	}
	all := func(m map[string]uint64, words ...string) (c Counts) {
		for _, w := range words {
			c = append(c, Count{w, m[w]})
		}
		return c
	}
	names := []string{"success", "partial", "timeout", "refused", "unreachable", "incomplete", "protocol_error", "send_error", "resolve_error", "blocked", "invalid_input", "aborted"}
	rep.Statuses = all(statuses, names...)
	rep.Sections = Sections{all(info, names...), all(players, names...), all(rules, names...)}
	rep.Environments = all(env, "linux", "windows", "mac", "unknown")
	rep.ServerTypes = all(types, "dedicated", "listen", "proxy", "unknown")
	rep.VAC = all(vac, "true", "false", "unknown")
	rep.Passwords = all(visibility, "public", "private", "unknown")
	rep.Suspect.Reasons = all(reasons, "players_over_max", "players_not_listed", "same_on_one_ip", "steam_identity", "steam_players")
	slices.Sort(rtt)
	at := func(p float64) *float64 { return &rtt[int(math.Ceil(p*float64(len(rtt))))-1] }
	rep.RTT = Percentiles{at(0.5), at(0.9), at(0.99), at(1)}
	top := func(m map[[2]string]tally, each func([2]string, tally)) {
		keys := slices.SortedFunc(maps.Keys(m), func(a, b [2]string) int {
			return cmp.Or(cmp.Compare(m[b].n, m[a].n), cmp.Compare(m[b].players, m[a].players), cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
		})
		for _, k := range keys[:min(50, len(keys))] {
			each(k, m[k])
		}
	}
	top(games, func(k [2]string, t tally) {
		id, _ := strconv.Atoi(k[1])
		rep.Games = append(rep.Games, Game{uint32(id), k[0], t.n, t.players, t.maxPlayers})
	})
	top(mapsOf, func(k [2]string, t tally) { rep.Maps = append(rep.Maps, Map{k[0], k[1], t.n, t.players}) })
	top(versions, func(k [2]string, t tally) { rep.Versions = append(rep.Versions, Version{k[0], k[1], t.n, t.players}) })
	top(hosts, func(k [2]string, t tally) { rep.Hosts = append(rep.Hosts, Host{k[0], t.n, t.players}) })
	top(errs, func(k [2]string, t tally) { rep.Errors = append(rep.Errors, Error{k[0], t.n}) })
	return rep
}

// TestKeys holds the keys of the JSON to those that users rely on.
func TestKeys(t *testing.T) {
	rep, _ := build(t, NewBuilder(Options{Top: 1}), make20k(0)[:200])
	line, err := rep.AppendJSON(nil)
	require.NoError(t, err)
	var keys []string
	d := json.NewDecoder(strings.NewReader(string(line)))
	_, err = d.Token()
	require.NoError(t, err)
	for d.More() {
		k, err := d.Token()
		require.NoError(t, err)
		keys = append(keys, k.(string))
		var v json.RawMessage
		require.NoError(t, d.Decode(&v))
	}
	require.Equal(t, strings.Fields("records duplicates files statuses sections shards complete servers players suspect rtt_ms games maps versions environments server_types vac passwords hosts errors"), keys)
	var r struct {
		Games, Maps, Hosts, Errors []map[string]any
		Complete                   *bool
	}
	require.NoError(t, json.Unmarshal(line, &r))
	require.Equal(t, []string{"app_id", "game", "max_players", "players", "servers"}, slices.Sorted(maps.Keys(r.Games[0])))
	require.Equal(t, []string{"game", "map", "players", "servers"}, slices.Sorted(maps.Keys(r.Maps[0])))
	require.Equal(t, []string{"ip", "players", "servers"}, slices.Sorted(maps.Keys(r.Hosts[0])))
	require.Equal(t, []string{"count", "error"}, slices.Sorted(maps.Keys(r.Errors[0])))
	require.Nil(t, r.Complete)
}

// TestLatest: of several records of an address the latest counts, whatever the order.
func TestLatest(t *testing.T) {
	at := func(sec int, status output.Status) *output.Record {
		return &output.Record{Addr: netip.MustParseAddrPort("192.0.2.1:27015"), Status: status, Error: "no reply",
			Time: time.Date(2026, 1, 1, 0, 0, sec, 0, time.UTC), RTT: output.NoRTT}
	}
	for _, order := range [][]*output.Record{
		{at(1, output.Success), at(2, output.Timeout), at(0, output.Refused)},
		{at(2, output.Timeout), at(0, output.Refused), at(1, output.Success)},
		{at(2, output.Success), at(2, output.Timeout)}, // the later line of two at the same time
	} {
		rep, _ := build(t, NewBuilder(Options{Top: 5}), order)
		require.Equal(t, uint64(1), rep.Records)
		require.Equal(t, uint64(len(order)-1), rep.Duplicates)
		require.Equal(t, uint64(1), rep.Statuses.Get("timeout"))
	}
}

func TestSameOnOneIP(t *testing.T) {
	var list []*output.Record
	add := func(ip string, n int, name string) {
		for range n {
			list = append(list, &output.Record{
				Addr: netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(20000+len(list))), RTT: output.NoRTT,
				Info: &output.Info{Fields: output.InfoName | output.InfoMap | output.InfoPlayers | output.InfoMaxPlayers, Name: name, Map: "de_dust2", Players: 5, MaxPlayers: 20},
			})
		}
	}
	add("192.0.2.1", 100, "fake")
	add("192.0.2.1", 5, "real")
	add("192.0.2.2", 99, "fake")
	rep, _ := build(t, NewBuilder(Options{Top: 5}), list)
	require.Equal(t, uint64(100), rep.Suspect.Servers)
	require.Equal(t, uint64(100), rep.Suspect.Reasons.Get("same_on_one_ip"))
	require.Equal(t, Host{"192.0.2.1", 105, 525}, rep.Hosts[0])
}

func TestCompleteness(t *testing.T) {
	yes, no := true, false
	meta := func(shard, shards int, end string) *Metadata {
		return &Metadata{Shard: shard, Shards: shards, EndReason: end}
	}
	for _, c := range []struct {
		name     string
		files    []File
		missing  []int
		complete *bool
	}{
		{"no metadata", []File{{}}, []int{}, nil},
		{"one file", []File{{Meta: meta(0, 1, "complete")}}, []int{}, &yes},
		{"interrupted", []File{{Meta: meta(0, 1, "interrupted")}}, []int{}, &no},
		{"cut", []File{{Meta: meta(0, 1, "complete"), Cut: true}}, []int{}, &no},
		{"all shards", []File{{Meta: meta(1, 2, "complete")}, {Meta: meta(0, 2, "complete")}}, []int{}, &yes},
		{"a shard is missing", []File{{Meta: meta(1, 3, "complete")}, {Meta: meta(0, 3, "complete")}}, []int{2}, &no},
		{"one of two has metadata", []File{{Meta: meta(0, 1, "complete")}, {}}, []int{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			shards, complete := completeness(c.files)
			require.Equal(t, c.missing, shards.Missing)
			require.Equal(t, c.complete, complete)
		})
	}
}

// TestCounterSpills: counts are the same whether keys fit into memory or not.
func TestCounterSpills(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	small, large := newCounter(t.TempDir()), newCounter(t.TempDir())
	small.memory = 10_000
	for range 50_000 {
		key := fmt.Sprintf("key%d\x00", int(r.ExpFloat64()*300))
		for _, c := range []*counter{small, large} {
			require.NoError(t, c.add(tally{1, 2, 3}, key, "b"))
		}
	}
	require.NotNil(t, small.spilt)
	a, n, err := small.top(20)
	require.NoError(t, err)
	b, m, err := large.top(20)
	require.NoError(t, err)
	require.Equal(t, b, a)
	require.Equal(t, m, n)
	require.Len(t, a, 20)
	require.Contains(t, a[0].parts[0], "\x00")
}

func TestHistogram(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []int64
	for range 30_000 {
		us := int64(r.ExpFloat64() * 50_000)
		if r.IntN(1000) == 0 {
			us = r.Int64N(1 << 40)
		}
		all = append(all, us)
		h.add(us)
	}
	slices.Sort(all)
	for _, p := range []float64{0.001, 0.5, 0.9, 0.99, 1} {
		got, ok := h.percentile(p)
		require.True(t, ok)
		want := all[int(math.Ceil(p*float64(len(all))))-1]
		if want < 1<<exactBits {
			require.Equal(t, want, got)
		} else {
			require.InEpsilon(t, want, got, 1.0/1024)
		}
	}
	var n uint64
	for _, b := range h.bars(40) {
		n += b.N
	}
	require.Equal(t, h.n, n)
	for _, us := range []int64{0, 1, 1<<exactBits - 1, 1 << exactBits, 1<<exactBits + 12345, math.MaxInt64} {
		require.LessOrEqual(t, lowest(bucket(us)), us)
		require.InDelta(t, us, lowest(bucket(us)), float64(us)/1024)
	}
	var none histogram
	_, ok := none.percentile(0.5)
	require.False(t, ok)
	require.Empty(t, none.bars(10))
}

func TestTimeline(t *testing.T) {
	tl := newTimeline()
	for _, s := range []int64{-100, 5, 5, 90_000, 7} {
		tl.add(s, s > 5)
	}
	got := tl.result()
	require.LessOrEqual(t, len(got.Answered), maxBins)
	var answered, silent uint64
	for i := range got.Answered {
		answered += got.Answered[i]
		silent += got.Silent[i]
	}
	require.Equal(t, uint64(2), answered)
	require.Equal(t, uint64(3), silent)
	require.LessOrEqual(t, got.Start, int64(-100))
	require.Greater(t, got.Start+got.Width*int64(len(got.Answered)), int64(90_000))
}

// FuzzRow: a row of any record survives its encoding, and no bytes make decode fail
// otherwise than with an error.
func FuzzRow(f *testing.F) {
	m := recordtest.New(5)
	m.Hostile = 0.3
	for range 20 {
		f.Add(output.AppendJSON(nil, m.Next()))
	}
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, back row
		_ = r.decode(b)
		var rec output.Record
		if output.Unmarshal(b, &rec) != nil {
			return
		}
		r.set(&rec)
		require.NoError(t, back.decode(r.append(nil)))
		require.Equal(t, r, back)
		require.NotEmpty(t, target(r.appendKey(nil, &rec)))
		host(r.appendKey(nil, &rec))
	})
}
