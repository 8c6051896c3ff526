package farm

import (
	"math"
	"strconv"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
	"github.com/a2scan/a2scan/proto/prototest"
)

// This file converts the truth into the form of a record. It is written from the
// description of the record, not from the encoder, so that the two check each other. A
// member is one of
//
//	nil        null
//	bool
//	int64      a whole number
//	string     a word of our own
//	text       a server's text: a string, and its bytes too if it is not UTF-8
//	float32    a duration of a server's
//	object     members by name
//	[]any      a list

// text is bytes of a server.
type text []byte

type object map[string]any

// optional is v, or null.
func optional(is bool, v any) any {
	if !is {
		return nil
	}
	return v
}

func number[T ~uint8 | ~uint16 | ~uint32 | ~int32 | ~int](n T) any { return int64(n) }

// id is a 64-bit number: a string, for the sake of JavaScript.
func id(n uint64) any { return strconv.FormatUint(n, 10) }

// letter returns the word for a letter in either case.
func letter(b byte, words map[byte]string) any {
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	if w, ok := words[b]; ok {
		return w
	}
	return "unknown"
}

var (
	serverTypes  = map[byte]string{'d': "dedicated", 'l': "listen", 'p': "proxy"}
	environments = map[byte]string{'l': "linux", 'w': "windows", 'm': "mac", 'o': "mac"}
	visibilities = map[byte]string{0: "public", 1: "private"}
)

// baseFields are the members that are null if their field was cut off.
var baseFields = map[proto.InfoFields]string{
	proto.InfoProtocol: "protocol", proto.InfoMap: "map", proto.InfoFolder: "folder", proto.InfoGame: "game",
	proto.InfoAppID: "app_id", proto.InfoPlayers: "players", proto.InfoMaxPlayers: "max_players", proto.InfoBots: "bots",
	proto.InfoServerType: "server_type", proto.InfoOS: "environment", proto.InfoVisibility: "visibility",
	proto.InfoVAC: "vac", proto.InfoVersion: "version",
}

// expectInfo returns the members of an INFO section beyond those that all
// sections have.
func expectInfo(t *prototest.InfoTruth) object {
	i := &t.Info
	source := i.Format == proto.FormatSource
	has := func(bit byte) bool { return i.HasEDF && i.EDF&^i.EDFMissing&bit != 0 }
	appID := int64(i.GameID & 0xFFFFFF)
	if !has(0x01) || appID == 0 {
		appID = int64(i.AppID16)
	}
	format := "goldsource"
	if source {
		format = "source"
	}
	o := object{
		"format":             format,
		"protocol":           number(i.Protocol),
		"name":               text(i.Name),
		"map":                text(i.Map),
		"folder":             text(i.Folder),
		"game":               text(i.Game),
		"app_id":             optional(source, appID),
		"players":            number(i.Players),
		"max_players":        number(i.MaxPlayers),
		"bots":               optional(i.BotsKnown, number(i.Bots)),
		"server_type":        letter(i.ServerType, serverTypes),
		"environment":        letter(i.OS, environments),
		"visibility":         letter(i.Visibility, visibilities),
		"vac":                optional(i.VACKnown, i.VAC == 1),
		"version":            optional(source, text(i.Version)),
		"edf":                optional(i.HasEDF, number(i.EDF)),
		"game_port":          optional(has(0x80), number(i.GamePort)),
		"steam_id":           optional(has(0x10), id(i.SteamID)),
		"spectator_port":     optional(has(0x40), number(i.SpectatorPort)),
		"spectator_name":     optional(has(0x40), text(i.SpectatorName)),
		"keywords":           optional(has(0x20), text(i.Keywords)),
		"game_id":            optional(has(0x01), id(i.GameID)),
		"ship":               optional(i.HasShip, object{"mode": number(i.Ship.Mode), "witnesses": number(i.Ship.Witnesses), "duration_s": number(i.Ship.Duration)}),
		"address":            optional(!source, text(i.Address)),
		"mod":                optional(i.HasMod, expectMod(&i.Mod)),
		"players_actual":     optional(t.HasActual, number(t.ActualPlayers)),
		"max_players_actual": optional(t.HasActual, number(t.ActualMaxPlayers)),
		"truncated":          i.Truncated,
	}
	if i.Missing != 0 {
		for bit, name := range baseFields {
			if i.Missing&bit != 0 {
				o[name] = nil
			}
		}
	}
	return o
}

func expectMod(m *proto.Mod) object {
	return object{
		"link": text(m.Link), "download_link": text(m.DownloadLink), "hl_version": text(m.HLVersion),
		"version": number(m.Version), "size": number(m.Size), "type": number(m.Type), "dll": number(m.DLL),
	}
}

func expectPlayers(p *proto.PlayerList) object {
	list := []any{}
	for n := range p.List {
		e := &p.List[n]
		list = append(list, object{
			"index": number(e.Index), "name": text(e.Name), "score": number(e.Score), "duration_s": expectDuration(e.Duration),
			"deaths": optional(p.Ship, number(e.Deaths)), "money": optional(p.Ship, number(e.Money)),
		})
	}
	return object{"count": number(p.Count), "truncated": p.Truncated, "list": list}
}

// expectDuration is null for values that are no number.
func expectDuration(d float32) any {
	if d64 := float64(d); math.IsNaN(d64) || math.IsInf(d64, 0) {
		return nil
	}
	return d
}

func expectRules(l *proto.RuleList, block *a3sb.Block) object {
	list := []any{}
	for n := range l.List {
		list = append(list, object{"name": text(l.List[n].Name), "value": text(l.List[n].Value)})
	}
	return object{"count": number(l.Count), "truncated": l.Truncated, "list": list, "a3sb": expectBlock(block)}
}

func expectBlock(b *a3sb.Block) any {
	if b == nil {
		return nil
	}
	mods := []any{}
	for n := range b.Mods {
		m := &b.Mods[n]
		mods = append(mods, object{"hash": number(m.Hash), "id": id(m.ID), "name": text(m.Name), "dlc": m.DLC})
	}
	signatures := []any{}
	for _, s := range b.Signatures {
		signatures = append(signatures, text(s))
	}
	var difficulty any
	if b.Difficulty != nil {
		difficulty = number(b.Difficulty.Raw)
	}
	return object{"version": number(b.Version), "dlc": number(b.DLC), "difficulty": difficulty, "mods": mods,
		"signatures": signatures, "description": optional(b.HasDescription, text(b.Description)), "truncated": b.Truncated}
}

// Members of a section that was not answered.
var (
	noPlayers = object{"count": nil, "truncated": false, "list": nil}
	noRules   = object{"count": nil, "truncated": false, "list": nil, "a3sb": nil}
	noInfo    = func() object {
		none := object{}
		for name := range expectInfo(&prototest.InfoTruth{}) {
			none[name] = nil
		}
		none["truncated"] = false
		return none
	}()
)
