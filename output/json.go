package output

import (
	"net/netip"
	"strconv"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// AppendJSON appends r as one line of JSON, newline included. The keys and
// their order are the same for every record: null stands where there is
// nothing. The one exception are the _b64 members, each of which follows a
// string that is not valid UTF-8 with its true bytes in standard base64.
//
// It allocates only to grow dst, keeps nothing of r, and a record cannot make
// it fail.
func AppendJSON(dst []byte, r *Record) []byte {
	dst = append(dst, `{"schema":`...)
	dst = strconv.AppendInt(dst, SchemaVersion, 10)
	dst = appendUint(dst, `,"seq":`, r.Seq)
	dst = appendAddr(dst, r.Addr)
	if r.Input == "" && r.Addr.Addr().IsValid() {
		dst = append(dst, `,"input":"`...)
		dst = appendAddrPort(dst, r.Addr)
		dst = append(dst, '"')
	} else {
		dst = appendOptional(dst, `,"input":`, r.Input, r.Input != "")
	}
	dst = appendOptional(dst, `,"tag":`, r.Tag, r.Tag != "")
	dst = appendWord(dst, `,"status":`, r.Status.String())
	dst = appendRecordError(dst, r)
	dst = append(dst, `,"timestamp":`...)
	dst = appendTime(dst, r.Time)
	dst = appendMillis(dst, `,"duration_ms":`, r.Duration)
	dst = appendMillis(dst, `,"rtt_ms":`, r.RTT)
	dst = appendInt(dst, `,"attempts":`, int64(r.Attempts))
	dst = appendInt(dst, `,"packets_sent":`, int64(r.PacketsSent))
	dst = appendInt(dst, `,"packets_received":`, int64(r.PacketsReceived))
	dst = appendInt(dst, `,"bytes_received":`, r.BytesReceived)
	dst = appendBool(dst, `,"challenged":`, r.Challenged)
	dst = append(dst, `,"info":`...)
	dst = AppendInfoJSON(dst, r.Info)
	dst = append(dst, `,"players":`...)
	dst = AppendPlayersJSON(dst, r.Players)
	dst = append(dst, `,"rules":`...)
	dst = AppendRulesJSON(dst, r.Rules)
	dst = appendRaw(dst, r.Raw)
	return append(dst, '}', '\n')
}

// appendAddr appends ip and port. A target whose name has no address may still
// have a port.
func appendAddr(dst []byte, ap netip.AddrPort) []byte {
	if !ap.Addr().IsValid() {
		dst = appendNull(dst, `,"ip":`)
		return appendOptionalUint(dst, `,"port":`, uint64(ap.Port()), ap.Port() != 0)
	}
	dst = append(dst, `,"ip":"`...)
	dst = appendIP(dst, ap.Addr())
	return appendUint(dst, `","port":`, uint64(ap.Port()))
}

// appendIP appends an address without quotes, IPv4 never in its mapped form. A
// zone is a name that somebody chose, and is escaped.
func appendIP(dst []byte, a netip.Addr) []byte {
	a = a.Unmap()
	zone := a.Zone()
	dst = a.WithZone("").AppendTo(dst)
	if zone != "" {
		dst = append(dst, '%')
		dst, _ = appendEscaped(dst, zone)
	}
	return dst
}

// appendAddrPort appends ip:port or [v6]:port without quotes.
func appendAddrPort(dst []byte, ap netip.AddrPort) []byte {
	if ap.Addr().Unmap().Is4() {
		dst = appendIP(dst, ap.Addr())
	} else {
		dst = append(dst, '[')
		dst = appendIP(dst, ap.Addr())
		dst = append(dst, ']')
	}
	dst = append(dst, ':')
	return strconv.AppendUint(dst, uint64(ap.Port()), 10)
}

// appendRecordError appends a record's error: null on success, its own words
// where it has some, else those of its sections, else those of its status.
func appendRecordError(dst []byte, r *Record) []byte {
	if r.Status == Success || r.Error != "" || !r.sectionsSayMore() {
		return appendError(dst, `,"error":`, r.Status, r.Error)
	}
	// Bytes lost here stand beside the section's own error.
	dst = append(dst, `,"error":"`...)
	start := len(dst)
	if r.Info != nil {
		dst = appendSectionWords(dst, start, "info: ", &r.Info.Section)
	}
	if r.Players != nil {
		dst = appendSectionWords(dst, start, "players: ", &r.Players.Section)
	}
	if r.Rules != nil {
		dst = appendSectionWords(dst, start, "rules: ", &r.Rules.Section)
	}
	return append(dst, '"')
}

// sectionsSayMore reports whether the errors of r's sections tell more than its
// status alone.
func (r *Record) sectionsSayMore() bool {
	switch r.Status {
	case Partial, Incomplete, ProtocolError:
		return r.Info != nil && r.Info.Status != Success ||
			r.Players != nil && r.Players.Status != Success ||
			r.Rules != nil && r.Rules.Status != Success
	}
	return false
}

// appendSectionWords appends a section's error to the list that began at start.
func appendSectionWords(dst []byte, start int, name string, s *Section) []byte {
	if s.Status == Success {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, "; "...)
	}
	dst = append(dst, name...)
	if s.Error == "" {
		return append(dst, s.Status.words()...)
	}
	dst, _ = appendEscaped(dst, s.Error)
	return dst
}

