package reply

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

func sourceInfo() *proto.Info {
	return &proto.Info{
		Protocol: 17, Name: []byte("Example server"), Map: []byte("de_dust2"), Folder: []byte("cstrike"),
		Game: []byte("Counter-Strike: Source"), AppID16: 240, Players: 12, MaxPlayers: 32, Bots: 1, BotsKnown: true,
		ServerType: 'd', OS: 'l', VAC: 1, VACKnown: true,
		HasShip: true, Ship: proto.Ship{Mode: 3, Witnesses: 2, Duration: 5},
		Version: []byte("1.0.0.34"), HasEDF: true, EDF: 0xF1, GamePort: 27015, SteamID: 90071992547409920,
		SpectatorPort: 27020, SpectatorName: []byte("tv"), Keywords: []byte("a,b"), GameID: 0,
	}
}

func goldSourceInfo() *proto.Info {
	return &proto.Info{
		Format: proto.FormatGoldSource, Protocol: 47, Address: []byte("LOOPBACK"), Name: []byte("Old"), Map: []byte("crossfire"),
		Folder: []byte("valve"), Game: []byte("Half-Life"), Players: 1, MaxPlayers: 16, BotsKnown: true,
		ServerType: 'P', OS: 'o', Visibility: 1, VACKnown: true, HasMod: true,
		Mod: proto.Mod{Link: []byte("l"), DownloadLink: []byte("d"), HLVersion: []byte("1"), Version: 1, Size: 2, Type: 1, DLL: 1},
	}
}

func TestInfo(t *testing.T) {
	section := output.Section{Attempts: 2, RTT: 5}
	got := &output.Info{Section: section, Mod: &output.Mod{}, Keywords: "of another"}
	Info(got, sourceInfo())
	all := output.InfoMaxPlayersActual<<1 - 1
	require.Equal(t, &output.Info{
		Section: section, Fields: all &^ (output.InfoAddress | output.InfoPlayersActual | output.InfoMaxPlayersActual),
		Format: "source", Protocol: 17, Name: "Example server", Map: "de_dust2", Folder: "cstrike",
		Game: "Counter-Strike: Source", AppID: 240, Players: 12, MaxPlayers: 32, Bots: 1,
		ServerType: "dedicated", Environment: "linux", Visibility: "public", VAC: true,
		Ship: &output.Ship{Mode: 3, Witnesses: 2, Duration: 5}, Version: "1.0.0.34", EDF: 0xF1, GamePort: 27015,
		SteamID: 90071992547409920, SpectatorPort: 27020, SpectatorName: "tv", Keywords: "a,b",
	}, got)

	*got = output.Info{}
	Info(got, goldSourceInfo())
	require.Equal(t, &output.Info{
		Fields: common | letters | output.InfoBots | output.InfoVAC | output.InfoAddress,
		Format: "goldsource", Protocol: 47, Name: "Old", Map: "crossfire", Folder: "valve", Game: "Half-Life",
		Players: 1, MaxPlayers: 16, ServerType: "proxy", Environment: "mac", Visibility: "private", Address: "LOOPBACK",
		Mod: &output.Mod{Link: "l", DownloadLink: "d", HLVersion: "1", Version: 1, Size: 2, Type: 1, DLL: 1},
	}, got)

	rust := sourceInfo()
	rust.GameID, rust.Keywords = 252490, []byte("mp575,cp547")
	Info(got, rust)
	require.True(t, got.Has(output.InfoPlayersActual|output.InfoMaxPlayersActual))
	require.Equal(t, []int{547, 575}, []int{got.PlayersActual, got.MaxPlayersActual})
	require.EqualValues(t, 252490, got.AppID)
}

