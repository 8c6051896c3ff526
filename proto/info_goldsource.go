package proto

import "encoding/binary"

// The least that can follow the visibility byte of an 'm' reply with a mod
// block: is_mod itself, three empty strings, version, size, type and dll (14
// bytes), then vac and bots. Less than that is a reply that says is_mod and
// leaves the block out; those exist.
const (
	minModBlock = 1 + 3*1 + 4 + 4 + 1 + 1
	minModReply = minModBlock + 2
)

// hasModBlock reports whether b, which begins at is_mod, goes on with a mod
// block. One byte less than minModReply is enough where the strings are empty:
// that is HLTV, which has no bots byte.
func hasModBlock(b []byte) bool {
	if len(b) == 0 || b[0] != 1 {
		return false
	}
	return len(b) >= minModReply ||
		len(b) == minModReply-1 && b[1] == 0 && b[2] == 0 && b[3] == 0
}

// decodeGoldSource reads an 'm' reply: HLDS before 2008, HLDS plugins, and HLTV
// (ReHLDS SVC_Info; HLTV Proxy.cpp).
func (i *Info) decodeGoldSource(r *reader) error {
	if err := r.kind(KindInfo, TypeInfoGoldSource); err != nil {
		return err
	}
	i.Address = r.text("address")
	i.Name = r.text("name")
	i.Map = r.text("map")
	i.Folder = r.text("folder")
	i.Game = r.text("game")
	i.Players = r.u8("players")
	i.MaxPlayers = r.u8("max players")
	i.Protocol = r.u8("protocol")
	i.ServerType = r.u8("server type")
	i.OS = r.u8("environment")
	i.Visibility = r.u8("visibility")
	mod := hasModBlock(r.rest())
	i.IsMod = r.u8("is mod")
	if mod {
		i.decodeMod(r)
	}
	i.VAC = r.u8("vac")
	if err := r.err(KindInfo); err != nil {
		i.Truncated = true
		return err
	}
	i.VACKnown = true

	// HLTV ends here, without a bots byte. Where its spectators or slots do not
	// fit into the bytes above, it says both again as 32-bit numbers.
	switch rest := r.rest(); len(rest) {
	case 0:
	case 8:
		i.HasProxyCounts = true
		i.ProxySpectators = int32(binary.LittleEndian.Uint32(rest))
		i.ProxySlots = int32(binary.LittleEndian.Uint32(rest[4:]))
	default:
		i.Bots, i.BotsKnown = r.u8("bots"), true
		i.Trailing = r.rest()
	}
	return nil
}

// decodeMod reads the mod block. Its third string is a string, not the single
// zero byte that most readers skip: ReHLDS writes an empty one, HLTV its version
// (ruling D-6).
func (i *Info) decodeMod(r *reader) {
	i.Mod.Link = r.text("mod link")
	i.Mod.DownloadLink = r.text("mod download link")
	i.Mod.HLVersion = r.text("mod hl version")
	i.Mod.Version = r.u32("mod version")
	i.Mod.Size = r.u32("mod size")
	i.Mod.Type = r.u8("mod type")
	i.Mod.DLL = r.u8("mod dll")
	i.HasMod = r.failed == ""
}

// decodeObsolete reads a 'C' reply, which is older still. No server is known to
// send it any more.
func (i *Info) decodeObsolete(r *reader) error {
	if err := r.kind(KindInfo, TypeInfoObsolete); err != nil {
		return err
	}
	i.Address = r.text("address")
	i.Name = r.text("name")
	i.Map = r.text("map")
	i.Folder = r.text("folder")
	i.Game = r.text("game")
	i.Players = r.u8("players")
	i.MaxPlayers = r.u8("max players")
	i.Protocol = r.u8("protocol")
	if err := r.err(KindInfo); err != nil {
		i.Truncated = true
		return err
	}
	i.Trailing = r.rest()
	return nil
}
