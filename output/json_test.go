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
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everyField is the set of all fields of a Source reply.
const everyField = InfoFormat | InfoProtocol | InfoName | InfoMap | InfoFolder | InfoGame | InfoAppID | InfoPlayers | InfoMaxPlayers |
	InfoBots | InfoServerType | InfoEnvironment | InfoVisibility | InfoVAC | InfoVersion | InfoEDF | InfoGamePort | InfoSteamID |
	InfoSpectatorPort | InfoSpectatorName | InfoKeywords | InfoGameID

// sourceRecord is a record with a value in every key that a Source server can
// fill.
func sourceRecord() *Record {
	section := func(attempts int) Section { return Section{Attempts: attempts, RTT: 41207 * time.Microsecond} }
	return &Record{
		Seq:             17,
		Addr:            netip.MustParseAddrPort("203.0.113.7:27015"),
		PortGiven:       27014,
		Input:           "gs1.example.net:27015",
		Tag:             "eu",
		Source:          []byte(`{"addr":"203.0.113.7:27015","players":12}`),
		Time:            time.Date(2026, 11, 22, 6, 30, 12, 345678901, time.UTC),
		Duration:        3083412 * time.Microsecond,
		RTT:             41207 * time.Microsecond,
		Attempts:        3,
		PacketsSent:     7,
		PacketsReceived: 6,
		BytesReceived:   2310,
		Challenged:      true,
		Info: &Info{
			Section: section(1), Fields: everyField,
			Format: "source", Protocol: 17, Name: "Example server", Map: "de_dust2", Folder: "cstrike",
			Game: "Counter-Strike: Source", AppID: 240, Players: 12, MaxPlayers: 32, Bots: 1,
			ServerType: "dedicated", Environment: "linux", Visibility: "public", VAC: true,
			Ship:    &Ship{Mode: 3, Witnesses: 2, Duration: 5},
			Version: "1.0.0.34", EDF: 0xF1, GamePort: 27015, SteamID: 90071992547409920,
			SpectatorPort: 27020, SpectatorName: "tv", Keywords: "a,b", GameID: 240,
		},
		Players: &Players{Section: section(1), Count: 1, Ship: true, List: []Player{
			{Index: 0, Name: "x", Score: -7, Duration: 123.25, Deaths: 2, Money: 300},
		}},
		Rules: &Rules{
			Section: section(2), Count: 2,
			List: []Rule{{Name: "sv_gravity", Value: "800"}, {}},
			A3SB: &A3SB{
				Version: 3, DLC: 0x81, Difficulty: 0x9B, HasDifficulty: true,
				Mods:           []A3SBMod{{Hash: 0xDEADBEEF, ID: 18446744073709551615, Name: "CUP", DLC: true}},
				Signatures:     []string{"a3", "cup"},
				HasDescription: true, Description: "words",
			},
		},
		Raw: []Datagram{
			{Time: 0, Sent: true, Data: []byte{0xFF, 0xFF, 0xFF, 0xFF, 'T'}},
			{Time: 41207 * time.Microsecond, Data: []byte{0xFF, 0xFF, 0xFF, 0xFF, 'A', 1, 2, 3, 4}},
		},
	}
}

// goldSourceRecord is the same for an 'm' reply, with no other answer.
func goldSourceRecord() *Record {
	r := &Record{
		Seq: 1, Addr: netip.MustParseAddrPort("[2001:db8::7]:27016"), Status: Partial,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Duration: 1500 * time.Millisecond, RTT: NoRTT, Attempts: 3,
		Info: &Info{
			Section: Section{Attempts: 1, RTT: NoRTT},
			Fields: InfoFormat | InfoProtocol | InfoName | InfoMap | InfoFolder | InfoGame | InfoPlayers | InfoMaxPlayers | InfoBots |
				InfoServerType | InfoEnvironment | InfoVisibility | InfoVAC | InfoAddress,
			Format: "goldsource", Protocol: 47, Address: "LOOPBACK", Name: "Old", Map: "crossfire",
			Folder: "valve", Game: "Half-Life", Players: 1, MaxPlayers: 16,
			ServerType: "dedicated", Environment: "windows", Visibility: "private",
			Mod: &Mod{Link: "http://example.net", DownloadLink: "d", HLVersion: "1.1.1.0", Version: 1, Size: 184000000, Type: 1, DLL: 1},
		},
		Players: &Players{Section: Section{Status: Timeout, Attempts: 3, RTT: NoRTT}},
		Rules:   &Rules{Section: Section{Status: Incomplete, Error: "2 of 3 fragments received", Attempts: 3, RTT: NoRTT}},
	}
	return r
}