// A reply that is cut off at any byte gives the fields that came whole, and no
// other.
func TestInfoCut(t *testing.T) {
	reply := []byte("I\x11name\x00map\x00dir\x00game\x00\xf0\x00\x03\x20\x01dl\x01\x011.0\x00\xb1\x87\x69\x01\x02\x03\x04\x05\x06\x07\x08a,b\x00\xf0\x00\x00\x00\x00\x00\x00\x00")
	var whole output.Info
	var info proto.Info
	require.NoError(t, info.Decode(reply))
	Info(&whole, &info)
	require.Equal(t, []any{"name", "map", "dir", "game", uint32(240), 3, 32, 1, "dedicated", "linux", "private", true, "1.0", uint16(0x6987), "a,b"},
		[]any{whole.Name, whole.Map, whole.Folder, whole.Game, whole.AppID, whole.Players, whole.MaxPlayers, whole.Bots,
			whole.ServerType, whole.Environment, whole.Visibility, whole.VAC, whole.Version, whole.GamePort, whole.Keywords})
	fields := output.InfoFields(0)
	for n := len("I\x11name\x00"); n < len(reply); n++ {
		var got output.Info
		require.NoError(t, info.Decode(reply[:n]))
		Info(&got, &info)
		require.Equal(t, fields, got.Fields&fields, "%d bytes have what fewer bytes have", n)
		fields = got.Fields
		for bit, name := range map[output.InfoFields]string{
			output.InfoProtocol: "Protocol", output.InfoName: "Name", output.InfoMap: "Map", output.InfoFolder: "Folder", output.InfoGame: "Game",
			output.InfoAppID: "AppID", output.InfoPlayers: "Players", output.InfoMaxPlayers: "MaxPlayers", output.InfoBots: "Bots",
			output.InfoServerType: "ServerType", output.InfoEnvironment: "Environment", output.InfoVisibility: "Visibility",
			output.InfoVAC: "VAC", output.InfoVersion: "Version", output.InfoEDF: "EDF", output.InfoGamePort: "GamePort",
			output.InfoSteamID: "SteamID", output.InfoKeywords: "Keywords", output.InfoGameID: "GameID",
		} {
			value, want := reflect.ValueOf(got).FieldByName(name), reflect.ValueOf(whole).FieldByName(name)
			if !got.Has(bit) {
				require.True(t, value.IsZero(), "%d bytes, %s", n, name)
			} else {
				require.Equal(t, want.Interface(), value.Interface(), "%d bytes, %s", n, name)
			}
		}
		require.Equal(t, info.Truncated, got.Truncated)
	}
	require.Equal(t, whole.Fields&^output.InfoGameID, fields)
}

func players() *proto.PlayerList {
	return &proto.PlayerList{Count: 1, Ship: true, List: []proto.Player{{Index: 1, Name: []byte("x"), Score: -7, Duration: 123.25, Deaths: 2, Money: 300}}}
}

func TestPlayers(t *testing.T) {
	got := &output.Players{Section: output.Section{Attempts: 2}}
	memory := Players(got, players(), nil)
	require.Equal(t, &output.Players{Section: output.Section{Attempts: 2}, Count: 1, Ship: true,
		List: []output.Player{{Index: 1, Name: "x", Score: -7, Duration: 123.25, Deaths: 2, Money: 300}}}, got)
	again := players()
	require.Zero(t, testing.AllocsPerRun(100, func() { memory = Players(got, again, memory) }))

	*got = output.Players{}
	Players(got, &proto.PlayerList{}, nil)
	require.NotNil(t, got.List, "an answer without players is an answer")
}

func TestRules(t *testing.T) {
	got := &output.Rules{Section: output.Section{Attempts: 2}}
	list := &proto.RuleList{Count: 3, Truncated: true, List: []proto.Rule{{Name: []byte("a"), Value: []byte("b")}, {}}}
	memory := Rules(got, list, nil, nil)
	require.Equal(t, &output.Rules{Section: output.Section{Attempts: 2}, Count: 3, Truncated: true, List: []output.Rule{{Name: "a", Value: "b"}, {}}}, got)
	require.Zero(t, testing.AllocsPerRun(100, func() { memory = Rules(got, list, nil, memory) }))

	*got = output.Rules{}
	Rules(got, &proto.RuleList{}, nil, nil)
	require.NotNil(t, got.List)
}

// leftOut are the fields that no record has, each with the reason.
var leftOut = map[string]string{
	"Info.IsMod":                      "mod is an object if the server describes one",
	"Info.HasProxyCounts":             "spectators of a relay are no players",
	"Info.ProxySpectators":            "spectators of a relay are no players",
	"Info.ProxySlots":                 "spectators of a relay are no players",
	"Info.Trailing":                   "--raw keeps it",
	"PlayerList.Trailing":             "--raw keeps it",
	"RuleList.Trailing":               "--raw keeps it",
	"Block.Trailing":                  "--raw keeps it",
	"Block.Mods.Head":                 "the width of the id on the wire",
	"Block.Flags":                     "their meaning is unknown",
	"Block.DLCHashes":                 "one per bit of the mask",
	"Block.Difficulty.Level":          "part of the number that is written",
	"Block.Difficulty.AI":             "part of the number that is written",
	"Block.Difficulty.AdvancedFlight": "part of the number that is written",
	"Block.Difficulty.ThirdPerson":    "part of the number that is written",
	"Block.Difficulty.Crosshair":      "part of the number that is written",
}

