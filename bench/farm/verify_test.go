package farm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/reply"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

const wantAll = proto.WantInfo | proto.WantPlayers | proto.WantRules

// sequence returns n addresses with each of the ports.
func sequence(n int, ports ...uint16) []netip.AddrPort {
	var all []netip.AddrPort
	a := netip.MustParseAddr("127.0.1.1")
	for range n {
		for _, p := range ports {
			all = append(all, netip.AddrPortFrom(a, p))
		}
		a = a.Next()
	}
	return all
}

// perfect returns the record that a perfect scanner writes.
func perfect(w *prototest.World, seq uint64, ap netip.AddrPort) []byte {
	t, _ := w.Truth(prototest.EndpointFrom(ap), wantAll)
	var statuses [3]output.Status
	successes := 0
	for k := range statuses {
		for s := range output.Status(output.NumStatuses) {
			if t.Sections[k].Has(prototest.ParseOutcome(s.String())) {
				statuses[k] = s
				break
			}
		}
		if statuses[k] == output.Success {
			successes++
		}
	}
	section := func(k int) output.Section {
		s := output.Section{Status: statuses[k], Attempts: 1, RTT: t.Server.Delay + time.Millisecond}
		if s.Status != output.Success {
			s.RTT = output.NoRTT
		}
		return s
	}
	r := output.Record{Seq: seq, Addr: ap, Time: time.Unix(1.8e9, 0), Duration: time.Second, Attempts: 1,
		PacketsSent: 3, PacketsReceived: 3, BytesReceived: 100, Challenged: t.Challenged}
	r.Info = &output.Info{Section: section(0)}
	r.Players = &output.Players{Section: section(1)}
	r.Rules = &output.Rules{Section: section(2)}
	if statuses[0] == output.Success {
		reply.Info(r.Info, &t.Info[0].Info)
	}
	if statuses[1] == output.Success {
		reply.Players(r.Players, &t.Players[0], nil)
	}
	if statuses[2] == output.Success {
		reply.Rules(r.Rules, &t.Rules, nil, nil)
		if t.A3SB != nil {
			r.Rules.A3SB = reply.A3SB(t.A3SB)
		}
	}
	switch {
	case successes == 3:
	case successes > 0:
		r.Status = output.Partial
	default:
		r.Status = statuses[0]
	}
	return output.AppendJSON(nil, &r)
}

func lines(all ...[]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func everything() *prototest.World {
	return &prototest.World{Seed: 21, Shares: prototest.Shares{Challenge: 50, Silent: 3, GoldSource: 20, Ship: 10, Split: 25, BZip2: 25,
		Duplicate: 20, Reorder: 20, Garbage: 6, ChallengeLoop: 3, Endless: 3, WrongType: 6, Truncate: 15,
		DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond}}
}

// The encoder of records and this package's reading of their description were
// written apart: here they must agree about thousands of servers.
func TestVerifyFindsNothingInTheTruth(t *testing.T) {
	w := everything()
	all := sequence(600, 27015)
	var data [][]byte
	for i, ap := range all {
		data = append(data, perfect(w, uint64(i), ap))
	}
	report, err := Verify(w, lines(data...), VerifyOptions{Want: wantAll, Ports: []uint16{27015}, Targets: slices.Values(all)})
	require.NoError(t, err)
	require.True(t, report.OK(), "%s", report)
	require.Equal(t, uint64(600), report.Records)
	last := report.ByBehaviour[len(report.ByBehaviour)-1]
	require.Equal(t, uint64(600), last.Servers)
	require.Zero(t, last.FalseNegatives())
	require.Less(t, last.Expected, last.Servers)
	require.Contains(t, report.String(), "challenge-loop")
}

// The text of a record reaches the report's reader, and does not control the terminal.
func TestDifferencesAreShownAndNotObeyed(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"a status that clears the screen", "\x1b[2J", `\x1b[2J`},
		{"a member's name with a C1 control", "in\u009bfo", `in\u009bfo`},
		{"a direction override", "a\u202eb", `a\u202eb`},
		{"the zone of an address", "fe80::1%\r\n", `fe80::1%\r\n`},
		{"not UTF-8, as a rune that was cut", "caf\xc3", "caf\uFFFD"},
		{"text", `"Zürich 日本"`, `"Zürich 日本"`},
		{"a megabyte", strings.Repeat("x", 1<<20), strings.Repeat("x", 1001) + "…"},
	} {
		d := Difference{Line: 1, Seq: 2, Addr: tc.in, Field: tc.in, Want: tc.in, Got: tc.in}
		require.Equal(t, "line 1, seq 2, "+tc.want+": "+tc.want+": want "+tc.want+", got "+tc.want, d.String(), tc.name)
	}
}