// evil is a text with everything that can break a line, a terminal or a reader.
const evil = "a\xff\xfeb\n\r\t\x00\x1b[31m\x7f\u0085\u009b2J\u2028\u2029\u202Erev\"\\/\U0001F600\uFFFD\xed\xa0\x80\xe2\x80"

func hostileRecord() *Record {
	r := sourceRecord()
	r.Seq, r.Status, r.Error, r.Input, r.Tag = math.MaxUint64, ProtocolError, evil, evil, evil
	r.Addr = netip.AddrPortFrom(netip.MustParseAddr("fe80::1%\x1b\"\xff"), 1)
	r.Source = []byte(" {\"name\": \"\u0085\u202e\x7f\xff\\n\\\" \",\r\n\"n\":[ 1 , {} ]}\t")
	i := r.Info
	i.Name, i.Map, i.Folder, i.Game, i.Version, i.SpectatorName, i.Keywords = evil, evil, evil, evil, evil, evil, evil
	i.ServerType, i.Environment, i.Visibility, i.VAC = "unknown", "unknown", "unknown", false
	i.Players, i.MaxPlayers, i.Bots = 255, 255, 255
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	r.Players.List = []Player{{Name: evil, Duration: nan}, {Name: evil, Duration: inf}, {Duration: -1},
		{Duration: math.MaxFloat32}, {Duration: math.SmallestNonzeroFloat32}, {Duration: 3521.0852}, {Score: math.MinInt32}}
	r.Rules.List = []Rule{{Name: evil, Value: evil}, {Name: "fine", Value: evil}}
	r.Rules.A3SB.Mods[0].Name = evil
	r.Rules.A3SB.Signatures = []string{"fine", evil}
	r.Rules.A3SB.Description = evil
	r.Rules.A3SB.Truncated, r.Rules.Truncated = true, true
	return r
}

// goldenRecords are those of testdata/golden, and seeds of the fuzzer.
func goldenRecords() map[string]*Record {
	silent := &Record{Seq: 2, Addr: netip.MustParseAddrPort("198.51.100.1:27015"), Status: Timeout, RTT: NoRTT, Attempts: 3, PacketsSent: 3,
		Time: time.Date(2026, 11, 22, 6, 30, 12, 5000, time.UTC), Duration: 3 * time.Second,
		Info: &Info{Section: Section{Status: Timeout, Attempts: 3, RTT: NoRTT}}}
	unresolved := &Record{Seq: 3, Input: "no.such.example", Status: ResolveError, RTT: NoRTT,
		Time: time.Date(2026, 11, 22, 6, 30, 12, 0, time.UTC)}
	obsolete := goldSourceRecord()
	obsolete.Status = Success
	obsolete.Info = &Info{
		Section: obsolete.Info.Section,
		Fields:  InfoFormat | InfoProtocol | InfoName | InfoMap | InfoFolder | InfoGame | InfoPlayers | InfoMaxPlayers | InfoAddress,
		Format:  "obsolete", Protocol: 7, Address: "203.0.113.9:27015", Name: "Older",
		Map: "c1a0", Folder: "valve", Game: "Half-Life", Players: 1, MaxPlayers: 8,
	}
	obsolete.Players, obsolete.Rules = nil, nil
	rust := sourceRecord()
	rust.PortGiven, rust.Source = 0, nil
	rust.Info = &Info{
		Section: rust.Info.Section,
		Fields:  everyField&^(InfoSteamID|InfoSpectatorPort|InfoSpectatorName) | InfoPlayersActual | InfoMaxPlayersActual,
		Format:  "source", Protocol: 17, Name: "Rust", Players: 86, MaxPlayers: 63, ServerType: "dedicated", Environment: "windows",
		Visibility: "public", VAC: true, EDF: 0xB1, GamePort: 28015, AppID: 252490, GameID: 252490,
		Keywords: "mp575,cp547,qp0,v2402,born1700000000", PlayersActual: 547, MaxPlayersActual: 575, Truncated: true,
	}
	rust.Players = &Players{Section: Section{Status: Refused, Attempts: 1, RTT: 41207 * time.Microsecond}}
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
	"": "schema seq ip port port_given input tag source status error timestamp duration_ms rtt_ms attempts packets_sent packets_received bytes_received challenged info players rules raw",
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
	if path == "source" { // its keys are the source's
		require.NoError(t, d.Decode(new(any)))
		return
	}
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
	o := object{"schema": integer(1), "seq": integer(r.Seq), "ip": nil, "port": nil, "port_given": nil, "input": nil, "tag": nil, "source": nil, "status": r.Status.String(),
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
		given := r.Addr.Port()
		if r.PortGiven != 0 {
			given = r.PortGiven
		}
		o["input"] = string([]rune(netip.AddrPortFrom(r.Addr.Addr().Unmap(), given).String()))
	}
	if r.Input != "" {
		putText(o, "input", r.Input)
	}
	if r.Tag != "" {
		putText(o, "tag", r.Tag)
	}
	if r.PortGiven != 0 {
		o["port_given"] = integer(r.PortGiven)
	}
	if d := json.NewDecoder(bytes.NewReader(r.Source)); r.Source != nil {
		d.UseNumber()
		var row object
		if d.Decode(&row) == nil && row != nil {
			if _, err := d.Token(); err == io.EOF {
				o["source"] = canonicalNumbers(row)
			}
		}
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
			list = append(list, object{"t_ms": millis(max(d.Time, 0)), "dir": dir, "b64": base64.StdEncoding.EncodeToString(d.Data)})
		}
		o["raw"] = list
	}
	return o
}

