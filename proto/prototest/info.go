package prototest

import "github.com/a2scan/a2scan/proto"

// An infoReply is an INFO reply and the values that a record of it must have.
type infoReply struct {
	info proto.Info
	// actual and actualMax are the counts that the keywords carry; valid with
	// hasActual.
	actual, actualMax int
	hasActual         bool
	drop              int // bytes that the server leaves off the end
}

// info draws the INFO reply of s in the format 'I', or with goldSource 'm'.
func (s *Server) info(sc *scratch, goldSource bool) infoReply {
	g := s.game()
	pop := s.population(g)
	r := s.stream(aspectInfo)
	i := proto.Info{
		Protocol:   g.protocol,
		Name:       sc.serverName(&r),
		Map:        sc.word(g.maps[r.Below(4)]),
		Folder:     sc.word(g.folder),
		Game:       sc.word(g.name),
		Players:    clamp(pop.said),
		MaxPlayers: clamp(pop.max),
		Bots:       uint8(pop.bots),
		BotsKnown:  true,
		ServerType: 'd',
		OS:         'l',
		VAC:        1,
		VACKnown:   true,
		Version:    sc.word(g.version),
	}
	x := r.Uint64()
	if x%8 == 0 {
		i.ServerType = "dlpDLP\x00x"[x>>8%8]
	}
	if x>>16%2 == 0 {
		i.OS = "lwmoLWMO\x00?wwwwww"[x>>20%16]
	}
	if x>>24%8 == 0 {
		i.Visibility = "\x01\x01\x01\x02"[x>>28%4]
	}
	if x>>32%4 == 0 {
		i.VAC = 0
	}
	if x>>36%16 == 0 {
		i.Game = sc.word(hostile[x>>40%uint64(len(hostile))])
	}
	if goldSource {
		s.infoGoldSource(sc, &r, &i)
		return infoReply{info: i}
	}
	if g.app < 1<<16 {
		i.AppID16 = uint16(g.app)
	}
	reply := infoReply{}
	s.extra(sc, &r, g, &i)
	switch g.kind {
	case theShip:
		i.HasShip = true
		i.Ship = proto.Ship{Mode: uint8(r.Below(6)), Witnesses: uint8(r.Below(5)), Duration: uint8(r.Below(30))}
	case rust:
		i.Players, i.MaxPlayers = uint8(pop.players), uint8(pop.max)
		i.Keywords = sc.rustKeywords(&r, pop)
		reply.hasActual, reply.actual, reply.actualMax = true, pop.players, pop.max
	}
	if s.Does.Has(Truncate) {
		c := s.stream(aspectCut)
		if reply.drop = 1 + c.Below(extraLen(&i)); c.oneIn(2) {
			reply.drop = 1 + c.Below(afterName(&i))
		}
	}
	reply.info = i
	return reply
}