// Any change of a record is found and named.
func TestVerifyFindsWhatIsWrong(t *testing.T) {
	w := &prototest.World{Seed: 2, Shares: prototest.Shares{Challenge: 100, DelayMin: 5 * time.Millisecond, DelayMax: 6 * time.Millisecond}}
	// A server with players, rules, and something that is not UTF-8 in its name.
	var ap netip.AddrPort
	for _, ap = range sequence(20_000, 27015) {
		truth, _ := w.Truth(prototest.EndpointFrom(ap), wantAll)
		if len(truth.Players[0].List) > 2 && len(truth.Rules.List) > 2 && strings.HasPrefix(string(truth.Info[0].Name), "Caf\xe9") &&
			truth.Info[0].EDF == 0xB1 && truth.Info[0].VACKnown {
			break
		}
	}
	good := perfect(w, 7, ap)
	verify := func(o VerifyOptions, data ...[]byte) *Report {
		o.Want = wantAll
		report, err := Verify(w, lines(data...), o)
		require.NoError(t, err)
		return report
	}
	require.True(t, verify(VerifyOptions{}, good).OK(), "%s", verify(VerifyOptions{}, good))

	type members = map[string]any
	for _, tc := range []struct {
		field  string
		change func(r members)
	}{
		{"info.name", func(r members) { r["info"].(members)["name"] = "Cafe M\uFFFD" + "x" }},
		{"info.name_b64", func(r members) { delete(r["info"].(members), "name_b64") }},
		{"info.map", func(r members) { r["info"].(members)["map"] = "nowhere" }},
		{"info.map_b64", func(r members) { r["info"].(members)["map_b64"] = "AAAA" }},
		{"info.players", func(r members) { r["info"].(members)["players"] = -1 }},
		{"info.vac", func(r members) { r["info"].(members)["vac"] = nil }},
		{"info.steam_id", func(r members) { r["info"].(members)["steam_id"] = 12 }},
		{"info.ship", func(r members) { r["info"].(members)["ship"] = members{} }},
		{"info.mod", func(r members) { delete(r["info"].(members), "mod") }},
		{"info.colour", func(r members) { r["info"].(members)["colour"] = "blue" }},
		{"info.rtt_ms", func(r members) { r["info"].(members)["rtt_ms"] = 0.5 }},
		{"info.error", func(r members) { r["info"].(members)["error"] = "all is well" }},
		{"info.truncated", func(r members) { r["info"].(members)["truncated"] = true }},
		{"info", func(r members) { delete(r["info"].(members), "attempts") }},
		{"players.count", func(r members) { r["players"].(members)["count"] = nil }},
		{"players.list", func(r members) { l := r["players"].(members)["list"].([]any); r["players"].(members)["list"] = l[1:] }},
		{"players.list[1].score", func(r members) { r["players"].(members)["list"].([]any)[1].(members)["score"] = 1 << 30 }},
		{"players.list[2].duration_s", func(r members) { r["players"].(members)["list"].([]any)[2].(members)["duration_s"] = 0.123 }},
		{"players.list[0].name", func(r members) { r["players"].(members)["list"].([]any)[0].(members)["name"] = "impostor" }},
		{"rules.list[0].value", func(r members) { r["rules"].(members)["list"].([]any)[0].(members)["value"] = "x\u0001" }},
		{"rules.a3sb", func(r members) { r["rules"].(members)["a3sb"] = members{} }},
		{"rules.status", func(r members) {
			r["rules"].(members)["status"] = "timeout"
			r["rules"].(members)["error"] = "no answer"
		}},
		{"status", func(r members) { r["status"] = "partial"; r["error"] = "who knows" }},
		{"error", func(r members) { r["status"] = "timeout" }},
		{"schema", func(r members) { r["schema"] = 2 }},
		{"seq", func(r members) { r["seq"] = -1 }},
		{"seq", func(r members) { r["seq"] = "7" }},
		{"seq", func(r members) { r["seq"] = nil }},
		{"timestamp", func(r members) { r["timestamp"] = "2026-11-22T06:30:12Z" }},
		{"challenged", func(r members) { r["challenged"] = false }},
		{"packets_received", func(r members) { r["packets_received"] = 0 }},
		{"packets_sent", func(r members) { r["packets_sent"] = 0 }},
		{"ip", func(r members) { r["ip"] = nil }},
		{"raw", func(r members) { delete(r, "raw") }},
		{"rules", func(r members) { r["rules"] = nil }},
		{"extra", func(r members) { r["extra"] = 1 }},
	} {
		var r map[string]any
		d := json.NewDecoder(bytes.NewReader(good))
		d.UseNumber()
		require.NoError(t, d.Decode(&r))
		tc.change(r)
		changed, err := json.Marshal(r)
		require.NoError(t, err)
		report := verify(VerifyOptions{}, changed)
		fields := []string{}
		for _, difference := range report.Differences {
			fields = append(fields, difference.Field)
		}
		require.Contains(t, fields, tc.field)
	}

	require.Equal(t, uint64(1), verify(VerifyOptions{}, good, bytes.Replace(good, []byte(`"seq":7`), []byte(`"seq":8`), 1)).Duplicates)
	require.Empty(t, verify(VerifyOptions{}, good, perfect(w, 7, sequence(1, 27015)[0])).Differences, "a resumed scan counts from 0 again")
	require.Equal(t, "line", verify(VerifyOptions{}, good[:len(good)/2]).Differences[0].Field)
	require.Equal(t, "line", verify(VerifyOptions{}, bytes.Replace(good, []byte("\"map\":\""), []byte("\"map\":\"\x85"), 1)).Differences[0].Field)
	require.Equal(t, "status", verify(VerifyOptions{Ports: []uint16{1}}, good).Differences[0].Field, "nobody listens there")
	missing := verify(VerifyOptions{Targets: slices.Values(sequence(3, 9)), MaxDifferences: 2}, good)
	require.Equal(t, uint64(3), missing.Missing)
	require.Equal(t, uint64(3), missing.Total)
	require.Len(t, missing.Differences, 2)
	require.Contains(t, missing.String(), "and 1 more")
	require.NotContains(t, missing.String(), "line 0")
	require.Regexp(t, `(?m)^127[0-9.:]+: no record of this target$`, missing.String())
}