func wantInfo(i *Info) object {
	o := wantSection(&i.Section)
	for _, k := range strings.Fields(wantKeys["info"]) {
		if _, ok := o[k]; !ok {
			o[k] = nil
		}
	}
	o["truncated"] = i.Truncated
	put := func(f InfoFields, key string, v any) {
		if !i.Has(f) {
			return
		}
		switch v := v.(type) {
		case string:
			putText(o, key, v)
		case uint64:
			o[key] = fmt.Sprint(v)
		case bool:
			o[key] = v
		default:
			o[key] = json.Number(fmt.Sprint(v))
		}
	}
	put(InfoFormat, "format", string([]rune(i.Format))) // these four have no _b64
	put(InfoServerType, "server_type", string([]rune(i.ServerType)))
	put(InfoEnvironment, "environment", string([]rune(i.Environment)))
	put(InfoVisibility, "visibility", string([]rune(i.Visibility)))
	put(InfoProtocol, "protocol", i.Protocol)
	put(InfoName, "name", i.Name)
	put(InfoMap, "map", i.Map)
	put(InfoFolder, "folder", i.Folder)
	put(InfoGame, "game", i.Game)
	put(InfoAppID, "app_id", i.AppID)
	put(InfoPlayers, "players", i.Players)
	put(InfoMaxPlayers, "max_players", i.MaxPlayers)
	put(InfoBots, "bots", i.Bots)
	put(InfoVAC, "vac", i.VAC)
	put(InfoVersion, "version", i.Version)
	put(InfoEDF, "edf", i.EDF)
	put(InfoGamePort, "game_port", i.GamePort)
	put(InfoSteamID, "steam_id", i.SteamID)
	put(InfoSpectatorPort, "spectator_port", i.SpectatorPort)
	put(InfoSpectatorName, "spectator_name", i.SpectatorName)
	put(InfoKeywords, "keywords", i.Keywords)
	put(InfoGameID, "game_id", i.GameID)
	put(InfoAddress, "address", i.Address)
	put(InfoPlayersActual, "players_actual", i.PlayersActual)
	put(InfoMaxPlayersActual, "max_players_actual", i.MaxPlayersActual)
	if i.Ship != nil {
		o["ship"] = object{"mode": integer(i.Ship.Mode), "witnesses": integer(i.Ship.Witnesses), "duration_s": integer(i.Ship.Duration)}
	}
	if i.Mod != nil {
		m := object{"version": integer(i.Mod.Version), "size": integer(i.Mod.Size), "type": integer(i.Mod.Type), "dll": integer(i.Mod.DLL)}
		putText(m, "link", i.Mod.Link)
		putText(m, "download_link", i.Mod.DownloadLink)
		putText(m, "hl_version", i.Mod.HLVersion)
		o["mod"] = m
	}
	return o
}

