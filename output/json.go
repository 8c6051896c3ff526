package output

import (
	"encoding/base64"
	"net/netip"
	"strconv"
)

// AppendJSON appends r as one line of JSON with its newline. Every record has
// the same keys in the same order; absent values are null. A string that is not
// valid UTF-8 is written with U+FFFD, and the key with _b64 appended follows
// with its true bytes in standard base64.
//
// It allocates only to grow dst and keeps no reference to r. The line is valid
// JSON whatever r holds.
func AppendJSON(dst []byte, r *Record) []byte {
	dst = append(dst, `{"schema":`...)
	dst = strconv.AppendInt(dst, SchemaVersion, 10)
	dst = appendUint(dst, `,"seq":`, r.Seq)
	dst = appendAddr(dst, r.Addr)
	dst = appendOptionalUint(dst, `,"port_given":`, uint64(r.PortGiven), r.PortGiven != 0)
	if r.Input == "" && r.Addr.Addr().IsValid() {
		dst = append(dst, `,"input":"`...)
		dst = appendAddrPort(dst, r.Target())
		dst = append(dst, '"')
	} else {
		dst = appendOptional(dst, `,"input":`, r.Input, r.Input != "")
	}
	dst = appendOptional(dst, `,"tag":`, r.Tag, r.Tag != "")
	dst = append(dst, `,"source":`...)
	dst = appendSource(dst, r.Source)
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
	dst = appendInfo(dst, r.Info)
	dst = append(dst, `,"players":`...)
	dst = appendPlayers(dst, r.Players)
	dst = append(dst, `,"rules":`...)
	dst = appendRules(dst, r.Rules)
	dst = appendRaw(dst, r.Raw)
	return append(dst, '}', '\n')
}

// appendAddr appends ip and port. A target whose name has no address may have a
// port.
func appendAddr(dst []byte, ap netip.AddrPort) []byte {
	if !ap.Addr().IsValid() {
		dst = appendNull(dst, `,"ip":`)
		return appendOptionalUint(dst, `,"port":`, uint64(ap.Port()), ap.Port() != 0)
	}
	dst = append(dst, `,"ip":"`...)
	dst = appendIP(dst, ap.Addr())
	return appendUint(dst, `","port":`, uint64(ap.Port()))
}

// appendIP appends an address without quotes, an IPv4-mapped one as IPv4. The
// zone is escaped: interface names can hold any byte.
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

