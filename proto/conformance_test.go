package proto_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// captures returns the folder of captured replies, or skips the test.
func captures(t *testing.T) string {
	t.Helper()
	dir, set := os.LookupEnv("A2SCAN_CAPTURES")
	if !set {
		dir = filepath.Join("..", "..", "shared", "captures")
	}
	if _, err := os.Stat(dir); err != nil {
		if set {
			t.Fatalf("A2SCAN_CAPTURES: %v", err)
		}
		t.Skipf("NOT RUN: no captures at %s, and A2SCAN_CAPTURES is not set", dir)
	}
	return dir
}

// A capture is one expected.json: the datagrams of a server and their meaning.
type capture struct {
	Messages []captured `json:"messages"`

	// Of the folders built by hand.
	Files    []string       `json:"files_in_arrival_order"`
	Expected map[string]any `json:"expected"`
}

// captured is one logical message of a capture.
type captured struct {
	Files     []string       `json:"files"`
	Bytes     []int          `json:"bytes"`
	Transport string         `json:"transport"`
	Format    string         `json:"split_format"`
	Kind      string         `json:"kind"`
	Decoded   map[string]any `json:"decoded"`
	Error     string         `json:"error"` // of a strict decoder: the reply was cut
}

// TestCaptures feeds the datagrams of real servers, in order, to a Conversation, and
// compares every field of every message. It fails for a field or kind that it does not
// know.
func TestCaptures(t *testing.T) {
	dir := captures(t)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "expected.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	cut, err := filepath.Glob(filepath.Join(dir, "..", "cases", "captures", "*", "expected.json"))
	require.NoError(t, err)
	files = append(files, cut...)
	counts := map[string]int{}
	folders := 0
	for _, file := range files {
		var c capture
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &c), file)
		if filepath.Base(filepath.Dir(filepath.Dir(file))) == "synthetic" {
			continue // TestSyntheticCaptures
		}
		require.NotEmpty(t, c.Messages, file)
		folders++
		name, err := filepath.Rel(dir, filepath.Dir(file))
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) { compareFolder(t, filepath.Dir(file), c.Messages, counts) })
	}
	kinds := make([]string, 0, len(counts))
	total := 0
	for k, n := range counts {
		kinds = append(kinds, k+" "+strconv.Itoa(n))
		total += n
	}
	sort.Strings(kinds)
	t.Logf("compared %d messages of %d folders: %s", total, folders, strings.Join(kinds, ", "))
}

func compareFolder(t *testing.T, dir string, messages []captured, counts map[string]int) {
	// Datagrams are numbered in order of arrival, which for split replies that
	// overlap is not the order of the messages.
	var names []string
	for _, m := range messages {
		require.Len(t, m.Bytes, len(m.Files))
		names = append(names, m.Files...)
	}
	sort.Strings(names)
	datagrams := readDatagrams(t, dir, names)
	on, err := filepath.Glob(filepath.Join(dir, "*.bin"))
	require.NoError(t, err)
	require.Len(t, names, len(on), "a datagram belongs to no message")

	want := map[string]captured{} // by the files that make a message up
	for _, m := range messages {
		want[strings.Join(m.Files, " ")] = m
	}
	conv := new(proto.Conversation)
	for _, b := range datagrams {
		msg, ok := conv.Receive(b)
		if !ok {
			continue
		}
		require.NoError(t, msg.Err)
		var from []string
		for _, n := range msg.Datagrams {
			from = append(from, names[n])
		}
		key := strings.Join(from, " ")
		m, ok := want[key]
		require.True(t, ok, "a message was made of %s", key)
		delete(want, key)

		body := append([]byte{}, msg.Body...)
		switch m.Transport {
		case "single":
			require.Equal(t, proto.DialectUnknown, msg.Dialect)
			_, single, ok := proto.ParseHeader(datagrams[msg.Datagrams[0]])
			require.True(t, ok)
			require.Equal(t, single, body)
		case "split":
			require.Equal(t, m.Format, msg.Dialect.String())
			reference := referenceReassemble(t, readDatagrams(t, dir, m.Files))
			require.Equal(t, reference, body, "the assembler and the reference disagree")
		default:
			require.Fail(t, "unknown transport", m.Transport)
		}
		kind := compareMessage(t, m, body)
		counts[kind+"/"+m.Transport]++
	}
	require.Empty(t, want, "messages were not heard")
}

