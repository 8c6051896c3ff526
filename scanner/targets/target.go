package targets

import "github.com/a2scan/a2scan/mux"

// A Target is one place to ask: what the scanner is fed with.
type Target struct {
	Key mux.Key
	// Seq is the target's place among the accepted targets of the input, from 0.
	Seq uint64
	// Origin is where it came from, shared by all targets of an input line.
	// It is nil where the line was nothing but the address and port in their
	// canonical form.
	Origin *Origin
	// Refusal is set where the target is settled without a packet, with its own
	// words for people. Resolve targets have no address, and of their Key the Port at
	// most; an Invalid one may have none either (a zero Key).
	Refusal Refusal
	Reason  string
}

// An Origin is what the user wrote.
type Origin struct {
	Input string // the target's word as written; empty where it is the address and port themselves
	Tag   string // the second word of the line, or empty
}

// A Refusal says why a target is not asked.
type Refusal uint8

// The refusals, each a status of the record.
const (
	Accepted Refusal = iota
	Resolve          // the name has no address: resolve_error
	Blocked          // by list, or an address that nobody may be asked at: blocked
	Invalid          // a name that resolves to no place to ask: invalid_input
)