// With --port-offsets a record names the port that answered instead of the target's own
// whose port is silent or closed.
func TestVerifyPortGiven(t *testing.T) {
	w := &prototest.World{Seed: 2, Shares: prototest.Shares{Challenge: 50}}
	ap := sequence(1, 27016)[0]
	record := func(given string) []byte {
		return bytes.Replace(perfect(w, 7, ap), []byte(`"port_given":null`), []byte(`"port_given":`+given), 1)
	}
	verify := func(ports []uint16, data ...[]byte) *Report {
		report, err := Verify(w, lines(data...), VerifyOptions{Want: wantAll, Ports: ports, Targets: slices.Values(sequence(1, 27015))})
		require.NoError(t, err)
		return report
	}
	require.True(t, verify([]uint16{27016}, record("27015")).OK())
	require.EqualValues(t, 1, verify([]uint16{27016}, record("null")).Missing)
	require.EqualValues(t, 1, verify([]uint16{27016}, record("27015"), record("27015")).Duplicates)
	for _, report := range []*Report{
		verify([]uint16{27015, 27016}, record("27015")), // whose server answers
		verify([]uint16{27016}, record("27016")),
		verify([]uint16{27016}, record("0")),
		verify([]uint16{27016}, record(`"x"`)),
	} {
		require.Equal(t, "port_given", report.Differences[0].Field)
	}

	report, err := Verify(silentPort{w, 27015}, lines(record("27015")), VerifyOptions{Want: wantAll, Ports: []uint16{27015, 27016}})
	require.NoError(t, err)
	require.True(t, report.OK(), "%s", report)
}

// A silentPort is a world in which one port is silent.
type silentPort struct {
	*prototest.World
	port uint16
}

func (w silentPort) Truth(e prototest.Endpoint, want proto.Kinds) (prototest.Truth, bool) {
	t, there := w.World.Truth(e, want)
	if e.Port == w.port {
		for k := range t.Sections {
			t.Sections[k] = prototest.Timeout
		}
	}
	return t, there
}

