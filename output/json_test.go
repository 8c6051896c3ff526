package output

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sourceRecord is a record with something in every member that a Source server
// can fill.
func sourceRecord() *Record {
	section := func(attempts int) Section { return Section{Attempts: attempts, RTT: 41207 * time.Microsecond} }
	return &Record{
		Seq:             17,
		Addr:            netip.MustParseAddrPort("203.0.113.7:27015"),
		Input:           "gs1.example.net:27015",
		Tag:             "eu",
		Time:            time.Date(2026, 11, 22, 6, 30, 12, 345678901, time.UTC),
		Duration:        3083412 * time.Microsecond,
		RTT:             41207 * time.Microsecond,
		Attempts:        3,
		PacketsSent:     7,
		PacketsReceived: 6,
		BytesReceived:   2310,
		Challenged:      true,
		Info: &InfoSection{section(1), &proto.Info{
			Protocol: 17, Name: []byte("Example server"), Map: []byte("de_dust2"), Folder: []byte("cstrike"),
			Game: []byte("Counter-Strike: Source"), AppID16: 240, Players: 12, MaxPlayers: 32, Bots: 1, BotsKnown: true,
			ServerType: 'd', OS: 'l', Visibility: 0, VAC: 1, VACKnown: true,
			HasShip: true, Ship: proto.Ship{Mode: 3, Witnesses: 2, Duration: 5},
			Version: []byte("1.0.0.34"), HasEDF: true, EDF: 0xF1, GamePort: 27015, SteamID: 90071992547409920,
			SpectatorPort: 27020, SpectatorName: []byte("tv"), Keywords: []byte("a,b"), GameID: 240,
		}},
		Players: &PlayersSection{section(1), &proto.PlayerList{Count: 1, Ship: true, List: []proto.Player{
			{Index: 0, Name: []byte("x"), Score: -7, Duration: 123.25, Deaths: 2, Money: 300},
		}}},
		Rules: &RulesSection{section(2), &proto.RuleList{Count: 2, List: []proto.Rule{
			{Name: []byte("sv_gravity"), Value: []byte("800")},
			{Name: []byte(""), Value: []byte("")},
		}}, &a3sb.Block{
			Version: 3, DLC: 0x81, Difficulty: &a3sb.Difficulty{Raw: 0x9B},
			Mods:           []a3sb.Mod{{Hash: 0xDEADBEEF, ID: 18446744073709551615, Name: []byte("CUP"), DLC: true}},
			Signatures:     [][]byte{[]byte("a3"), []byte("cup")},
			HasDescription: true, Description: []byte("words"),
		}},
		Raw: []RawDatagram{
			{At: 0, Sent: true, Datagram: []byte{0xFF, 0xFF, 0xFF, 0xFF, 'T'}},
			{At: 41207 * time.Microsecond, Datagram: []byte{0xFF, 0xFF, 0xFF, 0xFF, 'A', 1, 2, 3, 4}},
		},
	}
}

// goldSourceRecord is the same for an 'm' reply, with nothing else answered.
func goldSourceRecord() *Record {
	r := &Record{
		Seq: 1, Addr: netip.MustParseAddrPort("[2001:db8::7]:27016"), Status: Partial,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Duration: 1500 * time.Millisecond, RTT: NoRTT, Attempts: 3,
		Info: &InfoSection{Section{Attempts: 1, RTT: NoRTT}, &proto.Info{
			Format: proto.FormatGoldSource, Protocol: 47, Address: []byte("LOOPBACK"), Name: []byte("Old"), Map: []byte("crossfire"),
			Folder: []byte("valve"), Game: []byte("Half-Life"), Players: 1, MaxPlayers: 16, Bots: 0, BotsKnown: true,
			ServerType: 'D', OS: 'W', Visibility: 1, VAC: 0, VACKnown: true, HasMod: true,
			Mod: proto.Mod{Link: []byte("http://example.net"), DownloadLink: []byte("d"), HLVersion: []byte("1.1.1.0"), Version: 1, Size: 184000000, Type: 1, DLL: 1},
		}},
		Players: &PlayersSection{Section: Section{Status: Timeout, Attempts: 3, RTT: NoRTT}},
		Rules:   &RulesSection{Section: Section{Status: Incomplete, Error: "2 of 3 fragments received", Attempts: 3, RTT: NoRTT}},
	}
	return r
}

