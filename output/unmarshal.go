package output

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
)

// Keys of a record, in the order of the line. The constants are places in the
// key sets.
const (
	keySchema = iota
	keySeq
	keyIP
	keyPort
	keyPortGiven
	keyInput
	keyTag
	keySource
	keyStatus
	keyError
	keyTimestamp
	keyDuration
	keyRTT
	keyAttempts
	keyPacketsSent
	keyPacketsReceived
	keyBytesReceived
	keyChallenged
	keyInfo
	keyPlayers
	keyRules
	keyRaw
)

var recordKeys = newKeySet("schema", "seq", "ip", "port", "port_given", "input", "tag", "source", "status", "error",
	"timestamp", "duration_ms", "rtt_ms", "attempts", "packets_sent", "packets_received", "bytes_received",
	"challenged", "info", "players", "rules", "raw")

// Keys that all sections have.
const (
	keySectionStatus = iota
	keySectionError
	keySectionAttempts
	keySectionRTT
	sectionKeys
)

// Keys of an INFO section.
const (
	keyFormat = iota + sectionKeys
	keyProtocol
	keyName
	keyMap
	keyFolder
	keyGame
	keyAppID
	keyInfoPlayers
	keyMaxPlayers
	keyBots
	keyServerType
	keyEnvironment
	keyVisibility
	keyVAC
	keyVersion
	keyEDF
	keyGamePort
	keySteamID
	keySpectatorPort
	keySpectatorName
	keyKeywords
	keyGameID
	keyShip
	keyAddress
	keyMod
	keyPlayersActual
	keyMaxPlayersActual
	keyInfoTruncated
)

var infoKeys = newKeySet("status", "error", "attempts", "rtt_ms", "format", "protocol", "name", "map", "folder", "game",
	"app_id", "players", "max_players", "bots", "server_type", "environment", "visibility", "vac", "version", "edf",
	"game_port", "steam_id", "spectator_port", "spectator_name", "keywords", "game_id", "ship", "address", "mod",
	"players_actual", "max_players_actual", "truncated")

var noInfoBytes = []byte(noInfo)

var shipKeys = newKeySet("mode", "witnesses", "duration_s")

var modKeys = newKeySet("link", "download_link", "hl_version", "version", "size", "type", "dll")

// Keys of the other sections.
const (
	keyCount = iota + sectionKeys
	keyTruncated
	keyList
	keyA3SB // rules only
)

var playersKeys = newKeySet("status", "error", "attempts", "rtt_ms", "count", "truncated", "list")

var playerKeys = newKeySet("index", "name", "score", "duration_s", "deaths", "money")

var rulesKeys = newKeySet("status", "error", "attempts", "rtt_ms", "count", "truncated", "list", "a3sb")

var ruleKeys = newKeySet("name", "value")

var a3sbKeys = newKeySet("version", "dlc", "difficulty", "mods", "signatures", "description", "truncated")

var a3sbModKeys = newKeySet("hash", "id", "name", "dlc")

var datagramKeys = newKeySet("t_ms", "dir", "b64")

// Unmarshal sets r to the record in line, which may be any JSON of the schema:
// with keys in any order, white space, other escapes and unknown keys, which it
// skips. Strings that have a _b64 key get their true bytes. Keys that are absent
// are taken as null, except schema, seq and status, without which a line is no
// record.
//
// It keeps no reference to line. It reuses the sections and slices of r, so copy
// what must outlive the next call; strings stay valid.
func Unmarshal(line []byte, r *Record) error {
	d := decoder{b: line}
	d.record(r)
	d.end()
	return d.err
}

// UnmarshalBrief sets r like [Unmarshal], for readers that only count the entries of lists, and much
// faster: the List of players has as many entries as there are, without content; rules and
// raw datagrams are left out, and the JSON of what is left out is not checked.
func (r *Record) UnmarshalBrief(line []byte) error {
	d := decoder{b: line, brief: true, seen: seenTexts.Get().(*texts)}
	defer seenTexts.Put(d.seen)
	d.record(r)
	d.end()
	return d.err
}

var seenTexts = sync.Pool{New: func() any { return new(texts) }}

// How AppendJSON spells the beginning of a player, the end of the players and the end of
// the rules: for UnmarshalBrief.
var (
	playerOpen = []byte(`{"index":`)
	playersEnd = []byte(`]},"rules":`)
	rulesEnd   = []byte(`],"a3sb":null},"raw":null}`)
)