// appendRecordError appends a record's error: null on success, else r.Error if
// it is set, else the errors of the sections, else a text for the status.
func appendRecordError(dst []byte, r *Record) []byte {
	if r.Status == Success || r.Error != "" || !r.sectionsSayMore() {
		return appendError(dst, `,"error":`, r.Status, r.Error)
	}
	// No error_b64: the section's own error_b64 has the true bytes.
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

// sectionsSayMore reports whether the errors of r's sections are more precise
// than its status.
func (r *Record) sectionsSayMore() bool {
	switch r.Status {
	case Partial, Incomplete, ProtocolError:
		return r.Info != nil && r.Info.Status != Success ||
			r.Players != nil && r.Players.Status != Success ||
			r.Rules != nil && r.Rules.Status != Success
	}
	return false
}

// appendSectionWords appends a section's error to the list that begins at start.
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

// appendSection appends the keys that all sections begin with, and the brace.
func appendSection(dst []byte, s *Section) []byte {
	dst = appendWord(dst, `{"status":`, s.Status.String())
	dst = appendError(dst, `,"error":`, s.Status, s.Error)
	dst = appendInt(dst, `,"attempts":`, int64(s.Attempts))
	return appendMillis(dst, `,"rtt_ms":`, s.RTT)
}

// noInfo is the rest of an INFO section without an answer.
const noInfo = `,"format":null,"protocol":null,"name":null,"map":null,"folder":null,"game":null,"app_id":null` +
	`,"players":null,"max_players":null,"bots":null,"server_type":null,"environment":null,"visibility":null,"vac":null` +
	`,"version":null,"edf":null,"game_port":null,"steam_id":null,"spectator_port":null,"spectator_name":null` +
	`,"keywords":null,"game_id":null,"ship":null,"address":null,"mod":null` +
	`,"players_actual":null,"max_players_actual":null,"truncated":false}`

// appendInfo appends an INFO section, or null for nil.
func appendInfo(dst []byte, i *Info) []byte {
	if i == nil {
		return append(dst, "null"...)
	}
	dst = appendSection(dst, &i.Section)
	if i.Fields == 0 && i.Ship == nil && i.Mod == nil && !i.Truncated {
		return append(dst, noInfo...)
	}
	has := i.Fields
	dst = appendOptionalWord(dst, `,"format":`, i.Format, has&InfoFormat != 0)
	dst = appendOptionalUint(dst, `,"protocol":`, uint64(i.Protocol), has&InfoProtocol != 0)
	dst = appendOptional(dst, `,"name":`, i.Name, has&InfoName != 0)
	dst = appendOptional(dst, `,"map":`, i.Map, has&InfoMap != 0)
	dst = appendOptional(dst, `,"folder":`, i.Folder, has&InfoFolder != 0)
	dst = appendOptional(dst, `,"game":`, i.Game, has&InfoGame != 0)
	dst = appendOptionalUint(dst, `,"app_id":`, uint64(i.AppID), has&InfoAppID != 0)
	dst = appendOptionalInt(dst, `,"players":`, i.Players, has&InfoPlayers != 0)
	dst = appendOptionalInt(dst, `,"max_players":`, i.MaxPlayers, has&InfoMaxPlayers != 0)
	dst = appendOptionalInt(dst, `,"bots":`, i.Bots, has&InfoBots != 0)
	dst = appendOptionalWord(dst, `,"server_type":`, i.ServerType, has&InfoServerType != 0)
	dst = appendOptionalWord(dst, `,"environment":`, i.Environment, has&InfoEnvironment != 0)
	dst = appendOptionalWord(dst, `,"visibility":`, i.Visibility, has&InfoVisibility != 0)
	if has&InfoVAC != 0 {
		dst = appendBool(dst, `,"vac":`, i.VAC)
	} else {
		dst = appendNull(dst, `,"vac":`)
	}
	dst = appendOptional(dst, `,"version":`, i.Version, has&InfoVersion != 0)
	dst = appendOptionalUint(dst, `,"edf":`, uint64(i.EDF), has&InfoEDF != 0)
	dst = appendOptionalUint(dst, `,"game_port":`, uint64(i.GamePort), has&InfoGamePort != 0)
	dst = appendID(dst, `,"steam_id":`, i.SteamID, has&InfoSteamID != 0)
	dst = appendOptionalUint(dst, `,"spectator_port":`, uint64(i.SpectatorPort), has&InfoSpectatorPort != 0)
	dst = appendOptional(dst, `,"spectator_name":`, i.SpectatorName, has&InfoSpectatorName != 0)
	dst = appendOptional(dst, `,"keywords":`, i.Keywords, has&InfoKeywords != 0)
	dst = appendID(dst, `,"game_id":`, i.GameID, has&InfoGameID != 0)
	dst = appendShip(dst, i.Ship)
	dst = appendOptional(dst, `,"address":`, i.Address, has&InfoAddress != 0)
	dst = appendMod(dst, i.Mod)
	dst = appendOptionalInt(dst, `,"players_actual":`, i.PlayersActual, has&InfoPlayersActual != 0)
	dst = appendOptionalInt(dst, `,"max_players_actual":`, i.MaxPlayersActual, has&InfoMaxPlayersActual != 0)
	dst = appendBool(dst, `,"truncated":`, i.Truncated)
	return append(dst, '}')
}

func appendShip(dst []byte, s *Ship) []byte {
	if s == nil {
		return appendNull(dst, `,"ship":`)
	}
	dst = appendUint(dst, `,"ship":{"mode":`, uint64(s.Mode))
	dst = appendUint(dst, `,"witnesses":`, uint64(s.Witnesses))
	dst = appendUint(dst, `,"duration_s":`, uint64(s.Duration))
	return append(dst, '}')
}

func appendMod(dst []byte, m *Mod) []byte {
	if m == nil {
		return appendNull(dst, `,"mod":`)
	}
	dst = append(dst, `,"mod":`...)
	dst = appendText(dst, `{"link":`, m.Link)
	dst = appendText(dst, `,"download_link":`, m.DownloadLink)
	dst = appendText(dst, `,"hl_version":`, m.HLVersion)
	dst = appendUint(dst, `,"version":`, uint64(m.Version))
	dst = appendUint(dst, `,"size":`, uint64(m.Size))
	dst = appendUint(dst, `,"type":`, uint64(m.Type))
	dst = appendUint(dst, `,"dll":`, uint64(m.DLL))
	return append(dst, '}')
}

// appendPlayers appends a PLAYER section, or null for nil.
func appendPlayers(dst []byte, p *Players) []byte {
	if p == nil {
		return append(dst, "null"...)
	}
	dst = appendSection(dst, &p.Section)
	dst = appendOptionalInt(dst, `,"count":`, p.Count, p.List != nil)
	dst = appendBool(dst, `,"truncated":`, p.Truncated)
	if p.List == nil {
		return append(dst, `,"list":null}`...)
	}
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

// appendRules appends a RULES section, or null for nil.
func appendRules(dst []byte, r *Rules) []byte {
	if r == nil {
		return append(dst, "null"...)
	}
	dst = appendSection(dst, &r.Section)
	dst = appendOptionalInt(dst, `,"count":`, r.Count, r.List != nil)
	dst = appendBool(dst, `,"truncated":`, r.Truncated)
	if r.List == nil {
		dst = append(dst, `,"list":null`...)
	} else {
		dst = append(dst, `,"list":[`...)
		for n := range r.List {
			dst = appendRule(dst, &r.List[n])
		}
		dst = endList(dst)
	}
	dst = append(dst, `,"a3sb":`...)
	dst = appendA3SB(dst, r.A3SB)
	return append(dst, '}')
}

// appendRule appends a rule and a comma. A reply holds a hundred of them.
func appendRule(dst []byte, r *Rule) []byte {
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

// appendA3SB appends the server-browser block, or null for nil.
func appendA3SB(dst []byte, b *A3SB) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	dst = appendUint(dst, `{"version":`, uint64(b.Version))
	dst = appendUint(dst, `,"dlc":`, uint64(b.DLC))
	dst = appendOptionalUint(dst, `,"difficulty":`, uint64(b.Difficulty), b.HasDifficulty)
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

func appendRaw(dst []byte, raw []Datagram) []byte {
	if raw == nil {
		return appendNull(dst, `,"raw":`)
	}
	dst = append(dst, `,"raw":[`...)
	for n := range raw {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendMillis(dst, `{"t_ms":`, max(raw[n].Time, 0))
		if raw[n].Sent {
			dst = append(dst, `,"dir":"tx","b64":`...)
		} else {
			dst = append(dst, `,"dir":"rx","b64":`...)
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, raw[n].Data)
		dst = append(dst, '"')
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
