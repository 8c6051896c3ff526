package proto_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
	"github.com/a2scan/a2scan/proto/internal/vector"
	"github.com/a2scan/a2scan/proto/master"
)

var update = flag.Bool("update", false, "write testdata/golden anew from what the decoders say")

const testdata = "../testdata"

// TestVectors decodes every vector and compares the result with its golden file. See
// testdata/README.md.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testdata, "vectors", "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	golden := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		golden[name+".json"] = true
		t.Run(name, func(t *testing.T) {
			v := load(t, file)
			kind, _, _ := strings.Cut(name, "-")
			require.Equal(t, v.Header["kind"], kind, "a vector's name begins with its kind")
			decode := vectorKinds[v.Header["kind"]]
			require.NotNil(t, decode, "vectors of kind %q are not known", v.Header["kind"])
			got, err := json.MarshalIndent(decode(t, v), "", "  ")
			require.NoError(t, err)
			got = append(got, '\n')
			path := filepath.Join(testdata, "golden", name+".json")
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "run go test ./proto -update, and read what it wrote")
			require.Equal(t, string(want), string(got))
		})
	}
	left, err := filepath.Glob(filepath.Join(testdata, "golden", "*.json"))
	require.NoError(t, err)
	for _, file := range left {
		kind, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		if vectorKinds[kind] != nil {
			require.True(t, golden[filepath.Base(file)], "%s has no vector", file)
		}
	}
}

func load(t testing.TB, file string) *vector.Vector {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	v, err := vector.Parse(string(text))
	require.NoError(t, err, file)
	return v
}

// seeds returns the payloads of all vectors of a kind, from the type byte on.
func seeds(t testing.TB, kind string) (payloads [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testdata, "vectors", "*.txt"))
	require.NoError(t, err)
	for _, file := range files {
		if v := load(t, file); v.Header["kind"] == kind {
			_, body, ok := proto.ParseHeader(v.Datagrams[0])
			require.True(t, ok, file)
			payloads = append(payloads, body)
		}
	}
	require.NotEmpty(t, payloads)
	return payloads
}

// vectorKinds decodes a vector of each kind into the content of its golden file.
var vectorKinds = map[string]func(*testing.T, *vector.Vector) any{
	"info":      infoVector,
	"players":   playersVector,
	"rules":     rulesVector,
	"a3sb":      a3sbVector,
	"master":    masterVector,
	"challenge": challengeVector,
}

// single returns the body of a vector that is one message.
func single(t *testing.T, v *vector.Vector) []byte {
	t.Helper()
	require.Len(t, v.Datagrams, 1)
	h, body, ok := proto.ParseHeader(v.Datagrams[0])
	require.True(t, ok)
	require.False(t, h.Split)
	return body
}

// text is bytes as JSON can carry them: a string if that loses nothing.
func text(b []byte) any {
	if utf8.Valid(b) {
		return string(b)
	}
	return map[string]string{"base64": base64.StdEncoding.EncodeToString(b)}
}

// message is err's text, or nil.
func message(err error) any {
	if err == nil {
		return nil
	}
	return err.Error()
}

type infoJSON struct {
	Error      any    `json:"error"`
	Format     string `json:"format"`
	Protocol   uint8  `json:"protocol"`
	Address    any    `json:"address"`
	Name       any    `json:"name"`
	Map        any    `json:"map"`
	Folder     any    `json:"folder"`
	Game       any    `json:"game"`
	AppID      uint32 `json:"app_id"`
	AppID16    uint16 `json:"app_id_16"`
	Players    uint8  `json:"players"`
	MaxPlayers uint8  `json:"max_players"`
	Bots       any    `json:"bots"`
	Actual     any    `json:"actual"`
	ServerType string `json:"server_type"`
	OS         string `json:"environment"`
	Visibility string `json:"visibility"`
	VAC        any    `json:"vac"`
	Ship       any    `json:"ship"`
	Version    any    `json:"version"`
	EDF        any    `json:"edf"`
	GamePort   any    `json:"game_port"`
	SteamID    any    `json:"steam_id"`
	Spectator  any    `json:"spectator"`
	Keywords   any    `json:"keywords"`
	GameID     any    `json:"game_id"`
	IsMod      uint8  `json:"is_mod"`
	Mod        any    `json:"mod"`
	Proxy      any    `json:"proxy"`
	Truncated  bool   `json:"truncated"`
	Missing    uint16 `json:"missing,omitempty"`
	Trailing   any    `json:"trailing"`
}