// Loss, and replies that come too late, leave of a server that sends noise before its
// answer the noise; of others they leave silence, and never a reply that does not parse.
func TestVerifyLossy(t *testing.T) {
	w := everything()
	var noisy, quiet netip.AddrPort
	for _, ap := range sequence(2000, 27015) {
		truth, _ := w.Truth(prototest.EndpointFrom(ap), wantAll)
		switch {
		case truth.Sections != [3]prototest.Outcomes{prototest.Success, prototest.Success, prototest.Success}:
		case truth.Server.Does.Has(prototest.Garbage):
			noisy = ap
		default:
			quiet = ap
		}
	}
	for _, tc := range []struct {
		at     netip.AddrPort
		status string
		lossy  bool
		ok     bool
	}{
		{noisy, "protocol_error", false, false},
		{noisy, "protocol_error", true, true},
		{noisy, "timeout", false, false},
		{noisy, "timeout", true, true},
		{noisy, "refused", true, false},
		{quiet, "protocol_error", true, false},
		{quiet, "incomplete", true, true},
		{quiet, "incomplete", false, false},
	} {
		var r map[string]any
		require.NoError(t, json.Unmarshal(perfect(w, 0, tc.at), &r))
		r["status"], r["error"] = "partial", "players: so it is"
		r["players"] = map[string]any{"status": tc.status, "error": "so it is", "attempts": 3, "rtt_ms": nil, "count": nil, "truncated": false, "list": nil}
		line, err := json.Marshal(r)
		require.NoError(t, err)
		report, err := Verify(w, lines(line), VerifyOptions{Want: wantAll, Lossy: tc.lossy})
		require.NoError(t, err)
		require.Equal(t, tc.ok, report.OK(), "%+v: %s", tc, report)
	}
}

// The first record decides which queries were sent, whatever comes before it.
func TestVerifyLearnsWhatWasAsked(t *testing.T) {
	w := everything()
	all := sequence(3, 27015)
	blocked := output.AppendJSON(nil, &output.Record{Seq: 9, Status: output.Blocked, Error: "blocked", Time: time.Unix(1.8e9, 0)})
	for name, tc := range map[string]struct {
		first string
		wrong bool
	}{
		"nothing":                 {"", false},
		"garbage":                 {"garbage\n", true},
		"an object":               {"{}\n", true},
		"an object like a record": {`{"schema":1,"seq":9,"ip":"127.0.0.9","port":27015,"status":"success","error":null,"info":{}}` + "\n", true},
		"a record of no answer":   {string(blocked), false},
	} {
		data := [][]byte{perfect(w, 0, all[0]), perfect(w, 1, all[1]), perfect(w, 2, all[2])}
		if tc.first != "" {
			data = slices.Insert(data, 0, []byte(tc.first))
		}
		report, err := Verify(w, lines(data...), VerifyOptions{MaxDifferences: 100})
		require.NoError(t, err)
		for _, d := range report.Differences {
			require.EqualValues(t, 1, d.Line, "%s: %v", name, d)
		}
		require.Equal(t, tc.wrong, !report.OK(), name)
	}
}