// extra draws the EDF byte and its fields. Most servers send 0xB1: port, SteamID, keywords
// and game id.
func (s *Server) extra(sc *scratch, r *Rand, g *game, i *proto.Info) {
	i.HasEDF, i.EDF = true, 0xB1
	x := r.Uint64()
	whole := s.Does.Has(Truncate) // something to cut must be there, and not be zero
	switch x % 16 {
	case 0, 1:
		i.EDF = 0xF1
	case 2:
		i.EDF = 0x91
	case 3:
		if g.kind == ordinary && !whole {
			i.EDF = "\x00\x01\x20\x80"[x>>8%4]
		}
	case 4:
		if g.app < 1<<16 && !whole {
			i.HasEDF, i.EDF = false, 0
		}
	}
	if g.kind == theShip && x>>4%2 == 0 && !whole {
		i.HasEDF, i.EDF = false, 0
	}
	if g.kind == rust {
		i.EDF = 0xB1
	}
	if i.EDF&0x80 != 0 {
		i.GamePort = s.At.Port
		if x>>12%4 == 0 || i.GamePort == 0 {
			i.GamePort = uint16(x>>16) | 1
		}
	}
	if i.EDF&0x10 != 0 {
		i.SteamID = 90071992547409920 + x>>20
		if x>>16%64 == 0 {
			i.SteamID = 1<<64 - 1
		}
	}
	if i.EDF&0x40 != 0 {
		i.SpectatorPort = 27020
		i.SpectatorName = sc.word("SourceTV \x02relay")
	}
	if i.EDF&0x20 != 0 {
		i.Keywords = sc.word(g.keywords)
		if len(i.Keywords) == 0 && whole {
			i.Keywords = sc.word("empty,secure")
		} else if x>>24%32 == 0 && !whole && g.kind == ordinary {
			i.Keywords = sc.word(hostile[x>>32%uint64(len(hostile))])
		}
	}
	if i.EDF&0x01 != 0 {
		i.GameID = uint64(g.app)
		if x>>40%32 == 0 { // a mod of the game: more than the low 24 bits
			i.GameID |= 1<<24 | (x>>32|1<<31)<<32
		}
	}
	// Quirks that a reader can only recognize in a whole reply.
	if i.HasEDF && !whole && !s.Does.Has(Ship) {
		switch x >> 48 % 128 {
		case 0: // a DayZ clone leaves out the VAC byte
			i.VAC, i.VACKnown = 0, false
		case 1, 2:
			i.Trailing = sc.word("\x00new\xff")
		}
	}
}

// extraLen returns the bytes that follow the EDF byte.
func extraLen(i *proto.Info) int {
	n := 0
	if i.EDF&0x80 != 0 {
		n += 2
	}
	if i.EDF&0x10 != 0 {
		n += 8
	}
	if i.EDF&0x40 != 0 {
		n += 2 + len(i.SpectatorName) + 1
	}
	if i.EDF&0x20 != 0 {
		n += len(i.Keywords) + 1
	}
	if i.EDF&0x01 != 0 {
		n += 8
	}
	return n
}

// rustKeywords writes the tags in which Rust hides its true counts.
func (s *scratch) rustKeywords(r *Rand, p population) []byte {
	m := s.mark()
	s.add("mp")
	s.addInt(p.max)
	s.add(",cp")
	s.addInt(p.players)
	s.add(",qp0,v2577,h")
	s.addHex(r.Uint64() >> 32)
	s.add(",stok,born1731600000,gmrust,oxide,modded")
	return s.since(m)
}

// infoGoldSource makes i a reply of HLDS before 2008, or of a relay of today.
func (s *Server) infoGoldSource(sc *scratch, r *Rand, i *proto.Info) {
	i.Format = proto.FormatGoldSource
	i.Protocol--
	i.Version = nil
	m := sc.mark()
	if r.oneIn(8) {
		sc.add("LOOPBACK")
	} else {
		sc.text = s.At.AddrPort().AppendTo(sc.text)
	}
	i.Address = sc.since(m)
	switch r.Below(16) {
	case 0, 1, 2, 3: // the game itself
	case 4: // a modification that is not described
		i.IsMod = 1
	default:
		i.IsMod, i.HasMod = 1, true
		i.Mod = proto.Mod{Version: 1, Size: uint32(r.Below(2)) * 184000000, Type: uint8(r.Below(2)), DLL: uint8(r.Below(2))}
		if r.oneIn(2) {
			i.Mod.Link = sc.word("www.counter-strike.net")
			i.Mod.DownloadLink = sc.word("ftp://example.net/cs.zip")
		}
	}
	if s.engine() == engineHLTV {
		i.ServerType = 'p'
		i.Bots, i.BotsKnown = 0, false
		if i.HasMod {
			i.Mod.HLVersion = sc.word("1.1.2.0/2834")
		}
		if r.oneIn(4) {
			i.Players, i.MaxPlayers = 255, 255
			i.HasProxyCounts = true
			i.ProxySpectators, i.ProxySlots = 255+int32(r.Below(500)), 1000
		}
	}
}