// hostileRecord has what a server would send to break a line, a terminal or a
// reader.
func hostileRecord() *Record {
	evil := []byte("a\xff\xfeb\n\r\t\x00\x1b[31m\x7f\u0085\u009b2J\u2028\u2029\u202Erev\"\\/\U0001F600\uFFFD\xed\xa0\x80\xe2\x80")
	r := sourceRecord()
	r.Seq, r.Status, r.Error, r.Input, r.Tag = math.MaxUint64, ProtocolError, string(evil), string(evil), string(evil)
	r.Addr = netip.AddrPortFrom(netip.MustParseAddr("fe80::1%\x1b\"\xff"), 1)
	i := r.Info.Data
	i.Name, i.Map, i.Folder, i.Game, i.Version, i.SpectatorName, i.Keywords = evil, evil, evil, evil, evil, evil, evil
	i.ServerType, i.OS, i.Visibility, i.VAC = 0, 0xFF, 7, 9
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	r.Players.Data.List = []proto.Player{{Name: evil, Duration: nan}, {Name: evil, Duration: inf}, {Duration: -1},
		{Duration: math.MaxFloat32}, {Duration: math.SmallestNonzeroFloat32}, {Duration: 3521.0852}, {Score: math.MinInt32}}
	r.Rules.Data.List = []proto.Rule{{Name: evil, Value: evil}}
	r.Rules.A3SB.Mods[0].Name = evil
	r.Rules.A3SB.Signatures = [][]byte{[]byte("fine"), evil}
	r.Rules.A3SB.Description = evil
	return r
}

// goldenRecords are those of testdata/golden, and seeds of the fuzzer.
func goldenRecords() map[string]*Record {
	silent := &Record{Seq: 2, Addr: netip.MustParseAddrPort("198.51.100.1:27015"), Status: Timeout, RTT: NoRTT, Attempts: 3, PacketsSent: 3,
		Time: time.Date(2026, 11, 22, 6, 30, 12, 5000, time.UTC), Duration: 3 * time.Second,
		Info: &InfoSection{Section: Section{Status: Timeout, Attempts: 3, RTT: NoRTT}}}
	unresolved := &Record{Seq: 3, Input: "no.such.example", Status: ResolveError, RTT: NoRTT,
		Time: time.Date(2026, 11, 22, 6, 30, 12, 0, time.UTC)}
	obsolete := goldSourceRecord()
	obsolete.Status = Success
	obsolete.Info.Data = &proto.Info{Format: proto.FormatObsolete, Protocol: 7, Address: []byte("203.0.113.9:27015"), Name: []byte("Older"),
		Map: []byte("c1a0"), Folder: []byte("valve"), Game: []byte("Half-Life"), Players: 1, MaxPlayers: 8}
	obsolete.Players, obsolete.Rules = nil, nil
	rust := sourceRecord()
	rust.Info.Data = &proto.Info{Protocol: 17, Name: []byte("Rust"), Players: 86, MaxPlayers: 63, BotsKnown: true, ServerType: 'd', OS: 'w',
		VACKnown: true, VAC: 1, HasEDF: true, EDF: 0xB1, GamePort: 28015, SteamID: 1, GameID: 252490, EDFMissing: 0x10,
		Keywords: []byte("mp575,cp547,qp0,v2402,born1700000000"), Truncated: true}
	rust.Players.Data, rust.Players.Status = nil, Refused
	rust.Rules, rust.Raw, rust.Status = nil, nil, Partial
	return map[string]*Record{"source": sourceRecord(), "goldsource": goldSourceRecord(), "hostile": hostileRecord(),
		"silent": silent, "unresolved": unresolved, "obsolete": obsolete, "rust": rust}
}

func TestAppendJSONGolden(t *testing.T) {
	for name, r := range goldenRecords() {
		t.Run(name, func(t *testing.T) {
			got := AppendJSON(nil, r)
			checkLine(t, got)
			require.Equal(t, wantRecord(r), canonical(t, got))
			path := filepath.Join("..", "testdata", "golden", "record-"+name+".json")
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "go test -update writes it")
			require.Equal(t, string(want), string(got))
		})
	}
}

func TestAppendJSONAppends(t *testing.T) {
	one := AppendJSON([]byte("before"), sourceRecord())
	require.Equal(t, "before"+string(AppendJSON(nil, sourceRecord())), string(one))
}