// TestNoFieldForgotten changes each field of a decoded reply, and wants the
// record to change unless leftOut gives a reason.
func TestNoFieldForgotten(t *testing.T) {
	block := func() *a3sb.Block {
		return &a3sb.Block{Version: 3, DLC: 1, DLCHashes: []uint32{1}, Difficulty: &a3sb.Difficulty{Raw: 1}, Mods: []a3sb.Mod{{Name: []byte("m")}},
			Signatures: [][]byte{[]byte("s")}, Description: []byte("d"), HasDescription: true}
	}
	seen := map[string]bool{}
	for _, c := range []struct {
		build func() any
		line  func(any) string
	}{
		{func() any { return sourceInfo() }, func(v any) string { return infoLine(v.(*proto.Info)) }},
		{func() any { return goldSourceInfo() }, func(v any) string { return infoLine(v.(*proto.Info)) }},
		{func() any { return players() }, func(v any) string {
			p := &output.Players{}
			Players(p, v.(*proto.PlayerList), nil)
			return string(output.AppendJSON(nil, &output.Record{Players: p}))
		}},
		{func() any { return &proto.RuleList{Count: 1, List: []proto.Rule{{}}} }, func(v any) string {
			r := &output.Rules{}
			Rules(r, v.(*proto.RuleList), nil, nil)
			return string(output.AppendJSON(nil, &output.Record{Rules: r}))
		}},
		{func() any { return block() }, func(v any) string {
			r := &output.Rules{A3SB: A3SB(v.(*a3sb.Block))}
			return string(output.AppendJSON(nil, &output.Record{Rules: r}))
		}},
	} {
		before := c.line(c.build())
		name := reflect.TypeOf(c.build()).Elem().Name()
		leaves(reflect.ValueOf(c.build()).Elem(), name, func(path string, _ reflect.Value) {
			v := c.build()
			leaves(reflect.ValueOf(v).Elem(), name, func(p string, f reflect.Value) {
				if p == path {
					mutate(f)
				}
			})
			seen[path] = seen[path] || before != c.line(v)
		})
	}
	require.Greater(t, len(seen), 60)
	for path, shows := range seen {
		require.Equal(t, leftOut[path] == "", shows, path)
	}
	for path := range leftOut {
		require.Contains(t, seen, path, "left out, but it does not exist")
	}
}

func infoLine(i *proto.Info) string {
	out := &output.Info{}
	Info(out, i)
	return string(output.AppendJSON(nil, &output.Record{Info: out}))
}

// leaves calls f for each field below v; of slices it takes the first element.
func leaves(v reflect.Value, path string, f func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, f)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			leaves(v.Elem(), path, f)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0 {
			leaves(v.Index(0), path, f)
			return
		}
		f(path, v)
	default:
		f(path, v)
	}
}

func mutate(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float32:
		v.SetFloat(v.Float() + 1)
	case reflect.Slice:
		if b, ok := v.Interface().([]byte); ok {
			v.SetBytes(append(append([]byte{}, b...), 'x'))
			return
		}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	default:
		v.SetUint(v.Uint() + 1)
	}
}

// Real replies that came in one datagram: the record has their texts. The
// captures are kept outside of the repository.
func TestCaptures(t *testing.T) {
	root := os.Getenv("A2SCAN_CAPTURES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "captures")
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "*", "*.bin"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("no captures in %s: set A2SCAN_CAPTURES", root)
	}
	seen := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		payload := strings.TrimPrefix(string(b), "\xFF\xFF\xFF\xFF")
		if len(payload) == len(b) || payload == "" {
			continue
		}
		r := &output.Record{Input: name}
		var texts []string
		switch payload[0] {
		case proto.TypeInfo, proto.TypeInfoGoldSource, proto.TypeInfoObsolete:
			var info proto.Info
			require.NoError(t, info.Decode([]byte(payload)), name)
			r.Info = &output.Info{}
			Info(r.Info, &info)
			texts = []string{r.Info.Name, r.Info.Map, r.Info.Folder, r.Info.Game, r.Info.Version, r.Info.Keywords}
		case proto.TypePlayers:
			var list proto.PlayerList
			require.NoError(t, list.Decode([]byte(payload)), name)
			r.Players = &output.Players{}
			Players(r.Players, &list, nil)
			for _, p := range r.Players.List {
				texts = append(texts, p.Name)
			}
		case proto.TypeRules:
			var list proto.RuleList
			require.NoError(t, list.Decode([]byte(payload)), name)
			r.Rules = &output.Rules{}
			Rules(r.Rules, &list, nil, nil)
			for _, u := range r.Rules.List {
				texts = append(texts, u.Name+"\x00"+u.Value)
			}
		default:
			continue
		}
		seen++
		for _, s := range texts {
			require.Contains(t, payload, s, name)
		}
		line := output.AppendJSON(nil, r)
		var again output.Record
		require.NoError(t, output.Unmarshal(line, &again), name)
		require.Equal(t, string(line), string(output.AppendJSON(nil, &again)), name)
	}
	require.NotZero(t, seen)
	t.Log(fmt.Sprint(seen, " replies"))
}