func TestVerifyReadsFiles(t *testing.T) {
	w := &prototest.World{Seed: 2}
	ap := sequence(1, 27015)[0]
	file := filepath.Join(t.TempDir(), "out.ndjson")
	line := perfect(w, 0, ap)
	require.NoError(t, os.WriteFile(file, append(line, line[:40]...), 0o600))
	report, err := Verify(w, dataset.Lines(file), VerifyOptions{})
	var cut *dataset.CutError
	require.ErrorAs(t, err, &cut)
	require.Equal(t, uint64(1), report.Records)
	require.True(t, report.OK(), "%s", report)
	_, err = Verify(w, dataset.Lines(file+".gone"), VerifyOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// source yields a list.
type source struct {
	list []netip.AddrPort
	next int
}

func (s *source) Next(_ context.Context, dst []targets.Target) (int, error) {
	n := min(len(dst), len(s.list)-s.next)
	for i := range n {
		dst[i] = targets.Target{Key: mux.KeyFrom(s.list[s.next]), Seq: uint64(s.next)}
		s.next++
	}
	if s.next == len(s.list) {
		return n, io.EOF
	}
	return n, nil
}

// memory is a Sink.
type memory struct{ bytes.Buffer }

func (m *memory) WriteLines(p []byte) error { _, err := m.Write(p); return err }
func (m *memory) Sync() (int64, error)      { return int64(m.Len()), nil }
func (m *memory) Close() error              { return nil }

func (m *memory) lines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for l := range bytes.Lines(m.Bytes()) {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// scan runs the real scanner over loopback.
func scan(t *testing.T, list []netip.AddrPort, change func(*scanner.Config)) (*memory, scanner.Result) {
	t.Helper()
	port, err := mux.Listen(mux.Options{Local: netip.MustParseAddrPort("127.0.0.1:0"), Rcvbuf: 8 << 20, Sndbuf: 4 << 20})
	require.NoError(t, err)
	defer port.Close()
	cfg := scanner.DefaultConfig()
	cfg.Kinds = wantAll
	cfg.Rate, cfg.PerIPRate = 20_000, 0
	// The farm compresses its replies in this process. Under the race detector, with other
	// packages' tests running, a reply may take a good part of a second.
	cfg.Timeout, cfg.Retries, cfg.TargetTimeout = 2*time.Second, 1, 5*time.Second
	if change != nil {
		change(&cfg)
	}
	var out memory
	s, err := scanner.New(cfg, port, &source{list: list}, &out)
	require.NoError(t, err)
	result, err := s.Run(t.Context())
	require.NoError(t, err)
	return &out, result
}

// The whole chain: farm, socket, scanner, record, and back.
func TestScanOfAFarmIsTheTruth(t *testing.T) {
	if !wildcards() {
		t.Skip("needs many addresses")
	}
	for _, tc := range []struct {
		name string
		loss float64
	}{{"quiet", 0}, {"lossy", 8}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := everything()
			w.Shares.Loss = tc.loss
			f := startFarm(t, Config{Service: w, Ports: []uint16{0, 0}})
			closed := uint16(1)
			list := sequence(200, append(f.Ports(), closed)...)
			for _, ap := range list { // texts are compressed when they are first asked for, and others wait
				w.Truth(prototest.EndpointFrom(ap), wantAll)
			}
			out, result := scan(t, list, nil)
			report, err := Verify(w, out.lines(), VerifyOptions{Want: wantAll, Ports: f.Ports(), Targets: slices.Values(list)})
			require.NoError(t, err)
			require.True(t, report.OK(), "%s%s", report, f.Summary())
			require.Equal(t, uint64(600), report.Records)
			c := f.Counters()
			require.Zero(t, c.Dropped+c.SocketDrops+c.Foreign)
			require.Zero(t, result.Port.Drops)
		})
	}
}

// Servers on another port than the one that the list names are found there.
func TestScanOfOtherPortsIsTheTruth(t *testing.T) {
	if !wildcards() {
		t.Skip("needs many addresses")
	}
	w := everything()
	f := startFarm(t, Config{Service: w, Ports: []uint16{0}})
	closed := uint16(1)
	list := sequence(200, closed)
	for _, ap := range sequence(200, f.Ports()...) {
		w.Truth(prototest.EndpointFrom(ap), wantAll)
	}
	out, result := scan(t, list, func(c *scanner.Config) { c.PortOffsets = []int{1, int(f.Ports()[0] - closed)} })
	report, err := Verify(w, out.lines(), VerifyOptions{Want: wantAll, Ports: f.Ports(), Targets: slices.Values(list)})
	require.NoError(t, err)
	require.True(t, report.OK(), "%s%s", report, f.Summary())
	require.Equal(t, uint64(200), report.Records)
	require.Greater(t, result.Stats.OtherPort, uint64(150))
}

func TestScanOfCapturesIsTheTruth(t *testing.T) {
	if !wildcards() {
		t.Skip("needs many addresses")
	}
	f, replay, err := StartReplay(t.Context(), Config{Ports: []uint16{0}}, captures(t))
	require.NoError(t, err)
	t.Parallel()
	t.Cleanup(func() { f.Close() })
	for _, want := range []proto.Kinds{wantAll, proto.WantInfo, proto.WantPlayers, proto.WantRules} {
		t.Run(fmt.Sprintf("kinds-%d", want), func(t *testing.T) {
			t.Parallel()
			var list []netip.AddrPort
			for _, folder := range replay.Folders() {
				if folder.Kinds&want == folder.Kinds&wantAll && folder.Kinds != 0 || folder.Kinds&want == want {
					list = append(list, folder.At.AddrPort())
				}
			}
			out, _ := scan(t, list, func(c *scanner.Config) {
				c.Kinds = want
				c.Timeout, c.TargetTimeout = time.Second, 20*time.Second // each missing kind waits for its timeout
			})
			report, err := Verify(replay, out.lines(), VerifyOptions{Want: want, Targets: slices.Values(list)})
			require.NoError(t, err)
			require.True(t, report.OK(), "%s", report)
			require.Greater(t, len(list), 20)
		})
	}
}

func TestExpectDuration(t *testing.T) {
	require.Nil(t, expectDuration(float32(math.NaN())))
	require.Nil(t, expectDuration(float32(math.Inf(-1))))
	require.Equal(t, float32(1.5), expectDuration(1.5))
}