// The keys of every object, in the order of INTERFACE. The _b64 members, which
// come and go, are not among them.
var wantKeys = map[string]string{
	"": "schema seq ip port input tag status error timestamp duration_ms rtt_ms attempts packets_sent packets_received bytes_received challenged info players rules raw",
	"info": "status error attempts rtt_ms format protocol name map folder game app_id players max_players bots server_type environment visibility vac version edf game_port steam_id" +
		" spectator_port spectator_name keywords game_id ship address mod players_actual max_players_actual truncated",
	"info.ship":       "mode witnesses duration_s",
	"info.mod":        "link download_link hl_version version size type dll",
	"players":         "status error attempts rtt_ms count truncated list",
	"players.list":    "index name score duration_s deaths money",
	"rules":           "status error attempts rtt_ms count truncated list a3sb",
	"rules.list":      "name value",
	"rules.a3sb":      "version dlc difficulty mods signatures description truncated",
	"rules.a3sb.mods": "hash id name dlc",
	"raw":             "t_ms dir b64",
}

// checkLine checks all that holds for every line, whatever the record: one line,
// printable, valid, the same keys in the same order.
func checkLine(t *testing.T, line []byte) {
	t.Helper()
	require.True(t, json.Valid(line), "%q", line)
	require.True(t, utf8.Valid(line), "%q", line)
	require.Equal(t, len(line)-1, bytes.IndexByte(line, '\n'))
	for _, r := range string(line[:len(line)-1]) {
		require.False(t, r < 0x20 || r >= 0x7F && r <= 0x9F || r == 0x2028 || r == 0x2029 || r == 0x202E, "%U in %q", r, line)
	}
	checkKeys(t, json.NewDecoder(bytes.NewReader(line)), "", wantKeys)
}

// checkKeys walks one value of d, and compares the keys of every object with
// those that want has for its path.
func checkKeys(t *testing.T, d *json.Decoder, path string, want map[string]string) {
	t.Helper()
	tok, err := d.Token()
	require.NoError(t, err)
	switch tok {
	case json.Delim('['):
		for d.More() {
			checkKeys(t, d, path, want)
		}
		_, err = d.Token()
		require.NoError(t, err)
	case json.Delim('{'):
		var keys []string
		last := ""
		for d.More() {
			k, err := d.Token()
			require.NoError(t, err)
			key := k.(string)
			if base, ok := strings.CutSuffix(key, "_b64"); ok {
				require.Equal(t, last, base, "a _b64 follows its text")
			} else {
				keys = append(keys, key)
			}
			last = key
			checkKeys(t, d, strings.TrimPrefix(path+"."+key, "."), want)
		}
		_, err = d.Token()
		require.NoError(t, err)
		require.Equal(t, want[path], strings.Join(keys, " "), "the object %q", path)
	}
}

// canonical decodes one line with encoding/json and brings numbers to one form.
func canonical(t *testing.T, line []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), "%q", line)
	_, err := d.Token()
	require.ErrorIs(t, err, io.EOF, "one value and no more")
	return canonicalNumbers(v)
}

func canonicalNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".e") {
			return number(f)
		}
		return v
	case []any:
		for i := range v {
			v[i] = canonicalNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = canonicalNumbers(v[k])
		}
	}
	return v
}

