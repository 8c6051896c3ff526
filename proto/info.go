package proto

import "bytes"

// appTheShip is the app id whose INFO has three bytes more.
const appTheShip = 2400

// A Format says which of the three INFO layouts a reply had.
type Format uint8

// The INFO layouts.
const (
	FormatSource     Format = iota // 'I': Source, and all GoldSource servers of today
	FormatGoldSource               // 'm': GoldSource before 2008, and HLTV
	FormatObsolete                 // 'C': older still
)

// String returns the format's name as records spell it: source, goldsource,
// obsolete.
func (f Format) String() string {
	switch f {
	case FormatSource:
		return "source"
	case FormatGoldSource:
		return "goldsource"
	case FormatObsolete:
		return "obsolete"
	}
	return "unknown"
}

// Info is a decoded INFO reply of any format. Slices alias the decoded payload; copy them
// to keep them. Text is bytes as sent and may not be UTF-8. Fields that a format lacks are
// zero.
type Info struct {
	Format     Format
	Protocol   uint8
	Address    []byte // GoldSource and obsolete: "ip:port" as the server sees itself
	Name       []byte
	Map        []byte
	Folder     []byte
	Game       []byte
	AppID16    uint16 // Source; 0 if the id needs more than 16 bits
	Players    uint8  // wraps or clamps at 256 on some games: see ActualPlayers
	MaxPlayers uint8
	Bots       uint8
	BotsKnown  bool // HLTV sends none
	ServerType byte // the raw letter: d, l, p in either case, or anything
	OS         byte // the raw letter: l, w, m, o in either case, or anything
	Visibility byte // 1: password
	VAC        byte // 1: secured; valid if VACKnown
	VACKnown   bool // false for the servers that leave the byte out

	HasShip bool
	Ship    Ship
	Version []byte

	HasEDF        bool   // the byte is missing on old servers
	EDF           byte   // says which of the following are there: see Has
	EDFMissing    byte   // the bits of EDF whose fields were cut off
	GamePort      uint16 // EDF 0x80
	SteamID       uint64 // EDF 0x10
	SpectatorPort uint16 // EDF 0x40
	SpectatorName []byte // EDF 0x40
	Keywords      []byte // EDF 0x20
	GameID        uint64 // EDF 0x01

	IsMod  uint8 // GoldSource: 1 says that the server runs a modification
	HasMod bool  // and that it describes it: some say IsMod and send no more
	Mod    Mod

	HasProxyCounts  bool  // HLTV appends these two when either reaches 255
	ProxySpectators int32 // spectators of the relay
	ProxySlots      int32 // its slots

	// Truncated reports that the reply was cut off. The fields before the cut are
	// whole; the others are zero and named by Missing and EDFMissing. The Ship's
	// numbers, a mod, and the spectators' port and name are each kept together or
	// not at all.
	Truncated bool
	Missing   InfoFields // the base fields that were cut off
	// Trailing holds the bytes after the last known field. In a truncated reply it
	// begins with the field that was cut.
	Trailing []byte
}

// InfoFields is a set of INFO's base fields.
type InfoFields uint16

// The base fields that a truncated reply can lack.
const (
	InfoProtocol InfoFields = 1 << iota
	InfoMap
	InfoFolder
	InfoGame
	InfoAppID
	InfoPlayers
	InfoMaxPlayers
	InfoBots
	InfoServerType
	InfoOS
	InfoVisibility
	InfoVAC
	InfoVersion
	InfoIsMod
)

// Has reports whether s contains all of f.
func (s InfoFields) Has(f InfoFields) bool { return s&f == f }

// A baseField is a field's name in errors and its bit. Fields without a bit are
// never missing alone, or have a flag of their own in Info.
type baseField struct {
	name string
	bit  InfoFields
}