// A wireField is one field behind the server's name, in the order of the wire: the
// bytes it takes, and how a reader's Info changes if it did not come whole.
type wireField struct {
	size int
	lose func(*proto.Info)
}

// fields returns the fields behind the name of an 'I' reply.
func fields(i *proto.Info) []wireField {
	missing := func(bit proto.InfoFields, zero func(*proto.Info)) func(*proto.Info) {
		return func(i *proto.Info) { i.Missing |= bit; zero(i) }
	}
	list := []wireField{
		{len(i.Map) + 1, missing(proto.InfoMap, func(i *proto.Info) { i.Map = nil })},
		{len(i.Folder) + 1, missing(proto.InfoFolder, func(i *proto.Info) { i.Folder = nil })},
		{len(i.Game) + 1, missing(proto.InfoGame, func(i *proto.Info) { i.Game = nil })},
		{2, missing(proto.InfoAppID, func(i *proto.Info) { i.AppID16 = 0 })},
		{1, missing(proto.InfoPlayers, func(i *proto.Info) { i.Players = 0 })},
		{1, missing(proto.InfoMaxPlayers, func(i *proto.Info) { i.MaxPlayers = 0 })},
		{1, missing(proto.InfoBots, func(i *proto.Info) { i.Bots, i.BotsKnown = 0, false })},
		{1, missing(proto.InfoServerType, func(i *proto.Info) { i.ServerType = 0 })},
		{1, missing(proto.InfoOS, func(i *proto.Info) { i.OS = 0 })},
		{1, missing(proto.InfoVisibility, func(i *proto.Info) { i.Visibility = 0 })},
		{1, missing(proto.InfoVAC, func(i *proto.Info) { i.VAC, i.VACKnown = 0, false })},
	}
	if i.HasShip {
		list = append(list, wireField{3, func(i *proto.Info) { i.HasShip, i.Ship = false, proto.Ship{} }})
	}
	list = append(list,
		wireField{len(i.Version) + 1, missing(proto.InfoVersion, func(i *proto.Info) { i.Version = nil })},
		wireField{1, func(i *proto.Info) { i.HasEDF, i.EDF = false, 0 }})
	for _, f := range []struct {
		bit  byte
		size int
		zero func(*proto.Info)
	}{
		{0x80, 2, func(i *proto.Info) { i.GamePort = 0 }},
		{0x10, 8, func(i *proto.Info) { i.SteamID = 0 }},
		{0x40, 2 + len(i.SpectatorName) + 1, func(i *proto.Info) { i.SpectatorPort, i.SpectatorName = 0, nil }},
		{0x20, len(i.Keywords) + 1, func(i *proto.Info) { i.Keywords = nil }},
		{0x01, 8, func(i *proto.Info) { i.GameID = 0 }},
	} {
		if i.EDF&f.bit != 0 {
			list = append(list, wireField{f.size, func(i *proto.Info) { i.EDFMissing |= f.bit & i.EDF; f.zero(i) }})
		}
	}
	return list
}

// afterName returns the bytes behind the name of an 'I' reply.
func afterName(i *proto.Info) int {
	n := len(i.Map) + 1 + len(i.Folder) + 1 + len(i.Game) + 1 + 2 + 7 + len(i.Version) + 1
	if i.HasShip {
		n += 3
	}
	if i.HasEDF {
		n += 1 + extraLen(i)
	}
	return n
}

// whole returns the reply as a perfect reader decodes it: fields that did not come
// whole are zero and named by Missing and EDFMissing.
func (reply *infoReply) whole() proto.Info {
	i := reply.info
	if reply.drop == 0 {
		return i
	}
	left := afterName(&reply.info) - reply.drop
	for _, f := range fields(&reply.info) {
		left -= f.size
		if left < 0 {
			f.lose(&i)
		}
	}
	i.Truncated = i.Missing != 0 || i.EDFMissing != 0 // not if the EDF byte is the first that is missing
	return i
}