func number(f float64) json.Number {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return json.Number(strconv.FormatInt(int64(f), 10))
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// What follows is the oracle: the record as a tree of maps, written without a
// look at how AppendJSON does it.

type object = map[string]any

func integer[T ~int | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64](n T) json.Number {
	return json.Number(fmt.Sprint(n))
}

func putText[T string | []byte](o object, key string, s T) {
	o[key] = string([]rune(string(s)))
	if !utf8.ValidString(string(s)) {
		o[key+"_b64"] = base64.StdEncoding.EncodeToString([]byte(s))
	}
}

func millis(d time.Duration) any {
	if d < 0 {
		return nil
	}
	return number(float64((d+500)/1000) / 1000)
}

func when[T any](cond bool, v T) any {
	if !cond {
		return nil
	}
	return v
}

func wantSection(s *Section) object {
	o := object{"status": s.Status.String(), "error": nil, "attempts": integer(s.Attempts), "rtt_ms": millis(s.RTT)}
	if s.Status != Success {
		if s.Error == "" {
			o["error"] = s.Status.words()
		} else {
			putText(o, "error", s.Error)
		}
	}
	return o
}

func wantRecord(r *Record) any {
	o := object{"schema": integer(1), "seq": integer(r.Seq), "ip": nil, "port": nil, "input": nil, "tag": nil, "status": r.Status.String(),
		"error": nil, "timestamp": r.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), "duration_ms": millis(r.Duration), "rtt_ms": millis(r.RTT),
		"attempts": integer(r.Attempts), "packets_sent": integer(r.PacketsSent), "packets_received": integer(r.PacketsReceived),
		"bytes_received": integer(r.BytesReceived), "challenged": r.Challenged, "info": nil, "players": nil, "rules": nil, "raw": nil}
	if r.Time.IsZero() {
		o["timestamp"] = nil
	}
	if r.Addr.Port() != 0 {
		o["port"] = integer(r.Addr.Port())
	}
	if r.Addr.IsValid() {
		o["ip"] = string([]rune(r.Addr.Addr().Unmap().String()))
		o["port"] = integer(r.Addr.Port())
		o["input"] = string([]rune(netip.AddrPortFrom(r.Addr.Addr().Unmap(), r.Addr.Port()).String()))
	}
	if r.Input != "" {
		putText(o, "input", r.Input)
	}
	if r.Tag != "" {
		putText(o, "tag", r.Tag)
	}
	var words []string
	say := func(name string, s *Section) {
		if s.Status == Success {
			return
		}
		said := s.Status.words()
		if s.Error != "" {
			said = string([]rune(s.Error))
		}
		words = append(words, name+": "+said)
	}
	if s := r.Info; s != nil {
		o["info"] = wantInfo(s)
		say("info", &s.Section)
	}
	if s := r.Players; s != nil {
		o["players"] = wantPlayers(s)
		say("players", &s.Section)
	}
	if s := r.Rules; s != nil {
		o["rules"] = wantRules(s)
		say("rules", &s.Section)
	}
	switch {
	case r.Status == Success:
	case r.Error != "":
		putText(o, "error", r.Error)
	case words != nil && (r.Status == Partial || r.Status == Incomplete || r.Status == ProtocolError):
		o["error"] = strings.Join(words, "; ")
	default:
		o["error"] = r.Status.words()
	}
	if r.Raw != nil {
		list := []any{}
		for _, d := range r.Raw {
			dir := "rx"
			if d.Sent {
				dir = "tx"
			}
			list = append(list, object{"t_ms": millis(max(d.At, 0)), "dir": dir, "b64": base64.StdEncoding.EncodeToString(d.Datagram)})
		}
		o["raw"] = list
	}
	return o
}