func readDatagrams(t *testing.T, dir string, names []string) (datagrams [][]byte) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		datagrams = append(datagrams, b)
	}
	return datagrams
}

// compareMessage decodes body and compares it with the expectation.
func compareMessage(t *testing.T, m captured, body []byte) (kind string) {
	if m.Error != "" {
		require.Equal(t, "info", m.Kind)
		compareCut(t, m.Error, body)
		return "cut info"
	}
	e := &expectation{t: t, fields: m.Decoded, used: map[string]bool{}}
	switch m.Kind {
	case "info":
		compareSource(t, e, body)
	case "info-goldsource":
		compareGoldSource(t, e, body)
	case "players":
		comparePlayers(t, e, body)
	case "rules":
		compareRules(t, e, body)
	case "challenge":
		c, ok := proto.ParseChallenge(body)
		require.True(t, ok)
		e.number("challenge_le", uint64(c))
	default:
		require.Fail(t, "messages of this kind are not compared", m.Kind)
	}
	e.done()
	return m.Kind
}

// An expectation is a decoded message as expected.json has it. It remembers
// which fields were compared.
type expectation struct {
	t      *testing.T
	fields map[string]any
	used   map[string]bool
}

func (e *expectation) take(name string) any {
	e.t.Helper()
	e.used[name] = true
	v, ok := e.fields[name]
	require.True(e.t, ok, "%s was decoded, and is not expected", name)
	return v
}

func (e *expectation) has(name string) bool { _, ok := e.fields[name]; return ok }

func (e *expectation) number(name string, got uint64) {
	e.t.Helper()
	require.Equal(e.t, e.take(name), float64(got), name)
}

func (e *expectation) digits(name string, got uint64) {
	e.t.Helper()
	require.Equal(e.t, e.take(name), strconv.FormatUint(got, 10), name)
}

func (e *expectation) text(name string, got []byte) {
	e.t.Helper()
	require.Equal(e.t, expectedBytes(e.t, e.take(name)), string(got), name)
}

// letter compares a byte with a letter.
func (e *expectation) letter(name string, got byte) {
	e.t.Helper()
	require.Equal(e.t, e.take(name), string(rune(got)), name)
}

// optional compares a field that is expected if and only if it was decoded.
func (e *expectation) optional(there bool, name string, compare func(name string)) {
	e.t.Helper()
	require.Equal(e.t, there, e.has(name), "%s: there", name)
	if there {
		compare(name)
	}
}

// done fails if an expected field was not compared. The other keys are remarks of the
// captures' authors, each known by name.
func (e *expectation) done() {
	e.t.Helper()
	for name := range e.fields {
		require.True(e.t, e.used[name], "%s is expected, and was not compared", name)
	}
}

// expectedBytes returns the bytes of a string, or of {"hex", "latin1"}.
func expectedBytes(t *testing.T, v any) string {
	t.Helper()
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		b, err := hex.DecodeString(v["hex"].(string))
		require.NoError(t, err)
		var latin1 []rune
		for _, c := range b {
			latin1 = append(latin1, rune(c))
		}
		require.Equal(t, v["latin1"], string(latin1))
		return string(b)
	}
	require.Fail(t, "neither a string nor bytes", "%v", v)
	return ""
}

