package targets

import "math/bits"

// A SeqSet is a set of sequence numbers: a bitmap in pages of 512 bytes, each made
// when its first number arrives. Ten million numbers in a row take 1.25 MB; a
// number that is far off the others, from a damaged file say, takes one page. The
// zero SeqSet is empty and ready to use. It is not safe for concurrent use.
type SeqSet struct {
	pages map[uint64]*seqPage
	count uint64

	// The page last used: numbers come roughly in order.
	at   uint64
	last *seqPage
}

const seqPageBits = 1 << 12

type seqPage [seqPageBits / 64]uint64

// Set adds seq and reports whether it is new.
func (s *SeqSet) Set(seq uint64) bool {
	p := s.page(seq)
	if p == nil {
		if s.pages == nil {
			s.pages = make(map[uint64]*seqPage)
		}
		p = new(seqPage)
		s.pages[seq/seqPageBits] = p
		s.at, s.last = seq/seqPageBits, p
	}
	w, bit := &p[seq%seqPageBits/64], uint64(1)<<(seq%64)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	s.count++
	return true
}

// Has reports whether seq is in the set.
func (s *SeqSet) Has(seq uint64) bool {
	p := s.page(seq)
	return p != nil && p[seq%seqPageBits/64]&(1<<(seq%64)) != 0
}

// Len returns how many numbers are in the set.
func (s *SeqSet) Len() uint64 { return s.count }

// Max returns the greatest number in the set; false where it is empty.
func (s *SeqSet) Max() (uint64, bool) {
	var best *seqPage
	var at uint64
	for k, p := range s.pages {
		if best == nil || k > at {
			at, best = k, p
		}
	}
	if best == nil {
		return 0, false
	}
	for i := len(best) - 1; ; i-- {
		if best[i] != 0 {
			return at*seqPageBits + uint64(i)*64 + uint64(bits.Len64(best[i])) - 1, true
		}
	}
}

func (s *SeqSet) page(seq uint64) *seqPage {
	if k := seq / seqPageBits; s.last == nil || s.at != k {
		p := s.pages[k]
		if p == nil {
			return nil
		}
		s.at, s.last = k, p
	}
	return s.last
}