func wantInfo(s *InfoSection) object {
	o := wantSection(&s.Section)
	for _, k := range strings.Fields(wantKeys["info"]) {
		if _, ok := o[k]; !ok {
			o[k] = nil
		}
	}
	o["truncated"] = false
	i := s.Data
	if i == nil {
		return o
	}
	o["format"] = [...]string{"source", "goldsource", "obsolete"}[i.Format]
	o["protocol"], o["players"], o["max_players"] = integer(i.Protocol), integer(i.Players), integer(i.MaxPlayers)
	putText(o, "name", i.Name)
	putText(o, "map", i.Map)
	putText(o, "folder", i.Folder)
	putText(o, "game", i.Game)
	o["bots"] = when(i.BotsKnown, integer(i.Bots))
	o["vac"] = when(i.VACKnown, i.VAC == 1)
	o["truncated"] = i.Truncated
	word := func(b byte, m map[string]string) string {
		if w, ok := m[strings.ToLower(string(rune(b)))]; ok {
			return w
		}
		return "unknown"
	}
	if i.Format != proto.FormatObsolete {
		o["server_type"] = word(i.ServerType, map[string]string{"d": "dedicated", "l": "listen", "p": "proxy"})
		o["environment"] = word(i.OS, map[string]string{"l": "linux", "w": "windows", "m": "mac", "o": "mac"})
		o["visibility"] = word('0'+i.Visibility, map[string]string{"0": "public", "1": "private"})
	}
	app := uint64(i.AppID16)
	if i.GameID%(1<<24) != 0 {
		app = i.GameID % (1 << 24)
	}
	if i.Format == proto.FormatSource {
		o["app_id"] = integer(app)
		putText(o, "version", i.Version)
	} else {
		putText(o, "address", i.Address)
	}
	if i.HasEDF {
		o["edf"] = integer(i.EDF)
		if (i.EDF&^i.EDFMissing)&0x80 != 0 {
			o["game_port"] = integer(i.GamePort)
		}
		if (i.EDF&^i.EDFMissing)&0x10 != 0 {
			o["steam_id"] = fmt.Sprint(i.SteamID)
		}
		if (i.EDF&^i.EDFMissing)&0x40 != 0 {
			o["spectator_port"] = integer(i.SpectatorPort)
			putText(o, "spectator_name", i.SpectatorName)
		}
		if (i.EDF&^i.EDFMissing)&0x20 != 0 {
			putText(o, "keywords", i.Keywords)
		}
		if (i.EDF&^i.EDFMissing)&0x01 != 0 {
			o["game_id"] = fmt.Sprint(i.GameID)
		}
	}
	if i.HasShip {
		o["ship"] = object{"mode": integer(i.Ship.Mode), "witnesses": integer(i.Ship.Witnesses), "duration_s": integer(i.Ship.Duration)}
	}
	if i.HasMod {
		m := object{"version": integer(i.Mod.Version), "size": integer(i.Mod.Size), "type": integer(i.Mod.Type), "dll": integer(i.Mod.DLL)}
		putText(m, "link", i.Mod.Link)
		putText(m, "download_link", i.Mod.DownloadLink)
		putText(m, "hl_version", i.Mod.HLVersion)
		o["mod"] = m
	}
	if players, maxPlayers, ok := i.ActualPlayers(); ok {
		o["players_actual"], o["max_players_actual"] = integer(players), integer(maxPlayers)
	}
	for n, key := range strings.Fields("protocol map folder game app_id players max_players - server_type environment visibility - version") {
		if i.Missing>>n&1 != 0 && key != "-" {
			o[key] = nil
			delete(o, key+"_b64")
		}
	}
	return o
}

func wantPlayers(s *PlayersSection) object {
	o := wantSection(&s.Section)
	o["count"], o["truncated"], o["list"] = nil, false, nil
	if s.Data == nil {
		return o
	}
	o["count"], o["truncated"] = integer(s.Data.Count), s.Data.Truncated
	list := []any{}
	for _, p := range s.Data.List {
		e := object{"index": integer(p.Index), "score": integer(p.Score), "duration_s": nil,
			"deaths": when(s.Data.Ship, integer(p.Deaths)), "money": when(s.Data.Ship, integer(p.Money))}
		putText(e, "name", p.Name)
		if d := float64(p.Duration); !math.IsNaN(d) && !math.IsInf(d, 0) {
			e["duration_s"] = number(d)
		}
		list = append(list, e)
	}
	o["list"] = list
	return o
}

func wantRules(s *RulesSection) object {
	o := wantSection(&s.Section)
	o["count"], o["truncated"], o["list"], o["a3sb"] = nil, false, nil, nil
	if s.Data != nil {
		o["count"], o["truncated"] = integer(s.Data.Count), s.Data.Truncated
		list := []any{}
		for _, r := range s.Data.List {
			e := object{}
			putText(e, "name", r.Name)
			putText(e, "value", r.Value)
			list = append(list, e)
		}
		o["list"] = list
	}
	b := s.A3SB
	if b == nil {
		return o
	}
	block := object{"version": integer(b.Version), "dlc": integer(b.DLC), "difficulty": nil, "description": nil, "truncated": b.Truncated}
	if b.Difficulty != nil {
		block["difficulty"] = integer(b.Difficulty.Raw)
	}
	if b.HasDescription {
		putText(block, "description", b.Description)
	}
	mods := []any{}
	for _, m := range b.Mods {
		e := object{"hash": integer(m.Hash), "id": fmt.Sprint(m.ID), "dlc": m.DLC}
		putText(e, "name", m.Name)
		mods = append(mods, e)
	}
	signatures, b64, lossy := []any{}, []any{}, false
	for _, sig := range b.Signatures {
		e := object{}
		putText(e, "s", sig)
		signatures, b64 = append(signatures, e["s"]), append(b64, e["s_b64"])
		lossy = lossy || e["s_b64"] != nil
	}
	block["mods"], block["signatures"] = mods, signatures
	if lossy {
		block["signatures_b64"] = b64
	}
	o["a3sb"] = block
	return o
}