func compareSource(t *testing.T, e *expectation, body []byte) {
	var i proto.Info
	require.NoError(t, i.Decode(body))
	require.Equal(t, body, encodeInfo(&i))
	require.False(t, i.Truncated)
	require.Equal(t, e.take("format"), i.Format.String())
	e.number("protocol", uint64(i.Protocol))
	e.text("name", i.Name)
	e.text("map", i.Map)
	e.text("folder", i.Folder)
	e.text("game", i.Game)
	e.number("appid16", uint64(i.AppID16))
	e.number("players", uint64(i.Players))
	e.number("max_players", uint64(i.MaxPlayers))
	e.number("bots", uint64(i.Bots))
	require.True(t, i.BotsKnown)
	e.letter("server_type", i.ServerType)
	e.letter("environment", i.OS)
	e.number("visibility", uint64(i.Visibility))
	if i.VACKnown {
		e.number("vac", uint64(i.VAC))
		e.text("version", i.Version)
	} else {
		// The captures' decoder took a byte for VAC that was not sent: the first
		// of the version.
		first := byte(e.take("vac").(float64))
		require.True(t, '0' <= first && first <= '9')
		require.Equal(t, string(rune(first))+expectedBytes(t, e.take("version")), string(i.Version))
	}
	e.optional(i.HasShip, "ship", func(name string) {
		require.Equal(t, map[string]any{
			"mode": float64(i.Ship.Mode), "witnesses": float64(i.Ship.Witnesses), "duration": float64(i.Ship.Duration),
		}, e.take(name))
	})
	e.optional(i.HasEDF, "edf", func(name string) { e.number(name, uint64(i.EDF)) })
	e.optional(i.Has(proto.EDFGamePort), "game_port", func(name string) { e.number(name, uint64(i.GamePort)) })
	e.optional(i.Has(proto.EDFSteamID), "steamid", func(name string) { e.digits(name, i.SteamID) })
	e.optional(i.Has(proto.EDFSpectator), "tv_port", func(name string) { e.number(name, uint64(i.SpectatorPort)) })
	e.optional(i.Has(proto.EDFSpectator), "tv_name", func(name string) { e.text(name, i.SpectatorName) })
	e.optional(i.Has(proto.EDFKeywords), "keywords", func(name string) { e.text(name, i.Keywords) })
	e.optional(i.Has(proto.EDFGameID), "gameid", func(name string) { e.digits(name, i.GameID) })
	e.optional(i.Has(proto.EDFGameID), "appid", func(name string) { e.number(name, uint64(i.AppID())) })
	e.trailing(i.Trailing)
	if _, maxPlayers, ok := i.ActualPlayers(); ok {
		require.Equal(t, i.MaxPlayers, uint8(maxPlayers), "the byte is the keyword, wrapped")
	}
}

// compareCut decodes an INFO reply that was cut. The strict decoder's error ends
// with the offset of the field that is not whole.
func compareCut(t *testing.T, strict string, body []byte) {
	var i proto.Info
	require.NoError(t, i.Decode(body))
	require.True(t, i.Truncated)
	require.NotEmpty(t, i.Name)
	require.Equal(t, body, encodeInfo(&i))
	at, err := strconv.Atoi(strict[strings.LastIndexByte(strict, ' ')+1:])
	require.NoError(t, err)
	require.Equal(t, string(body[at:]), string(i.Trailing))
	if strings.Contains(strict, "string") {
		require.Equal(t, proto.InfoVersion, i.Missing)
		require.Equal(t, []any{"KTP - Chicago 1", "dod", uint16(30), uint8(13), byte(1)},
			[]any{string(i.Name), string(i.Folder), i.AppID16, i.MaxPlayers, i.VAC})
		require.Empty(t, i.Version)
	} else {
		require.Zero(t, i.Missing)
		require.Equal(t, proto.EDFGameID, i.EDFMissing)
		require.Equal(t, []any{"1.36.3.4", uint16(27016), uint32(730)}, []any{string(i.Version), i.GamePort, i.AppID()})
		require.True(t, i.Has(proto.EDFKeywords))
	}
}