// appendError appends an error: null on success, and never null otherwise.
func appendError(dst []byte, key string, status Status, err string) []byte {
	if status == Success {
		return appendNull(dst, key)
	}
	if err == "" {
		return appendWord(dst, key, status.words())
	}
	return appendText(dst, key, err)
}

// appendSection appends what every section begins with, brace included.
func appendSection(dst []byte, s *Section) []byte {
	dst = appendWord(dst, `{"status":`, s.Status.String())
	dst = appendError(dst, `,"error":`, s.Status, s.Error)
	dst = appendInt(dst, `,"attempts":`, int64(s.Attempts))
	return appendMillis(dst, `,"rtt_ms":`, s.RTT)
}

// noInfo is what stands in an INFO section after its first members when there
// is no answer.
const noInfo = `,"format":null,"protocol":null,"name":null,"map":null,"folder":null,"game":null,"app_id":null` +
	`,"players":null,"max_players":null,"bots":null,"server_type":null,"environment":null,"visibility":null,"vac":null` +
	`,"version":null,"edf":null,"game_port":null,"steam_id":null,"spectator_port":null,"spectator_name":null` +
	`,"keywords":null,"game_id":null,"ship":null,"address":null,"mod":null` +
	`,"players_actual":null,"max_players_actual":null,"truncated":false}`

// AppendInfoJSON appends the value of a record's info member: an object, or
// null for a nil s. It has no newline.
func AppendInfoJSON(dst []byte, s *InfoSection) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	dst = appendSection(dst, &s.Section)
	if s.Data == nil {
		return append(dst, noInfo...)
	}
	i := s.Data
	source := i.Format == proto.FormatSource
	has := func(f proto.InfoFields) bool { return i.Missing&f == 0 }
	described := i.Format != proto.FormatObsolete // it tells what kind of server it is
	dst = appendWord(dst, `,"format":`, i.Format.String())
	dst = appendOptionalUint(dst, `,"protocol":`, uint64(i.Protocol), has(proto.InfoProtocol))
	dst = appendText(dst, `,"name":`, i.Name)
	dst = appendOptional(dst, `,"map":`, i.Map, has(proto.InfoMap))
	dst = appendOptional(dst, `,"folder":`, i.Folder, has(proto.InfoFolder))
	dst = appendOptional(dst, `,"game":`, i.Game, has(proto.InfoGame))
	dst = appendOptionalUint(dst, `,"app_id":`, uint64(i.AppID()), source && has(proto.InfoAppID))
	dst = appendOptionalUint(dst, `,"players":`, uint64(i.Players), has(proto.InfoPlayers))
	dst = appendOptionalUint(dst, `,"max_players":`, uint64(i.MaxPlayers), has(proto.InfoMaxPlayers))
	dst = appendOptionalUint(dst, `,"bots":`, uint64(i.Bots), i.BotsKnown)
	dst = appendOptionalWord(dst, `,"server_type":`, i.ServerTypeName(), described && has(proto.InfoServerType))
	dst = appendOptionalWord(dst, `,"environment":`, i.OSName(), described && has(proto.InfoOS))
	dst = appendOptionalWord(dst, `,"visibility":`, i.VisibilityName(), described && has(proto.InfoVisibility))
	if secured, known := i.VACSecured(); known {
		dst = appendBool(dst, `,"vac":`, secured)
	} else {
		dst = appendNull(dst, `,"vac":`)
	}
	dst = appendOptional(dst, `,"version":`, i.Version, source && has(proto.InfoVersion))
	dst = appendOptionalUint(dst, `,"edf":`, uint64(i.EDF), i.HasEDF)
	dst = appendExtra(dst, i)
	dst = appendShip(dst, i)
	dst = appendOptional(dst, `,"address":`, i.Address, !source)
	dst = appendMod(dst, i)
	players, maxPlayers, ok := i.ActualPlayers()
	dst = appendOptionalUint(dst, `,"players_actual":`, uint64(players), ok)
	dst = appendOptionalUint(dst, `,"max_players_actual":`, uint64(maxPlayers), ok)
	dst = appendBool(dst, `,"truncated":`, i.Truncated)
	return append(dst, '}')
}