func infoVector(t *testing.T, v *vector.Vector) any {
	var i proto.Info
	err := i.Decode(single(t, v))
	j := infoJSON{
		Error: message(err), Format: i.Format.String(), Protocol: i.Protocol,
		Address: text(i.Address), Name: text(i.Name), Map: text(i.Map), Folder: text(i.Folder), Game: text(i.Game),
		AppID: i.AppID(), AppID16: i.AppID16, Players: i.Players, MaxPlayers: i.MaxPlayers,
		ServerType: i.ServerTypeName(), OS: i.OSName(), Visibility: i.VisibilityName(),
		Version: text(i.Version), IsMod: i.IsMod, Truncated: i.Truncated, Missing: uint16(i.Missing), Trailing: text(i.Trailing),
	}
	if i.BotsKnown {
		j.Bots = i.Bots
	}
	if players, maxPlayers, ok := i.ActualPlayers(); ok {
		j.Actual = map[string]int{"players": players, "max_players": maxPlayers}
	}
	if secured, known := i.VACSecured(); known {
		j.VAC = secured
	}
	if i.HasShip {
		j.Ship = i.Ship
	}
	if i.HasEDF {
		j.EDF = i.EDF
	}
	if i.Has(proto.EDFGamePort) {
		j.GamePort = i.GamePort
	}
	if i.Has(proto.EDFSteamID) {
		j.SteamID = strconv.FormatUint(i.SteamID, 10)
	}
	if i.Has(proto.EDFSpectator) {
		j.Spectator = map[string]any{"port": i.SpectatorPort, "name": text(i.SpectatorName)}
	}
	if i.Has(proto.EDFKeywords) {
		j.Keywords = text(i.Keywords)
	}
	if i.Has(proto.EDFGameID) {
		j.GameID = strconv.FormatUint(i.GameID, 10)
	}
	if i.HasMod {
		j.Mod = map[string]any{
			"link": text(i.Mod.Link), "download_link": text(i.Mod.DownloadLink), "hl_version": text(i.Mod.HLVersion),
			"version": i.Mod.Version, "size": i.Mod.Size, "type": i.Mod.Type, "dll": i.Mod.DLL,
		}
	}
	if i.HasProxyCounts {
		j.Proxy = map[string]int32{"spectators": i.ProxySpectators, "slots": i.ProxySlots}
	}
	return j
}

func playersVector(t *testing.T, v *vector.Vector) any {
	var p proto.PlayerList
	err := p.Decode(single(t, v))
	list := []any{}
	for _, e := range p.List {
		j := map[string]any{"index": e.Index, "name": text(e.Name), "score": e.Score}
		if d := float64(e.Duration); math.IsNaN(d) || math.IsInf(d, 0) {
			j["duration"] = strconv.FormatFloat(d, 'g', -1, 64)
		} else {
			j["duration"] = d
		}
		if p.Ship {
			j["deaths"], j["money"] = e.Deaths, e.Money
		}
		list = append(list, j)
	}
	return map[string]any{
		"error": message(err), "count": p.Count, "list": list, "ship": p.Ship,
		"truncated": p.Truncated, "trailing": text(p.Trailing),
	}
}

func pairs(list []proto.Rule) any {
	l := [][2]any{}
	for _, r := range list {
		l = append(l, [2]any{text(r.Name), text(r.Value)})
	}
	return l
}

func rulesVector(t *testing.T, v *vector.Vector) any {
	var l proto.RuleList
	err := l.Decode(single(t, v))
	return map[string]any{
		"error": message(err), "count": l.Count, "list": pairs(l.List),
		"truncated": l.Truncated, "trailing": text(l.Trailing),
	}
}

func a3sbVector(t *testing.T, v *vector.Vector) any {
	var l proto.RuleList
	require.NoError(t, l.Decode(single(t, v)))
	info, ok := map[string]*proto.Info{"unknown": nil, "arma3": {GameID: 107410}, "dayz": {GameID: 221100}}[v.Header["game"]]
	require.True(t, ok, "game: %q", v.Header["game"])
	block, rest, err := a3sb.Decode(l.List, info)
	out := map[string]any{"error": message(err), "block": nil, "rest": pairs(rest)}
	if block == nil {
		return out
	}
	mods := []any{}
	for _, m := range block.Mods {
		mods = append(mods, map[string]any{"hash": m.Hash, "id": strconv.FormatUint(m.ID, 10), "name": text(m.Name), "dlc": m.DLC})
	}
	signatures := []any{}
	for _, s := range block.Signatures {
		signatures = append(signatures, text(s))
	}
	b := map[string]any{
		"version": block.Version, "flags": block.Flags, "dlc": block.DLC, "dlc_hashes": block.DLCHashes,
		"difficulty": block.Difficulty, "mods": mods, "signatures": signatures, "description": nil,
		"trailing": text(block.Trailing),
	}
	if block.Truncated {
		b["truncated"] = true
	}
	if block.HasDescription {
		b["description"] = text(block.Description)
	}
	out["block"] = b
	return out
}

func masterVector(t *testing.T, v *vector.Vector) any {
	cfg := master.Config{Region: master.Everywhere, IPv6: v.Header["ipv6"] == "true"}
	if k := v.Header["key"]; k != "" {
		key, err := strconv.ParseUint(k, 16, 32)
		require.NoError(t, err)
		cfg.XashKey = uint32(key)
	}
	s, err := master.NewSession(cfg)
	require.NoError(t, err)
	type step struct {
		Request string           `json:"request"`
		Servers []netip.AddrPort `json:"servers"`
	}
	var steps []step
	now := proto.Time(0)
	for _, b := range v.Datagrams {
		require.False(t, s.Done())
		req, _ := s.Poll(nil, now)
		servers := s.HandleDatagram([]netip.AddrPort{}, b, now)
		steps = append(steps, step{strconv.Quote(string(req)), servers})
	}
	for !s.Done() { // nothing more comes
		_, now = s.Poll(nil, now)
	}
	reasons := []string{}
	for _, p := range s.Result().Incomplete {
		reasons = append(reasons, p.Reason)
	}
	return map[string]any{"steps": steps, "incomplete": reasons}
}

func challengeVector(t *testing.T, v *vector.Vector) any {
	c, ok := proto.ParseChallenge(single(t, v))
	require.True(t, ok)
	request := proto.KindInfo.AppendRequest(nil, c)
	require.True(t, bytes.Contains(v.Datagrams[0], request[25:]), "echoed byte for byte")
	return map[string]any{"challenge": uint32(c)}
}
