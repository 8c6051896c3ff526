// Package reply turns decoded replies into the sections of a record.
//
// The strings of the sections share memory with the replies, so they change
// when that memory is reused.
package reply

import (
	"unsafe"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// text returns b as a string that shares its memory.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Fields that replies of all formats have, those that tell the kind of server,
// and those of Source replies only.
const (
	common = output.InfoFormat | output.InfoProtocol | output.InfoName | output.InfoMap | output.InfoFolder | output.InfoGame |
		output.InfoPlayers | output.InfoMaxPlayers
	letters = output.InfoServerType | output.InfoEnvironment | output.InfoVisibility
	source  = output.InfoAppID | output.InfoVersion
)

// Info sets the fields of dst, except its Section, to those of src.
func Info(dst *output.Info, src *proto.Info) {
	has := common
	*dst = output.Info{
		Section:    dst.Section,
		Format:     src.Format.String(),
		Protocol:   src.Protocol,
		Name:       text(src.Name),
		Map:        text(src.Map),
		Folder:     text(src.Folder),
		Game:       text(src.Game),
		Players:    int(src.Players),
		MaxPlayers: int(src.MaxPlayers),
		Truncated:  src.Truncated,
	}
	if src.BotsKnown {
		has |= output.InfoBots
		dst.Bots = int(src.Bots)
	}
	if src.Format != proto.FormatObsolete {
		has |= letters
		dst.ServerType = src.ServerTypeName()
		dst.Environment = src.OSName()
		dst.Visibility = src.VisibilityName()
	}
	if secured, known := src.VACSecured(); known {
		has |= output.InfoVAC
		dst.VAC = secured
	}
	if src.Format == proto.FormatSource {
		has |= source
		dst.AppID = src.AppID()
		dst.Version = text(src.Version)
	} else {
		has |= output.InfoAddress
		dst.Address = text(src.Address)
	}
	if src.Missing != 0 {
		has &^= drop(dst, src.Missing)
	}
	if src.HasEDF {
		has |= output.InfoEDF
		dst.EDF = src.EDF
		has |= extra(dst, src)
	}
	if src.HasShip {
		dst.Ship = &output.Ship{Mode: src.Ship.Mode, Witnesses: src.Ship.Witnesses, Duration: src.Ship.Duration}
	}
	if m := &src.Mod; src.HasMod {
		dst.Mod = &output.Mod{
			Link: text(m.Link), DownloadLink: text(m.DownloadLink), HLVersion: text(m.HLVersion),
			Version: m.Version, Size: m.Size, Type: m.Type, DLL: m.DLL,
		}
	}
	if players, most, ok := src.ActualPlayers(); ok {
		has |= output.InfoPlayersActual | output.InfoMaxPlayersActual
		dst.PlayersActual, dst.MaxPlayersActual = players, most
	}
	dst.Fields = has
}

// drop clears the fields of missing in dst, and returns them.
func drop(dst *output.Info, missing proto.InfoFields) (gone output.InfoFields) {
	clear := func(bit proto.InfoFields, f output.InfoFields, zero func()) {
		if missing.Has(bit) {
			gone |= f
			zero()
		}
	}
	clear(proto.InfoProtocol, output.InfoProtocol, func() { dst.Protocol = 0 })
	clear(proto.InfoMap, output.InfoMap, func() { dst.Map = "" })
	clear(proto.InfoFolder, output.InfoFolder, func() { dst.Folder = "" })
	clear(proto.InfoGame, output.InfoGame, func() { dst.Game = "" })
	clear(proto.InfoAppID, output.InfoAppID, func() { dst.AppID = 0 })
	clear(proto.InfoPlayers, output.InfoPlayers, func() { dst.Players = 0 })
	clear(proto.InfoMaxPlayers, output.InfoMaxPlayers, func() { dst.MaxPlayers = 0 })
	clear(proto.InfoBots, output.InfoBots, func() { dst.Bots = 0 })
	clear(proto.InfoServerType, output.InfoServerType, func() { dst.ServerType = "" })
	clear(proto.InfoOS, output.InfoEnvironment, func() { dst.Environment = "" })
	clear(proto.InfoVisibility, output.InfoVisibility, func() { dst.Visibility = "" })
	clear(proto.InfoVAC, output.InfoVAC, func() { dst.VAC = false })
	clear(proto.InfoVersion, output.InfoVersion, func() { dst.Version = "" })
	return gone
}

// extra sets the fields that the extra data flag announces, and returns them.
func extra(dst *output.Info, src *proto.Info) (has output.InfoFields) {
	if src.Has(proto.EDFGamePort) {
		has |= output.InfoGamePort
		dst.GamePort = src.GamePort
	}
	if src.Has(proto.EDFSteamID) {
		has |= output.InfoSteamID
		dst.SteamID = src.SteamID
	}
	if src.Has(proto.EDFSpectator) {
		has |= output.InfoSpectatorPort | output.InfoSpectatorName
		dst.SpectatorPort, dst.SpectatorName = src.SpectatorPort, text(src.SpectatorName)
	}
	if src.Has(proto.EDFKeywords) {
		has |= output.InfoKeywords
		dst.Keywords = text(src.Keywords)
	}
	if src.Has(proto.EDFGameID) {
		has |= output.InfoGameID
		dst.GameID = src.GameID
	}
	return has
}

// Players sets the fields of dst, except its Section, to those of src. It uses
// list for the entries and returns it, perhaps longer, for the next call.
func Players(dst *output.Players, src *proto.PlayerList, list []output.Player) []output.Player {
	if list = list[:0]; list == nil {
		list = []output.Player{}
	}
	for i := range src.List {
		p := &src.List[i]
		list = append(list, output.Player{
			Index: p.Index, Name: text(p.Name), Score: p.Score, Duration: p.Duration, Deaths: p.Deaths, Money: p.Money,
		})
	}
	*dst = output.Players{Section: dst.Section, Count: int(src.Count), Truncated: src.Truncated, Ship: src.Ship, List: list}
	return list
}

// Rules sets the fields of dst, except its Section, to those of src. The rules
// that carry a server-browser block become dst.A3SB; info is the INFO of the same server, or
// nil. If the block is damaged, dst is truncated. It uses list for the rules and returns
// it, perhaps longer, for the next call.
func Rules(dst *output.Rules, src *proto.RuleList, info *proto.Info, list []output.Rule) []output.Rule {
	block, rest, err := a3sb.Decode(src.List, info)
	if list = list[:0]; list == nil {
		list = []output.Rule{}
	}
	for i := range rest {
		list = append(list, output.Rule{Name: text(rest[i].Name), Value: text(rest[i].Value)})
	}
	*dst = output.Rules{Section: dst.Section, Count: int(src.Count), Truncated: src.Truncated || err != nil, List: list}
	if block != nil {
		dst.A3SB = A3SB(block)
	}
	return list
}

// A3SB returns the block b of a record.
func A3SB(b *a3sb.Block) *output.A3SB {
	out := &output.A3SB{
		Version: b.Version, DLC: b.DLC,
		Mods: make([]output.A3SBMod, len(b.Mods)), Signatures: make([]string, len(b.Signatures)),
		Description: text(b.Description), HasDescription: b.HasDescription,
		Truncated: b.Truncated,
	}
	if b.Difficulty != nil {
		out.Difficulty, out.HasDifficulty = b.Difficulty.Raw, true
	}
	for i := range b.Mods {
		m := &b.Mods[i]
		out.Mods[i] = output.A3SBMod{Hash: m.Hash, ID: m.ID, Name: text(m.Name), DLC: m.DLC}
	}
	for i, s := range b.Signatures {
		out.Signatures[i] = text(s)
	}
	return out
}
