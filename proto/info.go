package proto

// A Format says which of the three INFO layouts a reply had.
type Format uint8

// The INFO layouts.
const (
	FormatSource     Format = iota // 'I': Source, and all GoldSource servers of today
	FormatGoldSource               // 'm': GoldSource before 2008, and HLTV
	FormatObsolete                 // 'C': older still
)

// Info is a decoded INFO reply of any format. Slices alias the payload that was
// decoded: copy what is to outlive it. Text is bytes, as sent; nothing promises
// UTF-8. Fields that a format lacks are zero.
type Info struct {
	Format     Format
	Protocol   uint8
	Address    []byte // GoldSource and obsolete: "ip:port" as the server sees itself
	Name       []byte
	Map        []byte
	Folder     []byte
	Game       []byte
	AppID16    uint16 // Source; 0 where the id needs more than 16 bits
	Players    uint8  // wraps or clamps at 256 on some games: see ActualPlayers
	MaxPlayers uint8
	Bots       uint8
	BotsKnown  bool // HLTV sends none
	ServerType byte // the raw letter: d, l, p in either case, or anything
	OS         byte // the raw letter: l, w, m, o in either case, or anything
	Visibility byte // 1: password
	VAC        byte // 1: secured; valid where VACKnown
	VACKnown   bool // false for the servers that leave the byte out

	HasShip bool
	Ship    Ship
	Version []byte

	HasEDF        bool // the byte is missing on old servers
	EDF           byte
	GamePort      uint16 // EDF 0x80
	SteamID       uint64 // EDF 0x10
	SpectatorPort uint16 // EDF 0x40
	SpectatorName []byte // EDF 0x40
	Keywords      []byte // EDF 0x20
	GameID        uint64 // EDF 0x01

	HasMod bool // GoldSource
	Mod    Mod

	HasProxyCounts  bool  // HLTV appends these two when either reaches 255
	ProxySpectators int32 // spectators of the relay
	ProxySlots      int32 // its slots

	// Truncated is set where the reply stops inside the EDF section. What came
	// before is whole.
	Truncated bool
	// Trailing is what follows the last field that is known.
	Trailing []byte
}

// Ship is what The Ship (app 2400) adds to INFO.
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