// trailing compares the bytes that were left over.
func (e *expectation) trailing(got []byte) {
	e.t.Helper()
	require.Equal(e.t, e.take("_trailing"), hex.EncodeToString(got), "_trailing")
}

func compareGoldSource(t *testing.T, e *expectation, body []byte) {
	var i proto.Info
	require.NoError(t, i.Decode(body))
	require.Equal(t, body, encodeInfo(&i))
	require.Equal(t, e.take("format"), i.Format.String())
	e.text("address", i.Address)
	e.text("name", i.Name)
	e.text("map", i.Map)
	e.text("folder", i.Folder)
	e.text("game", i.Game)
	e.number("players", uint64(i.Players))
	e.number("max_players", uint64(i.MaxPlayers))
	e.number("protocol", uint64(i.Protocol))
	e.letter("server_type", i.ServerType)
	e.letter("environment", i.OS)
	e.number("visibility", uint64(i.Visibility))
	e.number("is_mod", uint64(i.IsMod))
	e.optional(i.HasMod, "mod", func(name string) {
		m := &expectation{t: t, fields: e.take(name).(map[string]any), used: map[string]bool{}}
		m.text("link", i.Mod.Link)
		m.text("download", i.Mod.DownloadLink)
		m.text("empty", i.Mod.HLVersion)
		m.number("version", uint64(i.Mod.Version))
		m.number("size", uint64(i.Mod.Size))
		m.number("type", uint64(i.Mod.Type))
		m.number("dll", uint64(i.Mod.DLL))
		m.done()
	})
	e.number("vac", uint64(i.VAC))
	e.optional(i.BotsKnown, "bots", func(name string) { e.number(name, uint64(i.Bots)) })
	if e.has("_no_bots_byte") {
		e.take("_no_bots_byte")
		require.False(t, i.BotsKnown)
	}
	e.trailing(i.Trailing)
}

func comparePlayers(t *testing.T, e *expectation, body []byte) {
	var p proto.PlayerList
	require.NoError(t, p.Decode(body))
	require.Equal(t, body, encodePlayers(&p))
	e.number("count", uint64(p.Count))
	want := e.take("players").([]any)
	require.Len(t, p.List, len(want))
	require.Equal(t, len(want) < int(p.Count), p.Truncated)
	for n, w := range want {
		x := &expectation{t: t, fields: w.(map[string]any), used: map[string]bool{}}
		got := p.List[n]
		x.number("index", uint64(got.Index))
		x.text("name", got.Name)
		require.Equal(t, x.take("score"), float64(got.Score))
		require.Equal(t, x.take("duration"), float64(got.Duration))
		x.optional(p.Ship, "deaths", func(name string) { require.Equal(t, x.take(name), float64(got.Deaths)) })
		x.optional(p.Ship, "money", func(name string) { require.Equal(t, x.take(name), float64(got.Money)) })
		x.done()
	}
	e.optional(p.Ship, "_ship_block_layout", func(name string) {
		require.Equal(t, "appended after all players", e.take(name))
	})
	e.trailing(p.Trailing)
}

func compareRules(t *testing.T, e *expectation, body []byte) {
	var l proto.RuleList
	require.NoError(t, l.Decode(body))
	require.Equal(t, body, encodeRules(&l))
	e.number("count", uint64(l.Count))
	want := e.take("rules").([]any)
	require.Len(t, l.List, len(want))
	require.Equal(t, len(want) < int(l.Count), l.Truncated)
	chunks, others := []proto.Rule{}, []proto.Rule{}
	for n, w := range want {
		pair := w.([]any)
		require.Len(t, pair, 2)
		require.Equal(t, expectedBytes(t, pair[0]), string(l.List[n].Name))
		require.Equal(t, expectedBytes(t, pair[1]), string(l.List[n].Value))
		if name := l.List[n].Name; len(name) == 2 && name[1] < ' ' {
			chunks = append(chunks, l.List[n])
		} else {
			others = append(others, l.List[n])
		}
	}
	e.trailing(l.Trailing)
	compareBlock(t, l.List, chunks, others)
}

