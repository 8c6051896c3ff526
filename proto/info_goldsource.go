package proto

import "encoding/binary"

// minModBlock is the least that can follow an is_mod of 1 with a mod block: three
// empty strings, version, size, type and dll.
const minModBlock = 3*1 + 4 + 4 + 1 + 1

// modBlock looks at b, the bytes behind an is_mod of 1, and reports whether a mod
// block comes next, or the beginning of one that was cut off. Some servers set
// is_mod and leave the block out: then vac comes next.
func modBlock(b []byte) (there, cut bool) {
	empty := len(b) >= 3 && b[0] == 0 && b[1] == 0 && b[2] == 0 // the three strings
	switch {
	case len(b) >= minModBlock+2:
		return true, false
	case len(b) == minModBlock+1 && empty: // HLTV has no bots byte
		return true, false
	}
	return false, empty || len(b) > 0 && b[0] > 1 // no value of vac
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
	i.IsMod = r.u8("is mod")
	if i.IsMod == 1 {
		i.decodeMod(r)
	}
	i.VAC = r.u8("vac")
	if !r.ok() {
		return i.cut(r, goldSourceFields)
	}
	i.VACKnown = true

	// HLTV ends here, without a bots byte. If its spectators or slots do not fit into the
	// bytes above, it repeats both as 32-bit numbers.
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

// decodeMod reads the mod block, if there is one. Its third string is a string, not
// the single zero byte that most readers skip: ReHLDS writes an empty one, HLTV its
// version (ruling D-6).
func (i *Info) decodeMod(r *reader) {
	there, cut := modBlock(r.rest())
	if cut {
		r.fail("mod")
	}
	if !there {
		return
	}
	block := reader{b: r.b, off: r.off}
	m := Mod{
		Link:         block.text("mod link"),
		DownloadLink: block.text("mod download link"),
		HLVersion:    block.text("mod hl version"),
		Version:      block.u32("mod version"),
		Size:         block.u32("mod size"),
		Type:         block.u8("mod type"),
		DLL:          block.u8("mod dll"),
	}
	if !block.ok() {
		r.fail("mod")
		return
	}
	i.Mod, i.HasMod = m, true
	r.off = block.off
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
	if !r.ok() {
		return i.cut(r, obsoleteFields)
	}
	i.Trailing = r.rest()
	return nil
}