// FuzzAppendJSON makes a record of the fuzzer's bytes and compares what
// encoding/json reads from its line with the oracle.
func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xFF}, 600))
	f.Add(bytes.Repeat([]byte("\x01\x05ab\xE2\x80\xA8"), 100))
	f.Add(bytes.Repeat([]byte("\x03\x0Fcp1,mp2\x00\xC2\x9B\xED\xA0\x80\""), 60))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Record
		src := byteSource(data)
		src.fill(reflect.ValueOf(&r).Elem())
		line := AppendJSON(nil, &r)
		checkLine(t, line)
		require.Equal(t, wantRecord(&r), canonical(t, line))
	})
}

// A byteSource makes values of bytes until it has none left, and zeros then.
type byteSource []byte

func (s *byteSource) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

func (s *byteSource) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = s.byte()
	}
	return b
}

func (s *byteSource) uint() (n uint64) {
	for _, b := range s.bytes(1 + int(s.byte()%8)) {
		n = n<<8 | uint64(b)
	}
	return n
}

// fill sets v, and all that it holds.
func (s *byteSource) fill(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *netip.AddrPort:
		var a netip.Addr
		switch s.byte() % 4 {
		case 1:
			a = netip.AddrFrom4([4]byte(s.bytes(4)))
		case 2:
			a = netip.AddrFrom16([16]byte(s.bytes(16)))
		case 3:
			a = netip.AddrFrom16([16]byte(s.bytes(16))).WithZone(string(s.bytes(3)))
		}
		*p = netip.AddrPortFrom(a, uint16(s.uint()))
		return
	case *time.Time:
		*p = time.Unix(int64(s.uint()%(1<<37)), int64(s.uint()%1e9))
		return
	case *time.Duration:
		*p = time.Duration(s.uint()%(1<<60)) - 2
		return
	case *Status:
		*p = Status(s.byte() % NumStatuses)
		return
	case *proto.Format:
		*p = proto.Format(s.byte() % 3)
		return
	case *int:
		*p = int(int32(s.uint()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			s.fill(v.Field(i))
		}
	case reflect.Pointer:
		if s.byte()%4 != 0 {
			v.Set(reflect.New(v.Type().Elem()))
			s.fill(v.Elem())
		}
	case reflect.Slice:
		n := int(s.byte() % 6)
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(s.bytes(n * 3))
			return
		}
		if n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n-1, n-1))
		for i := range n - 1 {
			s.fill(v.Index(i))
		}
	case reflect.String:
		v.SetString(string(s.bytes(int(s.byte() % 20))))
	case reflect.Bool:
		v.SetBool(s.byte()%2 == 1)
	case reflect.Float32:
		v.SetFloat(float64(math.Float32frombits(uint32(s.uint()))))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(s.uint() & (1<<(8*v.Type().Size()) - 1))
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(s.uint())))
	default:
		panic("no way to fill a " + v.Type().String())
	}
}

// leftOut are the fields that no record carries, each with the reason.
var leftOut = map[string]string{
	"Info.Data.IsMod":                      "mod is an object where the server describes one",
	"Info.Data.HasProxyCounts":             "spectators of a relay are no players",
	"Info.Data.ProxySpectators":            "likewise",
	"Info.Data.ProxySlots":                 "likewise",
	"Info.Data.Trailing":                   "kept for whoever studies the protocol: raw has it",
	"Players.Data.Trailing":                "likewise",
	"Rules.Data.Trailing":                  "likewise",
	"Rules.A3SB.Trailing":                  "likewise",
	"Rules.A3SB.Mods[].Head":               "the width of the id on the wire",
	"Rules.A3SB.Flags":                     "nobody knows their meaning",
	"Rules.A3SB.DLCHashes":                 "one for each bit of the mask, and said by it",
	"Rules.A3SB.Difficulty.Level":          "in the number that is written",
	"Rules.A3SB.Difficulty.AI":             "likewise",
	"Rules.A3SB.Difficulty.AdvancedFlight": "likewise",
	"Rules.A3SB.Difficulty.ThirdPerson":    "likewise",
	"Rules.A3SB.Difficulty.Crosshair":      "likewise",
}

