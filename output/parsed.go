package output

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// A ParsedRecord is a line of a dataset as encoding/json reads it: the members
// of [AppendJSON] under their own names, nil where null stands. It is for
// programs that look at datasets; the scan itself never makes one.
//
// Text members are what stands in the line. Where the server's bytes were not
// valid UTF-8 the B64 member beside one holds them: [TrueBytes] chooses.
type ParsedRecord struct {
	Schema          int             `json:"schema"`
	Seq             uint64          `json:"seq"`
	IP              *string         `json:"ip"`
	Port            *uint16         `json:"port"`
	Input           *string         `json:"input"`
	InputB64        []byte          `json:"input_b64,omitempty"`
	Tag             *string         `json:"tag"`
	TagB64          []byte          `json:"tag_b64,omitempty"`
	Status          Status          `json:"status"`
	Error           *string         `json:"error"`
	ErrorB64        []byte          `json:"error_b64,omitempty"`
	Timestamp       Timestamp       `json:"timestamp"`
	DurationMS      *float64        `json:"duration_ms"`
	RTTMS           *float64        `json:"rtt_ms"`
	Attempts        int             `json:"attempts"`
	PacketsSent     int             `json:"packets_sent"`
	PacketsReceived int             `json:"packets_received"`
	BytesReceived   int64           `json:"bytes_received"`
	Challenged      bool            `json:"challenged"`
	Info            *ParsedInfo     `json:"info"`
	Players         *ParsedPlayers  `json:"players"`
	Rules           *ParsedRules    `json:"rules"`
	Raw             []ParsedRawItem `json:"raw"`
}

// A ParsedSection is what every section begins with.
type ParsedSection struct {
	Status   Status   `json:"status"`
	Error    *string  `json:"error"`
	ErrorB64 []byte   `json:"error_b64,omitempty"`
	Attempts int      `json:"attempts"`
	RTTMS    *float64 `json:"rtt_ms"`
}

// A ParsedInfo is the info member. All beyond the section is nil without an answer.
type ParsedInfo struct {
	ParsedSection
	Format           *string     `json:"format"`
	Protocol         *uint8      `json:"protocol"`
	Name             *string     `json:"name"`
	NameB64          []byte      `json:"name_b64,omitempty"`
	Map              *string     `json:"map"`
	MapB64           []byte      `json:"map_b64,omitempty"`
	Folder           *string     `json:"folder"`
	FolderB64        []byte      `json:"folder_b64,omitempty"`
	Game             *string     `json:"game"`
	GameB64          []byte      `json:"game_b64,omitempty"`
	AppID            *uint32     `json:"app_id"`
	Players          *int        `json:"players"`
	MaxPlayers       *int        `json:"max_players"`
	Bots             *int        `json:"bots"`
	ServerType       *string     `json:"server_type"`
	Environment      *string     `json:"environment"`
	Visibility       *string     `json:"visibility"`
	VAC              *bool       `json:"vac"`
	Version          *string     `json:"version"`
	VersionB64       []byte      `json:"version_b64,omitempty"`
	EDF              *uint8      `json:"edf"`
	GamePort         *uint16     `json:"game_port"`
	SteamID          *string     `json:"steam_id"`
	SpectatorPort    *uint16     `json:"spectator_port"`
	SpectatorName    *string     `json:"spectator_name"`
	SpectatorNameB64 []byte      `json:"spectator_name_b64,omitempty"`
	Keywords         *string     `json:"keywords"`
	KeywordsB64      []byte      `json:"keywords_b64,omitempty"`
	GameID           *string     `json:"game_id"`
	Ship             *ParsedShip `json:"ship"`
	Address          *string     `json:"address"`
	AddressB64       []byte      `json:"address_b64,omitempty"`
	Mod              *ParsedMod  `json:"mod"`
	PlayersActual    *int        `json:"players_actual"`
	MaxPlayersActual *int        `json:"max_players_actual"`
	Truncated        bool        `json:"truncated"`
}

// A ParsedShip is what The Ship adds.
type ParsedShip struct {
	Mode      uint8 `json:"mode"`
	Witnesses uint8 `json:"witnesses"`
	DurationS int   `json:"duration_s"`
}

