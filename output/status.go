package output

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A Status is how a target, or one query of it, ended. Programs read this word.
type Status uint8

// The statuses, in the order in which the metadata object counts them.
const (
	Success       Status = iota // each query was answered
	Partial                     // some queries were answered (targets only)
	Timeout                     // no reply
	Refused                     // ICMP port unreachable
	Unreachable                 // another ICMP error
	Incomplete                  // datagrams came, but no whole answer
	ProtocolError               // bytes that do not parse, or a challenge loop
	SendError                   // the system refused to send
	ResolveError                // the name has no address
	Blocked                     // excluded by a list, or reserved
	InvalidInput                // not a target
	Aborted                     // the scan ended first
	NumStatuses   = 12
)

var statusNames = [NumStatuses]string{"success", "partial", "timeout", "refused", "unreachable",
	"incomplete", "protocol_error", "send_error", "resolve_error", "blocked", "invalid_input", "aborted"}

// String returns the status as it is written in records.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// statusWords is the default error text of each status, used if nothing more is
// known.
var statusWords = [NumStatuses]string{"", "some queries were not answered", "no answer", "port unreachable", "unreachable",
	"incomplete answer", "malformed answer", "not sent", "the name has no address", "excluded",
	"not a target", "the scan stopped first"}

// words returns the error text of a record or section that has none
// of its own.
func (s Status) words() string {
	if int(s) < len(statusWords) {
		return statusWords[s]
	}
	return "unknown"
}

// parseStatus returns the status of that name.
func parseStatus(name string) (Status, bool) {
	for i, n := range statusNames {
		if n == name {
			return Status(i), true
		}
	}
	return 0, false
}

// MarshalText returns the status as it is written in records.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes one of those words.
func (s *Status) UnmarshalText(text []byte) error {
	parsed, ok := parseStatus(string(text))
	if !ok {
		return fmt.Errorf("%q is no status", text)
	}
	*s = parsed
	return nil
}

// StatusCounts counts by Status.
type StatusCounts [NumStatuses]uint64

// Answered returns how many have the status Success or Partial.
func (c *StatusCounts) Answered() uint64 { return c[Success] + c[Partial] }

// Total returns the sum.
func (c *StatusCounts) Total() (n uint64) {
	for _, v := range c {
		n += v
	}
	return n
}

// MarshalJSON returns an object with a member for each status, in their order.
func (c StatusCounts) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for s, n := range c {
		if s > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, Status(s).String())
		b = append(b, ':')
		b = strconv.AppendUint(b, n, 10)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON takes such an object.
func (c *StatusCounts) UnmarshalJSON(b []byte) error {
	var m map[Status]uint64
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*c = StatusCounts{}
	for s, n := range m {
		c[s] = n
	}
	return nil
}