// TestNoFieldForgotten changes one field at a time, of three records that have
// everything between them, and wants to see it in a line.
func TestNoFieldForgotten(t *testing.T) {
	failing := func() *Record {
		r := sourceRecord()
		r.Status, r.Error = Partial, "e"
		r.Info.Status, r.Info.Error = Timeout, "e"
		r.Players.Status, r.Players.Error = Timeout, "e"
		r.Rules.Status, r.Rules.Error = Timeout, "e"
		r.Info.Data.GameID = 0
		return r
	}
	seen := map[string]bool{}
	for _, build := range []func() *Record{sourceRecord, goldSourceRecord, failing} {
		before := string(AppendJSON(nil, build()))
		walkLeaves(reflect.ValueOf(build()).Elem(), "", func(path string, _ reflect.Value) {
			r := build()
			walkLeaves(reflect.ValueOf(r).Elem(), "", func(p string, v reflect.Value) {
				if p == path {
					mutate(v)
				}
			})
			seen[path] = seen[path] || before != string(AppendJSON(nil, r))
		})
	}
	require.Greater(t, len(seen), 80)
	for path, there := range seen {
		require.Equal(t, leftOut[path] == "", there, path)
	}
	for path := range leftOut {
		require.Contains(t, seen, path, "left out, and not even there")
	}
}

// walkLeaves calls f for each field beneath v that is not a struct of ours; of
// slices it takes the first element.
func walkLeaves(v reflect.Value, path string, f func(string, reflect.Value)) {
	switch v.Addr().Interface().(type) {
	case *netip.AddrPort, *time.Time:
		f(path, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "Section" {
				walkLeaves(v.Field(i), path, f)
			} else {
				walkLeaves(v.Field(i), strings.TrimPrefix(path+"."+name, "."), f)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			walkLeaves(v.Elem(), path, f)
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k != reflect.Struct {
			f(path, v)
		} else if v.Len() > 0 {
			walkLeaves(v.Index(0), path+"[]", f)
		}
	default:
		f(path, v)
	}
}

// mutate makes v another value.
func mutate(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *netip.AddrPort:
		*p = netip.MustParseAddrPort("192.0.2.1:1")
		return
	case *time.Time:
		*p = p.Add(time.Second)
		return
	case *time.Duration:
		*p += time.Second
		return
	case *[]byte:
		*p = append(bytes.Clone(*p), 'x')
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Float32:
		v.SetFloat(v.Float() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	default:
		v.SetUint(v.Uint() + 1)
	}
}

// A player or rule name that a hostile server chose costs as little as any.
func TestAppendJSONAllocs(t *testing.T) {
	buf := make([]byte, 0, 64<<10)
	for name, r := range goldenRecords() {
		require.Zero(t, testing.AllocsPerRun(200, func() { buf = AppendJSON(buf[:0], r) }), name)
	}
}

func benchmarkAppendJSON(b *testing.B, r *Record) {
	buf := AppendJSON(nil, r)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendJSON(buf[:0], r)
	}
}

func infoRecord() *Record {
	r := sourceRecord()
	r.Info.Data.HasShip = false
	r.Players, r.Rules, r.Raw = nil, nil, nil
	return r
}

func BenchmarkAppendJSONInfo(b *testing.B) { benchmarkAppendJSON(b, infoRecord()) }

func BenchmarkAppendJSONTimeout(b *testing.B) { benchmarkAppendJSON(b, goldenRecords()["silent"]) }

func BenchmarkAppendJSON64Players(b *testing.B) {
	r := infoRecord()
	list := &proto.PlayerList{Count: 64}
	for i := range 64 {
		list.List = append(list.List, proto.Player{Name: fmt.Appendf(nil, "Игрок %d", i), Score: int32(i), Duration: float32(i) * 61.7})
	}
	r.Players = &PlayersSection{Data: list}
	benchmarkAppendJSON(b, r)
}

func BenchmarkAppendJSON100Rules(b *testing.B) {
	r := infoRecord()
	list := &proto.RuleList{Count: 100}
	for i := range 100 {
		list.List = append(list.List, proto.Rule{Name: fmt.Appendf(nil, "sv_rule_%d", i), Value: fmt.Appendf(nil, "%d", i*i)})
	}
	r.Rules = &RulesSection{Data: list}
	benchmarkAppendJSON(b, r)
}

// BenchmarkEncodingJSON is the price of the same line by encoding/json.
func BenchmarkEncodingJSON(b *testing.B) {
	var v any
	if err := json.Unmarshal(AppendJSON(nil, infoRecord()), &v); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}