// appendExtra appends the members that the extra data flag announces, null for
// those that never came.
func appendExtra(dst []byte, i *proto.Info) []byte {
	dst = appendOptionalUint(dst, `,"game_port":`, uint64(i.GamePort), i.Has(proto.EDFGamePort))
	dst = appendID(dst, `,"steam_id":`, i.SteamID, i.Has(proto.EDFSteamID))
	dst = appendOptionalUint(dst, `,"spectator_port":`, uint64(i.SpectatorPort), i.Has(proto.EDFSpectator))
	dst = appendOptional(dst, `,"spectator_name":`, i.SpectatorName, i.Has(proto.EDFSpectator))
	dst = appendOptional(dst, `,"keywords":`, i.Keywords, i.Has(proto.EDFKeywords))
	return appendID(dst, `,"game_id":`, i.GameID, i.Has(proto.EDFGameID))
}

func appendShip(dst []byte, i *proto.Info) []byte {
	if !i.HasShip {
		return appendNull(dst, `,"ship":`)
	}
	dst = appendUint(dst, `,"ship":{"mode":`, uint64(i.Ship.Mode))
	dst = appendUint(dst, `,"witnesses":`, uint64(i.Ship.Witnesses))
	dst = appendUint(dst, `,"duration_s":`, uint64(i.Ship.Duration))
	return append(dst, '}')
}

func appendMod(dst []byte, i *proto.Info) []byte {
	if !i.HasMod {
		return appendNull(dst, `,"mod":`)
	}
	dst = append(dst, `,"mod":`...)
	dst = appendText(dst, `{"link":`, i.Mod.Link)
	dst = appendText(dst, `,"download_link":`, i.Mod.DownloadLink)
	dst = appendText(dst, `,"hl_version":`, i.Mod.HLVersion)
	dst = appendUint(dst, `,"version":`, uint64(i.Mod.Version))
	dst = appendUint(dst, `,"size":`, uint64(i.Mod.Size))
	dst = appendUint(dst, `,"type":`, uint64(i.Mod.Type))
	dst = appendUint(dst, `,"dll":`, uint64(i.Mod.DLL))
	return append(dst, '}')
}

// AppendPlayersJSON appends the value of a record's players member: an object,
// or null for a nil s. It has no newline.
func AppendPlayersJSON(dst []byte, s *PlayersSection) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	dst = appendSection(dst, &s.Section)
	if s.Data == nil {
		return append(dst, `,"count":null,"truncated":false,"list":null}`...)
	}
	p := s.Data
	dst = appendUint(dst, `,"count":`, uint64(p.Count))
	dst = appendBool(dst, `,"truncated":`, p.Truncated)
	dst = append(dst, `,"list":[`...)
	for n := range p.List {
		player := &p.List[n]
		dst = appendUint(dst, `{"index":`, uint64(player.Index))
		dst = appendText(dst, `,"name":`, player.Name)
		dst = appendInt(dst, `,"score":`, int64(player.Score))
		dst = appendFloat(dst, `,"duration_s":`, player.Duration)
		if p.Ship {
			dst = appendInt(dst, `,"deaths":`, int64(player.Deaths))
			dst = appendInt(dst, `,"money":`, int64(player.Money))
		} else {
			dst = append(dst, `,"deaths":null,"money":null`...)
		}
		dst = append(dst, '}', ',')
	}
	return append(endList(dst), '}')
}

