package output

import (
	"net/netip"
	"time"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// SchemaVersion stands in every record and metadata object. Fields are only
// ever added under it.
const SchemaVersion = 1

// NoRTT stands for a round trip that was not measured, or that a
// retransmission made ambiguous. It is written as null.
const NoRTT time.Duration = -1

// A Record is what became of one target: one line of the output. The structs
// and slices that it points to belong to whoever made it, and are only read.
type Record struct {
	Seq    uint64
	Addr   netip.AddrPort // the zero AddrPort is written as null ip and port
	Input  string         // as the user wrote it; empty where that is Addr itself, which is written then
	Tag    string         // empty is written as null
	Status Status
	// Error is for people. On Success it is written as null whatever it holds.
	// Elsewhere empty stands for what the sections say ("rules: 2 of 3 fragments
	// received") or, where they say nothing, for the words of Status, so that
	// whoever settles a target need not build a string.
	Error string

	Time            time.Time     // when the target was first sent to, or settled if it never was
	Duration        time.Duration // from Time to the record
	RTT             time.Duration // NoRTT: null
	Attempts        int           // tries in all of its sections' requests, the most of any section
	PacketsSent     int
	PacketsReceived int
	BytesReceived   int64
	Challenged      bool

	Info    *InfoSection    // nil where it was not asked for
	Players *PlayersSection // likewise
	Rules   *RulesSection   // likewise
	Raw     []RawDatagram   // nil is written as null
}

// A Section is what every section of a record begins with.
type Section struct {
	Status   Status
	Error    string        // for people; as Record.Error, empty stands for the words of Status
	Attempts int           // tries of this request; 0 where none was made
	RTT      time.Duration // from the send of a try to its answer; NoRTT: null
}

// An InfoSection is the INFO part of a record.
type InfoSection struct {
	Section
	Data *proto.Info // nil without an answer: its fields are then null
}

// A PlayersSection is the PLAYER part of a record.
type PlayersSection struct {
	Section
	Data *proto.PlayerList // nil without an answer
}

// A RulesSection is the RULES part of a record.
type RulesSection struct {
	Section
	Data *proto.RuleList // nil without an answer; without the rules that carried A3SB
	A3SB *a3sb.Block     // nil where there is none
}

// A RawDatagram is one datagram of the exchange with a target.
type RawDatagram struct {
	At       time.Duration // since Record.Time
	Sent     bool          // by us
	Datagram []byte
}
