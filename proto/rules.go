package proto

// RuleList is a decoded RULES reply. It can be reused: Decode keeps List's memory.
type RuleList struct {
	Count     uint16 // as the server says it
	List      []Rule // the whole pairs, in the server's order; names repeat
	Truncated bool   // fewer whole pairs than Count
	Trailing  []byte // what follows the last whole pair
}

// A Rule is a name and a value, kept as bytes: games put binary in both
// (see package a3sb). Both alias the payload.
type Rule struct {
	Name  []byte
	Value []byte
}
