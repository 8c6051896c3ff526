package proto_test

import (
	"encoding/binary"
	"math"

	"github.com/a2scan/a2scan/proto"
)

// The encoders in this file are the decoders' oracle. A decoder may lose nothing: its
// result, encoded again, must be equal to the payload byte by byte. The encoders follow the
// protocol's tables and share no code with the decoders.

func appendText(b, s []byte) []byte { return append(append(b, s...), 0) }

func encodeInfo(i *proto.Info) []byte {
	switch i.Format {
	case proto.FormatGoldSource:
		return encodeGoldSource(i)
	case proto.FormatObsolete:
		return append(encodeOldBase('C', i).b, i.Trailing...)
	}
	w := cutWriter{b: []byte{'I'}, missing: i.Missing}
	w.bytes(proto.InfoProtocol, i.Protocol)
	w.text(0, i.Name)
	w.text(proto.InfoMap, i.Map)
	w.text(proto.InfoFolder, i.Folder)
	w.text(proto.InfoGame, i.Game)
	w.bytes(proto.InfoAppID, byte(i.AppID16), byte(i.AppID16>>8))
	w.bytes(proto.InfoPlayers, i.Players)
	w.bytes(proto.InfoMaxPlayers, i.MaxPlayers)
	w.bytes(proto.InfoBots, i.Bots)
	w.bytes(proto.InfoServerType, i.ServerType)
	w.bytes(proto.InfoOS, i.OS)
	w.bytes(proto.InfoVisibility, i.Visibility)
	if i.VACKnown {
		w.bytes(proto.InfoVAC, i.VAC)
	}
	if i.HasShip {
		w.bytes(0, i.Ship.Mode, i.Ship.Witnesses, i.Ship.Duration)
	}
	w.text(proto.InfoVersion, i.Version)
	b := w.b
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

// A cutWriter writes the base fields of an INFO reply and leaves out those that
// are missing.
type cutWriter struct {
	b       []byte
	missing proto.InfoFields
}

func (w *cutWriter) bytes(field proto.InfoFields, v ...byte) {
	if w.missing&field == 0 {
		w.b = append(w.b, v...)
	}
}

func (w *cutWriter) text(field proto.InfoFields, s []byte) {
	if w.missing&field == 0 {
		w.b = appendText(w.b, s)
	}
}

func encodeOldBase(typ byte, i *proto.Info) *cutWriter {
	w := &cutWriter{b: []byte{typ}, missing: i.Missing}
	w.text(0, i.Address)
	w.text(0, i.Name)
	w.text(proto.InfoMap, i.Map)
	w.text(proto.InfoFolder, i.Folder)
	w.text(proto.InfoGame, i.Game)
	w.bytes(proto.InfoPlayers, i.Players)
	w.bytes(proto.InfoMaxPlayers, i.MaxPlayers)
	w.bytes(proto.InfoProtocol, i.Protocol)
	return w
}

func encodeGoldSource(i *proto.Info) []byte {
	w := encodeOldBase('m', i)
	w.bytes(proto.InfoServerType, i.ServerType)
	w.bytes(proto.InfoOS, i.OS)
	w.bytes(proto.InfoVisibility, i.Visibility)
	w.bytes(proto.InfoIsMod, i.IsMod)
	if i.HasMod {
		w.text(0, i.Mod.Link)
		w.text(0, i.Mod.DownloadLink)
		w.text(0, i.Mod.HLVersion)
		w.bytes(0, binary.LittleEndian.AppendUint32(nil, i.Mod.Version)...)
		w.bytes(0, binary.LittleEndian.AppendUint32(nil, i.Mod.Size)...)
		w.bytes(0, i.Mod.Type, i.Mod.DLL)
	}
	w.bytes(proto.InfoVAC, i.VAC)
	b := w.b
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
