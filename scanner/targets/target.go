package targets

import "github.com/a2scan/a2scan/mux"

// A Target is one address and port to query.
type Target struct {
	Key mux.Key
	// Seq is the target's place among the accepted targets of the input, from 0.
	Seq uint64
	// Origin is nil if the line was only the address and port in canonical form.
	// Targets of one line share it, unless they have a host name.
	Origin *Origin
	// Refusal is set if the target is settled without a packet, with Reason for
	// people. Resolve targets have no address, and at most a Port in their Key; an
	// Invalid one may have neither (a zero Key).
	Refusal Refusal
	Reason  string
}

// An Origin is the text that a target was read from.
type Origin struct {
	// Input is the target as written, for a host name with the port that is asked.
	// It is empty if it would be the address and port in canonical form.
	Input string
	Tag   string // the second word of the line, or empty
	// Source is the JSON object that the target was read from, on one line and in
	// valid UTF-8, if Config.KeepSource is set; else nil.
	Source []byte
}

// A Refusal says why a target is not queried.
type Refusal uint8

// The refusals, each with its status in the record.
const (
	Accepted Refusal = iota
	Resolve          // the name has no address, or was not looked up: resolve_error
	Blocked          // a list or a reserved prefix has the address: blocked
	Invalid          // the name has an address that no host has: invalid_input
)