// The base fields of each format, in the order of the wire.
var (
	sourceFields = []baseField{
		{"protocol", InfoProtocol}, {"name", 0}, {"map", InfoMap}, {"folder", InfoFolder}, {"game", InfoGame},
		{"app id", InfoAppID}, {"players", InfoPlayers}, {"max players", InfoMaxPlayers}, {"bots", InfoBots},
		{"server type", InfoServerType}, {"environment", InfoOS}, {"visibility", InfoVisibility}, {"vac", InfoVAC},
		{"ship", 0}, {"version", InfoVersion},
	}
	goldSourceFields = []baseField{
		{"address", 0}, {"name", 0}, {"map", InfoMap}, {"folder", InfoFolder}, {"game", InfoGame},
		{"players", InfoPlayers}, {"max players", InfoMaxPlayers}, {"protocol", InfoProtocol},
		{"server type", InfoServerType}, {"environment", InfoOS}, {"visibility", InfoVisibility},
		{"is mod", InfoIsMod}, {"mod", 0}, {"vac", InfoVAC},
	}
	obsoleteFields = []baseField{
		{"address", 0}, {"name", 0}, {"map", InfoMap}, {"folder", InfoFolder}, {"game", InfoGame},
		{"players", InfoPlayers}, {"max players", InfoMaxPlayers}, {"protocol", InfoProtocol},
	}
)

// cut records that r ran out of bytes in one of fields. If the name did not come
// whole, it returns the error.
func (i *Info) cut(r *reader, fields []baseField) error {
	i.Truncated = true
	i.Trailing = r.rest()
	behindName, missing := false, false
	for _, f := range fields {
		missing = missing || f.name == r.failed
		if missing {
			i.Missing |= f.bit
			if !behindName {
				return r.err(KindInfo)
			}
		}
		behindName = behindName || f.name == "name"
	}
	return nil
}

// Ship holds The Ship's additions to INFO (app 2400).
type Ship struct {
	Mode      uint8 // 0 Hunt, 1 Elimination, 2 Duel, 3 Deathmatch, 4 VIP Team, 5 Team Elimination
	Witnesses uint8
	Duration  uint8 // seconds before an arrest, as the server says it
}

// Mod describes a GoldSource modification.
type Mod struct {
	Link         []byte
	DownloadLink []byte
	HLVersion    []byte // normally empty; HLTV writes its version (ReHLDS SVC_Info; HLTV Proxy.cpp)
	Version      uint32
	Size         uint32 // bytes
	Type         uint8  // 1: multiplayer only
	DLL          uint8  // 1: brings its own
}

// Decode sets i from the INFO reply b, which begins at the type byte, in any of the three
// formats. The slices of i alias b.
//
// A reply that is cut off behind the server's name is no error: the fields that came whole
// are kept, and Truncated is set. Anything shorter is a *[DecodeError] that wraps
// [ErrShort], or [ErrType] if b is another message. Enumerated bytes are kept as they came,
// known or not, and so are bytes after the last known field (Valve Developer wiki, "Server
// queries"; rulings D-9, D-15).
func (i *Info) Decode(b []byte) error {
	*i = Info{}
	r := reader{b: b}
	if len(b) > 0 {
		switch b[0] {
		case TypeInfoGoldSource:
			i.Format = FormatGoldSource
			return i.decodeGoldSource(&r)
		case TypeInfoObsolete:
			i.Format = FormatObsolete
			return i.decodeObsolete(&r)
		}
	}
	return i.decodeSource(&r)
}

func (i *Info) decodeSource(r *reader) error {
	if err := r.kind(KindInfo, TypeInfo); err != nil {
		i.Truncated = true
		return err
	}
	i.Protocol = r.u8("protocol")
	i.Name = r.text("name")
	i.Map = r.text("map")
	i.Folder = r.text("folder")
	i.Game = r.text("game")
	i.AppID16 = r.u16("app id")
	i.Players = r.u8("players")
	i.MaxPlayers = r.u8("max players")
	i.Bots = r.u8("bots")
	i.BotsKnown = r.ok()
	i.ServerType = r.u8("server type")
	i.OS = r.u8("environment")
	i.Visibility = r.u8("visibility")
	vac := r.off
	i.VAC = r.u8("vac")
	i.VACKnown = r.ok()
	if i.AppID16 == appTheShip && r.ok() {
		if b := r.take(3, "ship"); b != nil {
			i.HasShip, i.Ship = true, Ship{Mode: b[0], Witnesses: b[1], Duration: b[2]}
		}
	}
	i.Version = r.text("version")
	if !r.ok() {
		return i.cut(r, sourceFields)
	}
	version := r.off - 1 // its NUL
	i.decodeEDF(r)

	// One clone of DayZ leaves the VAC byte out, so its place has the first digit of the
	// version ("1.28.161464", seen 2025). No server sends '1' for yes. Both readings agree
	// again at the version's NUL. The reading without the byte is taken only if all bytes
	// after the version fit too. The Ship's three bytes would hide the shift, so its
	// replies are read as they are.
	if '0' <= i.VAC && i.VAC <= '9' && !i.HasShip && !i.Truncated && len(i.Trailing) == 0 {
		i.Version = r.b[vac:version:version]
		i.VAC, i.VACKnown = 0, false
	}
	return nil
}