// compareBlock takes the server-browser block out of the rules that have one.
func compareBlock(t *testing.T, list, chunks, others []proto.Rule) {
	block, rest, err := a3sb.Decode(list, nil)
	require.NoError(t, err)
	if len(chunks) == 0 {
		require.Nil(t, block)
		require.Equal(t, list, rest)
		return
	}
	require.NotNil(t, block)
	require.Equal(t, others, rest)
	require.Empty(t, block.Trailing)
	dayZ := false
	for _, r := range others {
		if string(r.Name) == "timeLeft" { // of DayZ's text rules, in all of its replies
			dayZ = true
		}
	}
	require.Equal(t, !dayZ, block.Difficulty != nil)
	require.Equal(t, dayZ && block.Version > 1, block.HasDescription)
	info := &proto.Info{GameID: 107410}
	if dayZ {
		info.GameID = 221100
	}
	hinted, _, err := a3sb.Decode(list, info)
	require.NoError(t, err)
	require.Equal(t, block, hinted)
	require.NotZero(t, block.Version)
	require.NotEmpty(t, block.Mods)
	for _, m := range block.Mods {
		require.True(t, len(m.Name) > 0 || m.DLC, "a mod of the Workshop has a name: %+v", m)
	}
}

// TestSyntheticCaptures runs the folders that were built by hand for shapes that
// no capture has.
func TestSyntheticCaptures(t *testing.T) {
	dir := captures(t)
	files, err := filepath.Glob(filepath.Join(dir, "synthetic", "*", "expected.json"))
	require.NoError(t, err)
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			var c capture
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &c))
			datagrams := readDatagrams(t, filepath.Dir(file), c.Files)
			conv := new(proto.Conversation)
			var messages []proto.Message
			var body []byte
			for _, b := range datagrams {
				if msg, ok := conv.Receive(b); ok {
					messages = append(messages, msg)
					body = append([]byte{}, msg.Body...)
				}
			}
			require.Len(t, messages, 1)
			switch {
			case c.Expected["payload_sha1"] != nil:
				require.NoError(t, messages[0].Err)
				require.Equal(t, referenceReassemble(t, datagrams), body)
				var l proto.RuleList
				require.NoError(t, l.Decode(body))
				require.Equal(t, c.Expected["count"], float64(len(l.List)))
				require.False(t, l.Truncated)
				whole := append([]byte{0xFF, 0xFF, 0xFF, 0xFF}, body...)
				require.Equal(t, c.Expected["payload_len"], float64(len(whole)))
				sum := sha1.Sum(whole)
				require.Equal(t, c.Expected["payload_sha1"], hex.EncodeToString(sum[:]))
			case c.Expected["value_raw"] != nil:
				var l proto.RuleList
				require.NoError(t, l.Decode(body))
				require.Len(t, l.List, 1)
				require.Equal(t, c.Expected["value_raw"], hex.EncodeToString(l.List[0].Value))
				plain := strings.NewReplacer("\x01\x01", "\x01", "\x01\x02", "\x00", "\x01\x03", "\xff").Replace(string(l.List[0].Value))
				require.Equal(t, c.Expected["unescaped_left_to_right"], hex.EncodeToString([]byte(plain)))
			case c.Expected["error"] != nil:
				// Its declared size, 4 GiB less one, reads as FF FF FF FF too: a bomb
				// or a message of no known type, but never a reply.
				_, known := messages[0].Kind()
				require.False(t, known && messages[0].Err == nil)
			default: // words only: one fragment, truncated rules inside
				require.NoError(t, messages[0].Err)
				require.Equal(t, referenceReassemble(t, datagrams), body)
				var l proto.RuleList
				require.NoError(t, l.Decode(body))
				require.True(t, l.Truncated)
				require.EqualValues(t, 200, l.Count)
				require.Len(t, l.List, 37)
			}
		})
	}
}