// AppendRulesJSON appends the value of a record's rules member: an object, or
// null for a nil s. It has no newline.
func AppendRulesJSON(dst []byte, s *RulesSection) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	dst = appendSection(dst, &s.Section)
	if s.Data == nil {
		dst = append(dst, `,"count":null,"truncated":false,"list":null`...)
	} else {
		dst = appendUint(dst, `,"count":`, uint64(s.Data.Count))
		dst = appendBool(dst, `,"truncated":`, s.Data.Truncated)
		dst = append(dst, `,"list":[`...)
		for n := range s.Data.List {
			dst = appendRule(dst, &s.Data.List[n])
		}
		dst = endList(dst)
	}
	dst = append(dst, `,"a3sb":`...)
	dst = appendA3SB(dst, s.A3SB)
	return append(dst, '}')
}

// appendRule appends a rule and a comma. A reply holds a hundred of them.
func appendRule(dst []byte, r *proto.Rule) []byte {
	dst = append(dst, `{"name":"`...)
	dst, lossy := appendEscaped(dst, r.Name)
	if lossy {
		dst = append(dst, `","name_b64":`...)
		dst = appendBase64(dst, r.Name)
		dst = append(dst, `,"value":"`...)
	} else {
		dst = append(dst, `","value":"`...)
	}
	if dst, lossy = appendEscaped(dst, r.Value); lossy {
		dst = append(dst, `","value_b64":`...)
		dst = appendBase64(dst, r.Value)
		return append(dst, `},`...)
	}
	return append(dst, `"},`...)
}

// endList ends a list whose elements are each followed by a comma.
func endList(dst []byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = ']'
		return dst
	}
	return append(dst, ']')
}

// appendA3SB appends the server-browser block. Its difficulty is the bit field
// as it was sent; Flags, whose meaning nobody knows, and the hashes of official
// DLC, one for each bit of the mask, are left out.
func appendA3SB(dst []byte, b *a3sb.Block) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	dst = appendUint(dst, `{"version":`, uint64(b.Version))
	dst = appendUint(dst, `,"dlc":`, uint64(b.DLC))
	if b.Difficulty != nil {
		dst = appendUint(dst, `,"difficulty":`, uint64(b.Difficulty.Raw))
	} else {
		dst = appendNull(dst, `,"difficulty":`)
	}
	dst = append(dst, `,"mods":[`...)
	for n := range b.Mods {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendUint(dst, `{"hash":`, uint64(b.Mods[n].Hash))
		dst = appendID(dst, `,"id":`, b.Mods[n].ID, true)
		dst = appendText(dst, `,"name":`, b.Mods[n].Name)
		dst = appendBool(dst, `,"dlc":`, b.Mods[n].DLC)
		dst = append(dst, '}')
	}
	dst = appendTexts(dst, `],"signatures":`, b.Signatures)
	dst = appendOptional(dst, `,"description":`, b.Description, b.HasDescription)
	dst = appendBool(dst, `,"truncated":`, b.Truncated)
	return append(dst, '}')
}

func appendRaw(dst []byte, raw []RawDatagram) []byte {
	if raw == nil {
		return appendNull(dst, `,"raw":`)
	}
	dst = append(dst, `,"raw":[`...)
	for n := range raw {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendMillis(dst, `{"t_ms":`, max(raw[n].At, 0))
		if raw[n].Sent {
			dst = append(dst, `,"dir":"tx","b64":`...)
		} else {
			dst = append(dst, `,"dir":"rx","b64":`...)
		}
		dst = appendBase64(dst, raw[n].Datagram)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
