package proto

import "bytes"

// RuleList is a decoded RULES reply. It can be reused: Decode keeps List's memory.
type RuleList struct {
	Count     uint16 // as the server says it
	List      []Rule // the whole pairs, in the server's order; names repeat
	Truncated bool   // fewer whole pairs than Count
	Trailing  []byte // the bytes behind the last whole pair
}

// A Rule is a name and a value, kept as bytes: games put binary in both
// (see package a3sb). Both alias the payload.
type Rule struct {
	Name  []byte
	Value []byte
}

// Decode sets l from the RULES reply b, which begins at the type byte. Names and values
// alias b; List keeps its memory from one call to the next.
//
// Old servers cut the reply at the MTU, in the middle of a string, and leave Count as it
// was: the whole pairs are kept and Truncated is set; that is no error. Empty and repeated
// names are kept too. An error (a *[DecodeError]) means that b is no RULES reply or has no
// count.
func (l *RuleList) Decode(b []byte) error {
	*l = RuleList{List: l.List[:0]}
	r := reader{b: b}
	if err := r.kind(KindRules, TypeRules); err != nil {
		l.Truncated = true
		return err
	}
	l.Count = r.u16("count")
	if err := r.err(KindRules); err != nil {
		l.Truncated = true
		return err
	}
	rest := r.rest()
	for len(l.List) < int(l.Count) {
		n := bytes.IndexByte(rest, 0)
		if n < 0 {
			break
		}
		value := rest[n+1:]
		v := bytes.IndexByte(value, 0)
		if v < 0 {
			break
		}
		l.List = append(l.List, Rule{Name: rest[:n:n], Value: value[:v:v]})
		rest = value[v+1:]
	}
	l.Trailing = rest
	l.Truncated = len(l.List) < int(l.Count)
	return nil
}
