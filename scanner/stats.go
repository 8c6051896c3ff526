package scanner

import (
	"time"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// Stats is what a scan counts. All but InFlight and Parked only grow.
type Stats struct {
	Done     uint64 // targets that were settled other than as aborted
	Aborted  uint64
	Statuses output.StatusCounts
	Sections [proto.NumKinds][output.NumStatuses]uint64 // by kind; of the targets that were sent to

	Sent          uint64 // datagrams
	BytesSent     uint64 // UDP payload
	SendErrors    uint64 // datagrams that the system refused
	SendWaits     uint64 // times that the system had no room for a datagram, which was sent later
	Retransmits   uint64 // requests repeated because of silence; of the targets that are settled
	Challenges    uint64 // challenges that were answered
	Received      uint64 // datagrams, whoever sent them
	BytesReceived uint64
	Unmatched     uint64 // from addresses that are no target
	Late          uint64 // from targets that were settled before
	Duplicate     uint64 // heard before
	Unexpected    uint64 // well-formed, from a target, but not asked for
	Malformed     uint64 // from a target, but they do not parse or decode
	Denied        uint64 // a text in place of an answer, such as "Banned by server"
	Truncated     uint64 // longer than the receive buffer
	ICMP          uint64 // errors about datagrams of this scan
	NoMemory      uint64 // replies or fragments for which there was no room; they are asked for again

	RawLeft  uint64 // with Config.Raw: datagrams that are not in the written record of their target
	RawShort uint64 // and of how many targets

	// HeldByAddress is the time in which the rate allowed more, and all targets at hand
	// waited for Config.PerIPRate.
	HeldByAddress time.Duration

	Drops uint64 // datagrams that the system dropped because the receive buffer was full

	Records      uint64 // written
	OtherPort    uint64 // targets of which another port than the given one answered
	Filtered     uint64 // left out by Config.Filter
	Twins        uint64 // targets that had to wait because their address and port was in flight already
	InFlight     int
	Parked       int // waiting for their address's turn, or for another of their address and port
	PeakInFlight int
	Window       int              // answers expected at once at most, in a closed loop; 0: no such limit
	RTT          [3]time.Duration // p50, p90, p99; -1 where nothing was measured
	RTTMax       time.Duration    // -1 likewise
}
