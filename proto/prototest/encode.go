package prototest

import (
	"encoding/binary"
	"math"

	"github.com/a2scan/a2scan/proto"
)

// The encoders are the inverse of proto's decoders, written from the same text but not from
// the same code. They append a whole message with its FF FF FF FF, and write their
// arguments unchecked: names must not contain a NUL.

// le writes numbers: little-endian, as everything in A2S is.
var le = binary.LittleEndian

func appendHeader(dst []byte, typ byte) []byte { return append(dst, 0xFF, 0xFF, 0xFF, 0xFF, typ) }

func appendString(dst, s []byte) []byte { return append(append(dst, s...), 0) }

// AppendChallenge appends the nine bytes that hand out a token.
func AppendChallenge(dst []byte, token proto.Challenge) []byte {
	return le.AppendUint32(appendHeader(dst, proto.TypeChallenge), uint32(token))
}

// AppendPing appends the answer to a PING: 20 bytes of a Source server, 6 of a
// GoldSource one.
func AppendPing(dst []byte, goldSource bool) []byte {
	dst = appendHeader(dst, proto.TypePing)
	if !goldSource {
		dst = append(dst, "00000000000000"...)
	}
	return append(dst, 0)
}

// AppendInfo appends an INFO reply in the layout of i.Format. It leaves out the VAC byte
// without VACKnown (Source), the bots without BotsKnown and the mod without HasMod
// (GoldSource), and the EDF byte without HasEDF.
func AppendInfo(dst []byte, i *proto.Info) []byte {
	switch i.Format {
	case proto.FormatGoldSource:
		return appendInfoGoldSource(dst, i)
	case proto.FormatObsolete:
		dst = appendHeader(dst, proto.TypeInfoObsolete)
		dst = appendString(dst, i.Address)
		dst = appendPlace(dst, i)
		return append(dst, i.Players, i.MaxPlayers, i.Protocol)
	}
	dst = append(appendHeader(dst, proto.TypeInfo), i.Protocol)
	dst = appendPlace(dst, i)
	dst = le.AppendUint16(dst, i.AppID16)
	dst = append(dst, i.Players, i.MaxPlayers, i.Bots, i.ServerType, i.OS, i.Visibility)
	if i.VACKnown {
		dst = append(dst, i.VAC)
	}
	if i.HasShip {
		dst = append(dst, i.Ship.Mode, i.Ship.Witnesses, i.Ship.Duration)
	}
	dst = appendString(dst, i.Version)
	if i.HasEDF {
		dst = appendExtra(append(dst, i.EDF), i)
	}
	return append(dst, i.Trailing...)
}

// appendPlace appends the four strings that all layouts have in a row.
func appendPlace(dst []byte, i *proto.Info) []byte {
	dst = appendString(dst, i.Name)
	dst = appendString(dst, i.Map)
	dst = appendString(dst, i.Folder)
	return appendString(dst, i.Game)
}

// appendExtra appends the fields that the EDF byte announces, in the order of
// the wire, which is not that of the bits.
func appendExtra(dst []byte, i *proto.Info) []byte {
	if i.EDF&0x80 != 0 {
		dst = le.AppendUint16(dst, i.GamePort)
	}
	if i.EDF&0x10 != 0 {
		dst = le.AppendUint64(dst, i.SteamID)
	}
	if i.EDF&0x40 != 0 {
		dst = appendString(le.AppendUint16(dst, i.SpectatorPort), i.SpectatorName)
	}
	if i.EDF&0x20 != 0 {
		dst = appendString(dst, i.Keywords)
	}
	if i.EDF&0x01 != 0 {
		dst = le.AppendUint64(dst, i.GameID)
	}
	return dst
}

func appendInfoGoldSource(dst []byte, i *proto.Info) []byte {
	dst = appendHeader(dst, proto.TypeInfoGoldSource)
	dst = appendString(dst, i.Address)
	dst = appendPlace(dst, i)
	dst = append(dst, i.Players, i.MaxPlayers, i.Protocol, i.ServerType, i.OS, i.Visibility)
	dst = append(dst, i.IsMod)
	if i.HasMod {
		dst = appendString(dst, i.Mod.Link)
		dst = appendString(dst, i.Mod.DownloadLink)
		dst = appendString(dst, i.Mod.HLVersion)
		dst = le.AppendUint32(dst, i.Mod.Version)
		dst = le.AppendUint32(dst, i.Mod.Size)
		dst = append(dst, i.Mod.Type, i.Mod.DLL)
	}
	dst = append(dst, i.VAC)
	if i.BotsKnown {
		dst = append(dst, i.Bots)
	}
	if i.HasProxyCounts {
		dst = le.AppendUint32(dst, uint32(i.ProxySpectators))
		dst = le.AppendUint32(dst, uint32(i.ProxySlots))
	}
	return append(dst, i.Trailing...)
}

// AppendPlayers appends a PLAYER reply with p.Count as its count, for any length of the
// list. The Ship's block comes behind the list if p.Ship is set.
func AppendPlayers(dst []byte, p *proto.PlayerList) []byte {
	dst = append(appendHeader(dst, proto.TypePlayers), p.Count)
	for n := range p.List {
		e := &p.List[n]
		dst = appendString(append(dst, e.Index), e.Name)
		dst = le.AppendUint32(dst, uint32(e.Score))
		dst = le.AppendUint32(dst, math.Float32bits(e.Duration))
	}
	if p.Ship {
		for n := range p.List {
			dst = le.AppendUint32(dst, uint32(p.List[n].Deaths))
			dst = le.AppendUint32(dst, uint32(p.List[n].Money))
		}
	}
	return append(dst, p.Trailing...)
}

// AppendRules appends a RULES reply with r.Count as its count, for any length of the list.
func AppendRules(dst []byte, r *proto.RuleList) []byte {
	dst = le.AppendUint16(appendHeader(dst, proto.TypeRules), r.Count)
	for n := range r.List {
		dst = appendString(dst, r.List[n].Name)
		dst = appendString(dst, r.List[n].Value)
	}
	return append(dst, r.Trailing...)
}