func wantPlayers(s *Players) object {
	o := wantSection(&s.Section)
	o["count"], o["truncated"], o["list"] = nil, s.Truncated, nil
	if s.List == nil {
		return o
	}
	o["count"] = integer(s.Count)
	list := []any{}
	for _, p := range s.List {
		e := object{"index": integer(p.Index), "score": integer(p.Score), "duration_s": nil,
			"deaths": when(s.Ship, integer(p.Deaths)), "money": when(s.Ship, integer(p.Money))}
		putText(e, "name", p.Name)
		if d := float64(p.Duration); !math.IsNaN(d) && !math.IsInf(d, 0) {
			e["duration_s"] = number(d)
		}
		list = append(list, e)
	}
	o["list"] = list
	return o
}

func wantRules(s *Rules) object {
	o := wantSection(&s.Section)
	o["count"], o["truncated"], o["list"], o["a3sb"] = nil, s.Truncated, nil, nil
	if s.List != nil {
		o["count"] = integer(s.Count)
		list := []any{}
		for _, r := range s.List {
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
	if b.HasDifficulty {
		block["difficulty"] = integer(b.Difficulty)
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
	case *Record:
		p.Source = [][]byte{nil, []byte("{}"), []byte(`{"a": [1, "\u0041` + string(s.bytes(3)) + `"]}`), s.bytes(4)}[s.byte()%4]
		type plain Record
		source := p.Source
		s.fill(reflect.ValueOf((*plain)(p)).Elem())
		p.Source = source
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
	case *InfoFields:
		*p = InfoFields(s.uint()) % (InfoMaxPlayersActual << 1)
		return
	case *int:
		*p = int(int32(s.uint()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.fill(v.Field(i))
			}
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

// TestNoFieldForgotten changes one field at a time, of three records that have
// everything between them, and wants to see it in a line.
func TestNoFieldForgotten(t *testing.T) {
	failing := func() *Record {
		r := sourceRecord()
		r.Status, r.Error = Partial, "e"
		r.Info.Status, r.Info.Error = Timeout, "e"
		r.Players.Status, r.Players.Error = Timeout, "e"
		r.Rules.Status, r.Rules.Error = Timeout, "e"
		return r
	}
	seen := map[string]bool{}
	rust := func() *Record { return goldenRecords()["rust"] }
	for _, build := range []func() *Record{sourceRecord, goldSourceRecord, failing, rust} {
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
		require.True(t, there, path)
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
			if !v.Type().Field(i).IsExported() {
				continue
			}
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
		*p = append(bytes.Clone(*p), 'x') // which makes a Source null
		return
	case *InfoFields:
		*p ^= InfoName
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
	r.Info.Ship, r.Source, r.PortGiven = nil, nil, 0
	r.Players, r.Rules, r.Raw = nil, nil, nil
	return r
}

func BenchmarkAppendJSONInfo(b *testing.B) { benchmarkAppendJSON(b, infoRecord()) }

func BenchmarkAppendJSONTimeout(b *testing.B) { benchmarkAppendJSON(b, goldenRecords()["silent"]) }

func BenchmarkAppendJSON64Players(b *testing.B) { benchmarkAppendJSON(b, playersRecord()) }

func BenchmarkAppendJSON100Rules(b *testing.B) { benchmarkAppendJSON(b, rulesRecord()) }

func playersRecord() *Record {
	r := infoRecord()
	r.Players = &Players{Count: 64}
	for i := range 64 {
		r.Players.List = append(r.Players.List, Player{Name: fmt.Sprintf("Игрок %d", i), Score: int32(i), Duration: float32(i) * 61.7})
	}
	return r
}

func rulesRecord() *Record {
	r := infoRecord()
	r.Rules = &Rules{Count: 100}
	for i := range 100 {
		r.Rules.List = append(r.Rules.List, Rule{Name: fmt.Sprintf("sv_rule_%d", i), Value: fmt.Sprint(i * i)})
	}
	return r
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

// TestFieldsOfRecord: each name that can be compared is a key of info.
func TestFieldsOfRecord(t *testing.T) {
	var r struct{ Info map[string]any }
	require.NoError(t, json.Unmarshal(AppendJSON(nil, &Record{Info: &Info{}}), &r))
	for _, name := range fieldNames() {
		require.Contains(t, r.Info, name)
	}
}
