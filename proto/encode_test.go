package proto_test

import (
	"encoding/binary"
	"math"

	"github.com/a2scan/a2scan/proto"
)

// The encoders in this file are the decoders' oracle. A decoder may leave out
// nothing: what it says, written down again in the order of the protocol, must
// be the payload that it was given, to the byte. They are written from the
// protocol's tables and share no code with the decoders.

func appendText(b, s []byte) []byte { return append(append(b, s...), 0) }

func encodeInfo(i *proto.Info) []byte {
	switch i.Format {
	case proto.FormatGoldSource:
		return encodeGoldSource(i)
	case proto.FormatObsolete:
		b := encodeOldBase('C', i)
		return append(b, i.Trailing...)
	}
	b := []byte{'I', i.Protocol}
	for _, s := range [][]byte{i.Name, i.Map, i.Folder, i.Game} {
		b = appendText(b, s)
	}
	b = binary.LittleEndian.AppendUint16(b, i.AppID16)
	b = append(b, i.Players, i.MaxPlayers, i.Bots, i.ServerType, i.OS, i.Visibility)
	if i.VACKnown {
		b = append(b, i.VAC)
	}
	if i.HasShip {
		b = append(b, i.Ship.Mode, i.Ship.Witnesses, i.Ship.Duration)
	}
	b = appendText(b, i.Version)
	if i.HasEDF {
		b = append(b, i.EDF)
	}
	if i.Has(proto.EDFGamePort) {
		b = binary.LittleEndian.AppendUint16(b, i.GamePort)
	}
	if i.Has(proto.EDFSteamID) {
		b = binary.LittleEndian.AppendUint64(b, i.SteamID)
	}
	if i.Has(proto.EDFSpectator) {
		b = binary.LittleEndian.AppendUint16(b, i.SpectatorPort)
		b = appendText(b, i.SpectatorName)
	}
	if i.Has(proto.EDFKeywords) {
		b = appendText(b, i.Keywords)
	}
	if i.Has(proto.EDFGameID) {
		b = binary.LittleEndian.AppendUint64(b, i.GameID)
	}
	return append(b, i.Trailing...)
}

func encodeOldBase(typ byte, i *proto.Info) []byte {
	b := []byte{typ}
	for _, s := range [][]byte{i.Address, i.Name, i.Map, i.Folder, i.Game} {
		b = appendText(b, s)
	}
	return append(b, i.Players, i.MaxPlayers, i.Protocol)
}

func encodeGoldSource(i *proto.Info) []byte {
	b := encodeOldBase('m', i)
	b = append(b, i.ServerType, i.OS, i.Visibility, i.IsMod)
	if i.HasMod {
		b = appendText(b, i.Mod.Link)
		b = appendText(b, i.Mod.DownloadLink)
		b = appendText(b, i.Mod.HLVersion)
		b = binary.LittleEndian.AppendUint32(b, i.Mod.Version)
		b = binary.LittleEndian.AppendUint32(b, i.Mod.Size)
		b = append(b, i.Mod.Type, i.Mod.DLL)
	}
	b = append(b, i.VAC)
	if i.BotsKnown {
		b = append(b, i.Bots)
	}
	if i.HasProxyCounts {
		b = binary.LittleEndian.AppendUint32(b, uint32(i.ProxySpectators))
		b = binary.LittleEndian.AppendUint32(b, uint32(i.ProxySlots))
	}
	return append(b, i.Trailing...)
}

func encodePlayers(p *proto.PlayerList) []byte {
	b := []byte{'D', p.Count}
	for _, e := range p.List {
		b = append(b, e.Index)
		b = appendText(b, e.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(e.Score))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e.Duration))
	}
	if p.Ship {
		for _, e := range p.List {
			b = binary.LittleEndian.AppendUint32(b, uint32(e.Deaths))
			b = binary.LittleEndian.AppendUint32(b, uint32(e.Money))
		}
	}
	return append(b, p.Trailing...)
}

func encodeRules(l *proto.RuleList) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{'E'}, l.Count)
	for _, e := range l.List {
		b = appendText(b, e.Name)
		b = appendText(b, e.Value)
	}
	return append(b, l.Trailing...)
}