// A ParsedMod is the mod of a GoldSource server.
type ParsedMod struct {
	Link            string `json:"link"`
	LinkB64         []byte `json:"link_b64,omitempty"`
	DownloadLink    string `json:"download_link"`
	DownloadLinkB64 []byte `json:"download_link_b64,omitempty"`
	HLVersion       string `json:"hl_version"`
	HLVersionB64    []byte `json:"hl_version_b64,omitempty"`
	Version         uint32 `json:"version"`
	Size            uint32 `json:"size"`
	Type            uint8  `json:"type"`
	DLL             uint8  `json:"dll"`
}

// A ParsedPlayers is the players member. Count and List are nil without an answer.
type ParsedPlayers struct {
	ParsedSection
	Count     *int           `json:"count"`
	Truncated bool           `json:"truncated"`
	List      []ParsedPlayer `json:"list"`
}

// A ParsedPlayer is one player.
type ParsedPlayer struct {
	Index     uint8    `json:"index"`
	Name      string   `json:"name"`
	NameB64   []byte   `json:"name_b64,omitempty"`
	Score     int32    `json:"score"`
	DurationS *float64 `json:"duration_s"` // nil where the server sent no number
	Deaths    *int32   `json:"deaths"`
	Money     *int32   `json:"money"`
}

// A ParsedRules is the rules member. Count and List are nil without an answer.
type ParsedRules struct {
	ParsedSection
	Count     *int         `json:"count"`
	Truncated bool         `json:"truncated"`
	List      []ParsedRule `json:"list"`
	A3SB      *ParsedA3SB  `json:"a3sb"`
}

// A ParsedRule is one rule.
type ParsedRule struct {
	Name     string `json:"name"`
	NameB64  []byte `json:"name_b64,omitempty"`
	Value    string `json:"value"`
	ValueB64 []byte `json:"value_b64,omitempty"`
}

// A ParsedA3SB is the server-browser block of Arma 3 or DayZ.
type ParsedA3SB struct {
	Version        uint8           `json:"version"`
	DLC            uint16          `json:"dlc"`
	Difficulty     *uint16         `json:"difficulty"`
	Mods           []ParsedA3SBMod `json:"mods"`
	Signatures     []string        `json:"signatures"`
	SignaturesB64  [][]byte        `json:"signatures_b64,omitempty"` // of the same length; nil for those that need none
	Description    *string         `json:"description"`
	DescriptionB64 []byte          `json:"description_b64,omitempty"`
	Truncated      bool            `json:"truncated"`
}

// A ParsedA3SBMod is one mod of that block.
type ParsedA3SBMod struct {
	Hash    uint32 `json:"hash"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	NameB64 []byte `json:"name_b64,omitempty"`
	DLC     bool   `json:"dlc"`
}

// A ParsedRawItem is one datagram of the exchange.
type ParsedRawItem struct {
	TMS  float64 `json:"t_ms"`
	Dir  string  `json:"dir"` // tx or rx
	Data []byte  `json:"b64"`
}

// TrueBytes returns what a server sent for a text: b64, its B64 member, where
// that is there, else the text itself.
func TrueBytes(text string, b64 []byte) []byte {
	if b64 != nil {
		return b64
	}
	return []byte(text)
}

// seqPrefix is how every line that AppendJSON wrote begins.
var seqPrefix = []byte(`{"schema":1,"seq":`)

// Seq returns the seq of a line, at a hundredth of what it costs to parse all of
// it. It returns false where the line is no record.
func Seq(line []byte) (seq uint64, ok bool) {
	line = bytes.TrimRight(line, " \t\r")
	if rest, found := bytes.CutPrefix(line, seqPrefix); found {
		n := bytes.IndexByte(rest, ',')
		if n > 0 && n <= 20 && line[len(line)-1] == '}' {
			seq, err := strconv.ParseUint(string(rest[:n]), 10, 64)
			return seq, err == nil
		}
		return 0, false
	}
	// Somebody else has written it anew.
	var r struct {
		Seq *uint64 `json:"seq"`
	}
	if json.Unmarshal(line, &r) != nil || r.Seq == nil {
		return 0, false
	}
	return *r.Seq, true
}
