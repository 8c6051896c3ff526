package output

import (
	"net/netip"
	"time"
)

const (
	// SchemaVersion is the value of schema in every record and metadata object.
	// Later versions of a2scan only add keys to it.
	SchemaVersion = 1
	// NoRTT is the round-trip time of a query that has none: it was not answered,
	// or a retransmission makes the time ambiguous. It is written as null.
	NoRTT time.Duration = -1
)

// A Record is the result of one target: one line of the output. [AppendJSON]
// writes it and [Unmarshal] reads it.
//
// Strings hold the bytes that the server sent, which may be invalid UTF-8.
type Record struct {
	Seq       uint64
	Addr      netip.AddrPort // a record of an unresolved name has no address, but may have a port
	PortGiven uint16         // the port that was asked first, if another one answered; 0 is written as null
	Input     string         // as the user wrote it; if empty, Target is written
	Tag       string         // empty is written as null
	Source    []byte         // a JSON object: the source's row about this server; nil is written as null
	Status    Status
	Error     string // for people; if empty, the line gets a text made from the sections and Status

	Time            time.Time     // of the first send, or of the record if nothing was sent
	Duration        time.Duration // from Time to the record; a negative one is written as null
	RTT             time.Duration // or NoRTT
	Attempts        int           // the largest of the sections' Attempts
	PacketsSent     int
	PacketsReceived int
	BytesReceived   int64
	Challenged      bool

	Info    *Info      // nil if it was not asked for
	Players *Players   // nil if it was not asked for
	Rules   *Rules     // nil if it was not asked for
	Raw     []Datagram // nil if the datagrams were not kept
}

// Target returns the address and port that the input named, whichever port answered.
func (r *Record) Target() netip.AddrPort {
	if r.PortGiven != 0 {
		return netip.AddrPortFrom(r.Addr.Addr(), r.PortGiven)
	}
	return r.Addr
}

// A Section is the part that [Info], [Players] and [Rules] have in common.
type Section struct {
	Status   Status
	Error    string        // for people; if empty, the line gets a text made from Status
	Attempts int           // requests that were sent, without answers to challenges
	RTT      time.Duration // from the send of an attempt to its answer, or NoRTT
}

// Info is the answer to an INFO query. Fields says which fields are known; the
// others are zero here and null in the line.
type Info struct {
	Section
	Fields InfoFields

	Format           string // source, goldsource or obsolete
	Protocol         uint8
	Name             string
	Map              string
	Folder           string
	Game             string
	AppID            uint32
	Players          int
	MaxPlayers       int
	Bots             int
	ServerType       string // dedicated, listen, proxy or unknown
	Environment      string // linux, windows, mac or unknown
	Visibility       string // public, private or unknown
	VAC              bool
	Version          string
	EDF              uint8 // the extra data flag of Source replies
	GamePort         uint16
	SteamID          uint64
	SpectatorPort    uint16
	SpectatorName    string
	Keywords         string
	GameID           uint64
	Ship             *Ship  // nil if the game is not The Ship
	Address          string // GoldSource: the address that the server gives itself
	Mod              *Mod   // nil if the reply describes no modification
	PlayersActual    int    // from the keywords of games whose player count exceeds a byte
	MaxPlayersActual int
	Truncated        bool // the reply ends before its last field
}

// InfoFields is a set of fields of an [Info].
type InfoFields uint32

// The fields of an [Info] that can be absent, in the order of the line.
const (
	InfoFormat InfoFields = 1 << iota
	InfoProtocol
	InfoName
	InfoMap
	InfoFolder
	InfoGame
	InfoAppID
	InfoPlayers
	InfoMaxPlayers
	InfoBots
	InfoServerType
	InfoEnvironment
	InfoVisibility
	InfoVAC
	InfoVersion
	InfoEDF
	InfoGamePort
	InfoSteamID
	InfoSpectatorPort
	InfoSpectatorName
	InfoKeywords
	InfoGameID
	InfoAddress
	InfoPlayersActual
	InfoMaxPlayersActual
)

// Has reports whether all of fields are known.
func (i *Info) Has(fields InfoFields) bool { return i.Fields&fields == fields }

// Ship holds the fields that The Ship adds to INFO.
type Ship struct {
	Mode      uint8
	Witnesses uint8
	Duration  uint8 // seconds before an arrest
}

// Mod describes the modification that a GoldSource server runs.
type Mod struct {
	Link         string
	DownloadLink string
	HLVersion    string
	Version      uint32
	Size         uint32 // bytes
	Type         uint8  // 1: multiplayer only
	DLL          uint8  // 1: has a DLL of its own
}

// Players is the answer to a PLAYER query.
type Players struct {
	Section
	Count     int      // as the server reports it, modulo 256; meaningless if List is nil
	Truncated bool     // List has fewer entries than Count
	Ship      bool     // the entries have Deaths and Money
	List      []Player // in the server's order; nil without an answer

	spare []Player // memory for List while that is nil
}

// A Player is one entry of [Players].
type Player struct {
	Index    uint8
	Name     string
	Score    int32
	Duration float32 // seconds; NaN if the server sent no number
	Deaths   int32   // if Players.Ship
	Money    int32   // if Players.Ship
}

// Rules is the answer to a RULES query.
type Rules struct {
	Section
	Count     int    // as the server reports it; meaningless if List is nil
	Truncated bool   // fewer rules came than Count, or A3SB is cut off
	List      []Rule // in the server's order, without the rules that carried A3SB; nil without an answer
	A3SB      *A3SB  // nil if there is none

	spare []Rule // memory for List while that is nil
}

// A Rule is one name and value. Names repeat and are often empty.
type Rule struct {
	Name  string
	Value string
}

// A3SB is the server-browser block of Arma 3 and DayZ servers.
type A3SB struct {
	Version        uint8
	DLC            uint16 // one bit per DLC
	Difficulty     uint16 // a bit field, if HasDifficulty
	HasDifficulty  bool
	Mods           []A3SBMod
	Signatures     []string
	Description    string // if HasDescription
	HasDescription bool
	Truncated      bool // the block ends early; Mods and Signatures hold the whole entries
}

// An A3SBMod is one mod of an [A3SB].
type A3SBMod struct {
	Hash uint32
	ID   uint64 // in the Steam Workshop
	Name string
	DLC  bool
}

// A Datagram is one datagram of the exchange with a target.
type Datagram struct {
	Time time.Duration // since Record.Time
	Sent bool          // false: received
	Data []byte
}