// decodeEDF reads the bytes after the version. All of them are optional, including the EDF
// byte: servers before 2008 and Xash send none.
func (i *Info) decodeEDF(r *reader) {
	if len(r.rest()) == 0 {
		return
	}
	i.EDF, i.HasEDF = r.u8("edf"), true
	missing := i.EDF & (EDFGamePort | EDFSteamID | EDFSpectator | EDFKeywords | EDFGameID)
	whole := r.off // up to here all is read
	read := func(bit byte) bool {
		if !r.ok() {
			return false
		}
		missing &^= bit
		whole = r.off
		return true
	}
	if i.EDF&EDFGamePort != 0 {
		if v := r.u16("game port"); read(EDFGamePort) {
			i.GamePort = v
		}
	}
	if i.EDF&EDFSteamID != 0 {
		if v := r.u64("steam id"); read(EDFSteamID) {
			i.SteamID = v
		}
	}
	if i.EDF&EDFSpectator != 0 {
		port, name := r.u16("spectator port"), r.text("spectator name")
		if read(EDFSpectator) {
			i.SpectatorPort, i.SpectatorName = port, name
		}
	}
	if i.EDF&EDFKeywords != 0 {
		if v := r.text("keywords"); read(EDFKeywords) {
			i.Keywords = v
		}
	}
	if i.EDF&EDFGameID != 0 {
		if v := r.u64("game id"); read(EDFGameID) {
			i.GameID = v
		}
	}
	i.EDFMissing = missing
	i.Truncated = missing != 0
	i.Trailing = r.b[whole:]
}

// Has reports whether the fields of an EDF bit came, and came whole.
func (i *Info) Has(bit byte) bool {
	return i.HasEDF && i.EDF&bit == bit && i.EDFMissing&bit == 0
}

// AppID returns the application's id: the low 24 bits of the game id if they are not zero,
// else the 16-bit field, which is zero for ids that do not fit into it. It is zero for
// GoldSource's own formats, which have neither.
func (i *Info) AppID() uint32 {
	if id := uint32(i.GameID & 0xFFFFFF); id != 0 {
		return id
	}
	return uint32(i.AppID16)
}

// mayBeTheShip reports whether the server can be one of The Ship, its demo or its
// tools: by its app id, by its folder if it has no app id, and if it has neither.
func (i *Info) mayBeTheShip() bool {
	switch i.AppID() {
	case appTheShip, 2401, 2402, 2403, 2405, 2406, 2412, 2430:
		return true
	case 0:
		return len(i.Folder) == 0 || bytes.EqualFold(i.Folder, []byte("ship"))
	}
	return false
}

// ServerTypeName returns dedicated, listen, proxy (a relay: HLTV, SourceTV) or unknown.
func (i *Info) ServerTypeName() string {
	switch i.ServerType {
	case 'd', 'D':
		return "dedicated"
	case 'l', 'L': // not 'i', which some readers expect (ruling D-7)
		return "listen"
	case 'p', 'P':
		return "proxy"
	}
	return "unknown"
}

// OSName returns linux, windows, mac or unknown.
func (i *Info) OSName() string {
	switch i.OS {
	case 'l', 'L':
		return "linux"
	case 'w', 'W':
		return "windows"
	case 'm', 'M', 'o', 'O': // 'o' was Left 4 Dead's letter (ruling D-8)
		return "mac"
	}
	return "unknown"
}

// VisibilityName returns public, private (a password is asked for) or unknown.
// The obsolete format has no such field.
func (i *Info) VisibilityName() string {
	switch {
	case i.Format == FormatObsolete || i.Missing.Has(InfoVisibility):
		return "unknown"
	case i.Visibility == 0:
		return "public"
	case i.Visibility == 1:
		return "private"
	}
	return "unknown"
}

// VACSecured reports whether the server is secured by VAC, and whether it sent that byte at
// all. Only 1 means yes.
func (i *Info) VACSecured() (secured, known bool) {
	return i.VACKnown && i.VAC == 1, i.VACKnown
}