// An exactSet has a bit for each key whose true bytes were read. The keys NAME
// and NAME_b64 may come in any order.
type exactSet uint64

// text reads the value of key n into *s and reports whether the value belongs to
// NAME and is not null.
func (d *decoder) text(n int, s *string, old string, exact *exactSet) bool {
	if n >= base64Key {
		if b, ok := d.base64(nil); ok {
			*s = string(b)
			*exact |= 1 << (n - base64Key)
		}
		return false
	}
	if d.null() {
		return false
	}
	if *exact&(1<<n) != 0 {
		d.bytes()
		return true
	}
	*s = d.string(old)
	return true
}

func (d *decoder) status(s *Status) {
	word := d.bytes()
	if d.err != nil {
		return
	}
	status, ok := parseStatus(string(word))
	if !ok {
		d.fail("unknown status %.40q", word)
	}
	*s = status
}

var (
	errNotRecord = errors.New("no record: it lacks schema, seq or status")
	errSchema    = errors.New("the record has another schema than 1")
)

func (d *decoder) record(r *Record) {
	old := *r
	*r = Record{Duration: NoRTT, RTT: NoRTT}
	var exact exactSet
	var ip netip.Addr
	var port uint16
	schema, seq, status := uint64(0), false, false
	n := d.member(recordKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(recordKeys, ',', n+1) {
		switch n {
		case keySchema:
			schema, _ = d.uint(1 << 53)
		case keySeq:
			r.Seq, seq = d.uint(1<<64 - 1)
		case keyIP:
			ip = d.ip()
		case keyPort:
			port = d.uint16()
		case keyPortGiven:
			r.PortGiven = d.uint16()
		case keyInput, keyInput + base64Key:
			d.text(n, &r.Input, old.Input, &exact)
		case keyTag, keyTag + base64Key:
			d.text(n, &r.Tag, old.Tag, &exact)
		case keySource:
			r.Source = d.source(old.Source)
		case keyStatus:
			d.status(&r.Status)
			status = true
		case keyError, keyError + base64Key:
			d.text(n, &r.Error, old.Error, &exact)
		case keyTimestamp:
			r.Time = d.time()
		case keyDuration:
			r.Duration = d.millis()
		case keyRTT:
			r.RTT = d.millis()
		case keyAttempts:
			r.Attempts = d.count()
		case keyPacketsSent:
			r.PacketsSent = d.count()
		case keyPacketsReceived:
			r.PacketsReceived = d.count()
		case keyBytesReceived:
			r.BytesReceived = int64(d.count())
		case keyChallenged:
			r.Challenged, _ = d.bool()
		case keyInfo:
			r.Info = d.info(old.Info)
		case keyPlayers:
			r.Players = d.players(old.Players)
		case keyRules:
			r.Rules = d.rules(old.Rules)
		case keyRaw:
			if d.brief {
				d.skip()
				continue
			}
			r.Raw = d.raw(old.Raw)
		default:
			d.skip()
		}
	}
	r.Addr = netip.AddrPortFrom(ip, port)
	switch {
	case d.err != nil:
	case schema == 0 || !seq || !status:
		d.err = errNotRecord
	case schema != SchemaVersion:
		d.err = errSchema
	}
}

// count reads a number of things.
func (d *decoder) count() int {
	n, _ := d.int(1<<53 - 1)
	return int(n)
}

func (d *decoder) uint16() uint16 {
	n, _ := d.uint(1<<16 - 1)
	return uint16(n)
}

func (d *decoder) uint8() uint8 {
	n, _ := d.uint(1<<8 - 1)
	return uint8(n)
}

func (d *decoder) uint32() uint32 {
	n, _ := d.uint(1<<32 - 1)
	return uint32(n)
}

func (d *decoder) int32() int32 {
	n, _ := d.int(1<<31 - 1)
	return int32(n)
}

// ip reads an address. null is the zero Addr.
func (d *decoder) ip() netip.Addr {
	if d.null() {
		return netip.Addr{}
	}
	text := d.bytes()
	if d.err != nil {
		return netip.Addr{}
	}
	if a, ok := parseIPv4(text); ok {
		return a
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil {
		d.fail("%.80q is no IP address", text)
	}
	return a.Unmap()
}

// parseIPv4 returns the address in b if that is a plain IPv4 address.
func parseIPv4(b []byte) (netip.Addr, bool) {
	var a [4]byte
	n, digits, at := 0, 0, 0
	for _, c := range b {
		switch {
		case c-'0' <= 9 && digits < 3 && (digits == 0 || n > 0): // no leading zero
			n = n*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && at < 3 && n <= 255:
			a[at] = byte(n)
			at++
			n, digits = 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if at != 3 || digits == 0 || n > 255 {
		return netip.Addr{}, false
	}
	a[3] = byte(n)
	return netip.AddrFrom4(a), true
}

// source reads an object as it is.
func (d *decoder) source(old []byte) []byte {
	if d.null() {
		return nil
	}
	d.peek()
	start := d.i
	d.object()
	if d.err != nil {
		return nil
	}
	return append(old[:0], d.b[start:d.i]...)
}

// section reads the value of key n if all sections have that key.
func (d *decoder) section(n int, s *Section, old *Section, exact *exactSet) bool {
	switch n {
	case keySectionStatus:
		d.status(&s.Status)
	case keySectionError, keySectionError + base64Key:
		d.text(n, &s.Error, old.Error, exact)
	case keySectionAttempts:
		s.Attempts = d.count()
	case keySectionRTT:
		s.RTT = d.millis()
	default:
		return false
	}
	return true
}

// info reads an INFO section into i, or a new one if that is nil.
func (d *decoder) info(i *Info) *Info {
	if d.null() {
		return nil
	}
	if i == nil {
		i = new(Info)
	}
	old := *i
	*i = Info{Section: Section{RTT: NoRTT}}
	var exact exactSet
	set := func(f InfoFields, there bool) {
		if there {
			i.Fields |= f
		}
	}
	number := func(f InfoFields, most uint64) uint64 {
		n, there := d.uint(most)
		set(f, there)
		return n
	}
	players := func(f InfoFields) int {
		n, there := d.int(1<<31 - 1)
		set(f, there)
		return int(n)
	}
	n := d.member(infoKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(infoKeys, ',', n+1) {
		if n&^base64Key < sectionKeys && d.section(n, &i.Section, &old.Section, &exact) {
			continue
		}
		switch n {
		case keyFormat:
			if d.i > len(`,"format":`) && bytes.HasPrefix(d.b[d.i-len(`,"format":`):], noInfoBytes) {
				d.i += len(noInfo) - len(`,"format":`) // as AppendJSON writes it without an answer
				return i
			}
			set(InfoFormat, d.text(n, &i.Format, old.Format, &exact))
		case keyProtocol:
			i.Protocol = uint8(number(InfoProtocol, 1<<8-1))
		case keyName, keyName + base64Key:
			set(InfoName, d.text(n, &i.Name, old.Name, &exact))
		case keyMap, keyMap + base64Key:
			set(InfoMap, d.text(n, &i.Map, old.Map, &exact))
		case keyFolder, keyFolder + base64Key:
			set(InfoFolder, d.text(n, &i.Folder, old.Folder, &exact))
		case keyGame, keyGame + base64Key:
			set(InfoGame, d.text(n, &i.Game, old.Game, &exact))
		case keyAppID:
			i.AppID = uint32(number(InfoAppID, 1<<32-1))
		case keyInfoPlayers:
			i.Players = players(InfoPlayers)
		case keyMaxPlayers:
			i.MaxPlayers = players(InfoMaxPlayers)
		case keyBots:
			i.Bots = players(InfoBots)
		case keyServerType:
			set(InfoServerType, d.text(n, &i.ServerType, old.ServerType, &exact))
		case keyEnvironment:
			set(InfoEnvironment, d.text(n, &i.Environment, old.Environment, &exact))
		case keyVisibility:
			set(InfoVisibility, d.text(n, &i.Visibility, old.Visibility, &exact))
		case keyVAC:
			var there bool
			i.VAC, there = d.bool()
			set(InfoVAC, there)
		case keyVersion, keyVersion + base64Key:
			set(InfoVersion, d.text(n, &i.Version, old.Version, &exact))
		case keyEDF:
			i.EDF = uint8(number(InfoEDF, 1<<8-1))
		case keyGamePort:
			i.GamePort = uint16(number(InfoGamePort, 1<<16-1))
		case keySteamID:
			var there bool
			i.SteamID, there = d.id()
			set(InfoSteamID, there)
		case keySpectatorPort:
			i.SpectatorPort = uint16(number(InfoSpectatorPort, 1<<16-1))
		case keySpectatorName, keySpectatorName + base64Key:
			set(InfoSpectatorName, d.text(n, &i.SpectatorName, old.SpectatorName, &exact))
		case keyKeywords, keyKeywords + base64Key:
			set(InfoKeywords, d.text(n, &i.Keywords, old.Keywords, &exact))
		case keyGameID:
			var there bool
			i.GameID, there = d.id()
			set(InfoGameID, there)
		case keyShip:
			i.Ship = d.ship(old.Ship)
		case keyAddress, keyAddress + base64Key:
			set(InfoAddress, d.text(n, &i.Address, old.Address, &exact))
		case keyMod:
			i.Mod = d.mod(old.Mod)
		case keyPlayersActual:
			i.PlayersActual = players(InfoPlayersActual)
		case keyMaxPlayersActual:
			i.MaxPlayersActual = players(InfoMaxPlayersActual)
		case keyInfoTruncated:
			i.Truncated, _ = d.bool()
		default:
			d.skip()
		}
	}
	return i
}

func (d *decoder) ship(s *Ship) *Ship {
	if d.null() {
		return nil
	}
	if s == nil {
		s = new(Ship)
	}
	*s = Ship{}
	n := d.member(shipKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(shipKeys, ',', n+1) {
		switch n {
		case 0:
			s.Mode = d.uint8()
		case 1:
			s.Witnesses = d.uint8()
		case 2:
			s.Duration = d.uint8()
		default:
			d.skip()
		}
	}
	return s
}

func (d *decoder) mod(m *Mod) *Mod {
	if d.null() {
		return nil
	}
	if m == nil {
		m = new(Mod)
	}
	old := *m
	*m = Mod{}
	var exact exactSet
	n := d.member(modKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(modKeys, ',', n+1) {
		switch n {
		case 0, 0 + base64Key:
			d.text(n, &m.Link, old.Link, &exact)
		case 1, 1 + base64Key:
			d.text(n, &m.DownloadLink, old.DownloadLink, &exact)
		case 2, 2 + base64Key:
			d.text(n, &m.HLVersion, old.HLVersion, &exact)
		case 3:
			m.Version = d.uint32()
		case 4:
			m.Size = d.uint32()
		case 5:
			m.Type = d.uint8()
		case 6:
			m.DLL = d.uint8()
		default:
			d.skip()
		}
	}
	return m
}

// players reads a PLAYER section into p, or a new one if that is nil.
func (d *decoder) players(p *Players) *Players {
	if d.null() {
		return nil
	}
	if p == nil {
		p = new(Players)
	}
	old := *p
	*p = Players{Section: Section{RTT: NoRTT}}
	spare := old.List
	if spare == nil {
		spare = old.spare
	}
	var exact exactSet
	n := d.member(playersKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(playersKeys, ',', n+1) {
		if n&^base64Key < sectionKeys && d.section(n, &p.Section, &old.Section, &exact) {
			continue
		}
		switch n {
		case keyCount:
			p.Count = d.count()
		case keyTruncated:
			p.Truncated, _ = d.bool()
		case keyList:
			p.List, p.Ship = nil, false
			if d.null() {
				continue
			}
			if p.List = spare[:0]; p.List == nil {
				p.List = []Player{}
			}
			if d.brief {
				n, ok := d.plainEntries(playerOpen, playersEnd)
				if !ok {
					n = d.entries()
				}
				p.List = slices.Grow(p.List, n)[:n]
				clear(p.List)
				continue
			}
			for first := true; d.element(first); first = false {
				p.List = append(p.List, Player{})
				last := &p.List[len(p.List)-1]
				if !d.plainPlayer(last) && d.player(last) {
					p.Ship = true
				}
			}
		default:
			d.skip()
		}
	}
	if p.List == nil {
		p.spare = spare
	}
	return p
}

// after reads text if it is next.
func (d *decoder) after(text string) bool {
	if len(d.b)-d.i < len(text) || string(d.b[d.i:d.i+len(text)]) != text {
		return false
	}
	d.i += len(text)
	return true
}

// plainPlayer reads a player that is spelled as AppendJSON spells it, with index 0,
// a name without escapes, and neither deaths nor money. It returns false, and reads
// nothing, if the player is another.
func (d *decoder) plainPlayer(p *Player) bool {
	const before, score, duration, rest = `{"index":0,"name":`, `,"score":`, `,"duration_s":`, `,"deaths":null,"money":null}`
	begin := d.i
	if d.after(before) {
		start, end, escaped := d.span()
		if !escaped && d.after(score) {
			p.Score = d.int32()
			if d.after(duration) {
				p.Duration = d.float32()
				if d.after(rest) {
					d.keepTail(start)
					p.Name = d.tail[start-d.tailAt : end-d.tailAt]
					return true
				}
			}
		}
	}
	if d.err == nil {
		*p, d.i = Player{}, begin
	}
	return false
}

// player reads one player and reports whether it has deaths or money.
func (d *decoder) player(p *Player) (ship bool) {
	p.Duration = float32(math.NaN())
	var exact, there bool
	n := d.member(playerKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(playerKeys, ',', n+1) {
		switch n {
		case 0:
			p.Index = d.uint8()
		case 1, 1 + base64Key:
			d.listText(n, &p.Name, &exact)
		case 2:
			p.Score = d.int32()
		case 3:
			p.Duration = d.float32()
		case 4, 5:
			var v int64
			v, there = d.int(1<<31 - 1)
			ship = ship || there
			if n == 4 {
				p.Deaths = int32(v)
			} else {
				p.Money = int32(v)
			}
		default:
			d.skip()
		}
	}
	return ship
}

// listText reads the value of key n, which is *s or its true bytes.
func (d *decoder) listText(n int, s *string, exact *bool) {
	switch {
	case n >= base64Key:
		if b, ok := d.base64(nil); ok {
			*s, *exact = string(b), true
		}
	case d.null():
	case *exact:
		d.bytes()
	default:
		*s = d.listString()
	}
}

// rules reads a RULES section into r, or a new one if that is nil.
func (d *decoder) rules(r *Rules) *Rules {
	if d.null() {
		return nil
	}
	if r == nil {
		r = new(Rules)
	}
	old := *r
	*r = Rules{Section: Section{RTT: NoRTT}}
	spare := old.List
	if spare == nil {
		spare = old.spare
	}
	var exact exactSet
	n := d.member(rulesKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(rulesKeys, ',', n+1) {
		if n&^base64Key < sectionKeys && d.section(n, &r.Section, &old.Section, &exact) {
			continue
		}
		switch n {
		case keyCount:
			r.Count = d.count()
		case keyTruncated:
			r.Truncated, _ = d.bool()
		case keyList:
			r.List = nil
			if d.null() {
				continue
			}
			if d.brief {
				// The entries are not counted, so the end is found from the end of the line.
				if end := len(d.b) - len(rulesEnd); end > d.i && d.b[d.i] == '[' && bytes.Equal(d.b[end:], rulesEnd) {
					d.i = end + 1
				} else {
					d.entries()
				}
				continue
			}
			if r.List = spare[:0]; r.List == nil {
				r.List = []Rule{}
			}
			for first := true; d.element(first); first = false {
				r.List = append(r.List, Rule{})
				if last := &r.List[len(r.List)-1]; !d.plainRule(last) {
					d.rule(last)
				}
			}
		case keyA3SB:
			if d.brief {
				d.skip()
				continue
			}
			r.A3SB = d.a3sb()
		default:
			d.skip()
		}
	}
	if r.List == nil {
		r.spare = spare
	}
	return r
}

// plainRule reads a rule that is spelled as AppendJSON spells it, without escapes
// and in ASCII. It returns false, and reads nothing, if the rule is another.
func (d *decoder) plainRule(r *Rule) bool {
	const before, between, after = `{"name":"`, `","value":"`, `"}`
	b, i := d.b, d.i
	if len(b)-i < len(before) || string(b[i:i+len(before)]) != before {
		return false
	}
	name := i + len(before)
	nameEnd := plainEnd(b, name)
	if len(b)-nameEnd < len(between) || string(b[nameEnd:nameEnd+len(between)]) != between {
		return false
	}
	value := nameEnd + len(between)
	valueEnd := plainEnd(b, value)
	if len(b)-valueEnd < len(after) || string(b[valueEnd:valueEnd+len(after)]) != after {
		return false
	}
	d.keepTail(name)
	r.Name = d.tail[name-d.tailAt : nameEnd-d.tailAt]
	r.Value = d.tail[value-d.tailAt : valueEnd-d.tailAt]
	d.i = valueEnd + len(after)
	return true
}

// plainEnd returns the place of the first byte at or after i that is not plain.
func plainEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if m := special8(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

func (d *decoder) rule(r *Rule) {
	var exact [2]bool
	n := d.member(ruleKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(ruleKeys, ',', n+1) {
		switch n {
		case 0, 0 + base64Key:
			d.listText(n, &r.Name, &exact[0])
		case 1, 1 + base64Key:
			d.listText(n, &r.Value, &exact[1])
		default:
			d.skip()
		}
	}
}

func (d *decoder) a3sb() *A3SB {
	if d.null() {
		return nil
	}
	b := new(A3SB)
	var exact bool
	var signatures [][]byte // those that have true bytes; nil for the others
	n := d.member(a3sbKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(a3sbKeys, ',', n+1) {
		switch n {
		case 0:
			b.Version = d.uint8()
		case 1:
			b.DLC = d.uint16()
		case 2:
			var v uint64
			v, b.HasDifficulty = d.uint(1<<16 - 1)
			b.Difficulty = uint16(v)
		case 3:
			b.Mods = nil
			if d.null() {
				continue
			}
			for first := true; d.element(first); first = false {
				b.Mods = append(b.Mods, A3SBMod{})
				d.a3sbMod(&b.Mods[len(b.Mods)-1])
			}
		case 4:
			b.Signatures = nil
			if d.null() {
				continue
			}
			for first := true; d.element(first); first = false {
				s := ""
				if !d.null() {
					s = d.listString()
				}
				b.Signatures = append(b.Signatures, s)
			}
		case 4 + base64Key:
			signatures = nil
			if d.null() {
				continue
			}
			for first := true; d.element(first); first = false {
				s, ok := d.base64([]byte{})
				if !ok {
					s = nil
				}
				signatures = append(signatures, s)
			}
		case 5, 5 + base64Key:
			if n == 5 {
				b.HasDescription = d.peek() != 'n'
			}
			d.listText(n, &b.Description, &exact)
		case 6:
			b.Truncated, _ = d.bool()
		default:
			d.skip()
		}
	}
	for i, s := range signatures {
		if s != nil && i < len(b.Signatures) {
			b.Signatures[i] = string(s)
		}
	}
	return b
}

func (d *decoder) a3sbMod(m *A3SBMod) {
	var exact bool
	n := d.member(a3sbModKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(a3sbModKeys, ',', n+1) {
		switch n {
		case 0:
			m.Hash = d.uint32()
		case 1:
			m.ID, _ = d.id()
		case 2, 2 + base64Key:
			d.listText(n, &m.Name, &exact)
		case 3:
			m.DLC, _ = d.bool()
		default:
			d.skip()
		}
	}
}

// raw reads the datagrams into list's memory.
func (d *decoder) raw(list []Datagram) []Datagram {
	if d.null() {
		return nil
	}
	if list = list[:0]; list == nil {
		list = []Datagram{}
	}
	for first := true; d.element(first); first = false {
		if len(list) < cap(list) {
			list = list[:len(list)+1] // with the memory of an earlier datagram
		} else {
			list = append(list, Datagram{})
		}
		d.datagram(&list[len(list)-1])
	}
	return list
}

func (d *decoder) datagram(g *Datagram) {
	*g = Datagram{Data: g.Data[:0]}
	n := d.member(datagramKeys, '{', 0)
	for ; n != noMoreKeys; n = d.member(datagramKeys, ',', n+1) {
		switch n {
		case 0:
			g.Time = max(d.millis(), 0)
		case 1:
			switch dir := d.bytes(); {
			case d.err != nil:
			case string(dir) == "tx":
				g.Sent = true
			case string(dir) == "rx":
				g.Sent = false
			default:
				d.fail("%.40q is neither tx nor rx", dir)
			}
		case 2:
			g.Data, _ = d.base64(g.Data[:0])
		default:
			d.skip()
		}
	}
}
