package prototest

import (
	"sync"

	"github.com/a2scan/a2scan/proto"
)

// Sizes of split replies in the world: the payload of a fragment is 1,248 bytes
// by default and 1,188 on CS:GO and Left 4 Dead 2; HLDS fills datagrams of
// 1,400 (PROTOCOL §4).
const (
	sizeDefault    = 1248
	sizeSmall      = 1188
	sizeGoldSource = 1400 - 9
)

// rules draws the RULES reply of s. The list uses l's memory.
func (s *Server) rules(sc *scratch, l *proto.RuleList) {
	if s.Does.Has(BZip2) {
		_, blob := s.compressed()
		*l = proto.RuleList{Count: blob.rules.Count, List: append(l.List[:0], blob.rules.List...),
			Truncated: blob.rules.Truncated, Trailing: blob.rules.Trailing}
		return
	}
	r := s.stream(aspectRules)
	g := s.game()
	*l = proto.RuleList{List: l.List[:0]}
	size := 100 + r.Below(900)
	switch {
	case s.Does.Has(Split):
		size = 1500 + r.Below(6000)
	case r.oneIn(32):
		size = 0
	case r.oneIn(16):
		size = 1500 + r.Below(2000) // one datagram beyond the customary 1,400 bytes
	}
	if g.kind == arma || g.kind == dayz {
		sc.browserRules(&r, g.kind, s.Does.Has(Split), l)
		size = min(size, 200)
	}
	from := len(l.List)
	sc.drawRules(&r, size, l)
	if from > 0 {
		sc.noTwins(l.List[from:])
	}
	if s.Does.Has(Truncate) {
		sc.cutRules(s.stream(aspectCut), l)
	}
}

// drawRules adds rules of about size bytes to l, and counts them.
func (s *scratch) drawRules(r *Rand, size int, l *proto.RuleList) {
	for size > 0 {
		x := r.Uint64()
		var name, value []byte
		switch x % 64 {
		case 0:
			name = s.word(hostile[x>>8%uint64(len(hostile))])
		case 1: // two letters, the first before the second: looks like a part of an A3SB block
			name = s.word("ab")
		default:
			m := s.mark()
			s.add(prefixes[x>>8%8])
			s.add(stems[x>>16%16])
			if x>>24%2 == 0 { // the others repeat
				s.add("_")
				s.addInt(int(x >> 28 % 1000))
			}
			name = s.since(m)
		}
		if x>>40%48 == 0 {
			value = s.word(hostile[x>>48%uint64(len(hostile))])
		} else {
			value = s.word(values[x>>48%16])
		}
		l.List = append(l.List, proto.Rule{Name: name, Value: value})
		size -= len(name) + len(value) + 2
	}
	l.Count = uint16(len(l.List))
}

// noTwins renames text rules with names of two bytes if there is a browser block: readers
// could disagree whether they belong to it.
func (s *scratch) noTwins(list []proto.Rule) {
	for i := range list {
		if len(list[i].Name) == 2 {
			list[i].Name = s.word("two_letters")
		}
	}
}

// cutRules leaves out the rules from a random one on, of which a part may still
// be sent.
func (s *scratch) cutRules(c Rand, l *proto.RuleList) {
	if len(l.List) == 0 {
		l.Count = 7
		l.Truncated = true
		return
	}
	keep := c.Below(len(l.List))
	m := s.mark()
	s.text = appendString(s.text, l.List[keep].Name)
	s.text = appendString(s.text, l.List[keep].Value)
	s.text = s.text[:m+c.Below(len(s.text)-m)]
	l.Trailing = s.since(m)
	l.List = l.List[:keep]
	l.Truncated = true
}

// Compressing costs a thousand times as much as drawing rules, so the servers that compress
// share a few texts, each compressed once in a process.
const numBlobs = 16

// A blob is a RULES reply and its compressed form.
type blob struct {
	once   sync.Once
	rules  proto.RuleList
	raw    []byte // from FF FF FF FF on
	packed []byte
}

// blobs is indexed by whether the reply is truncated, and the text.
var blobs [2][numBlobs]blob

// compressed returns the text that s sends compressed, and its number.
func (s *Server) compressed() (int, *blob) {
	n := int(s.draw(aspectRules) % numBlobs)
	cut := 0
	if s.Does.Has(Truncate) {
		cut = 1
	}
	b := &blobs[cut][n]
	b.once.Do(func() {
		var sc scratch
		r := NewRand(uint64(n))
		sc.drawRules(&r, 400+n*700, &b.rules) // from one fragment to four
		if cut == 1 {
			sc.cutRules(NewRand(uint64(n)), &b.rules)
		}
		b.raw = AppendRules(nil, &b.rules)
		b.packed = AppendBZip2(nil, b.raw)
	})
	return n, b
}
