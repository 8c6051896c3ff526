package targets

// A keySet is an exact set of 48-bit keys, such as an IPv4 address with a port.
//
// It is a table by linear hashing: it grows by splitting one bucket after the
// other, so that there is no moment at which an old and a new table stand side
// by side, nothing becomes garbage, and no single add takes long. Keys go through
// a bijection first; the bucket's number then is 16 bits of the result or more,
// and 32 bits are stored. No two keys are ever taken for one.
//
// A bucket is a cache line of 15 keys, with more lines behind it where it is
// over-full. Ten million keys take 65 to 75 MB, all of it in use
// (TestKeySetMemory); the table starts at 256 KiB and at one cache line for each
// of the first 65,536 keys.
type keySet struct {
	pages    [][]keyPage // the buckets' first pages, chunkPages to a chunk
	overflow [][]keyPage // the pages behind them, likewise
	used     uint32      // pages of overflow ever handed out
	free     uint32      // link to the first page of overflow that is free, or 0

	level   uint   // bucket numbers have this many bits …
	split   uint32 // … and one more below split
	count   int
	scratch []uint32
}

// A keyPage is one cache line. link is how many of the keys are in use (its low
// 4 bits) and the number of the next page in overflow, from 1, or 0.
type keyPage struct {
	keys [pageKeys]uint32
	link uint32
}

const (
	pageKeys   = 15
	minLevel   = 16 // so that 48 - 16 bits fit 32
	chunkPages = 1 << 12
	// A bucket is split whenever buckets hold this many keys in the mean. In
	// linear hashing those that are not yet split hold up to twice as many as those
	// that are, so 15 places are well used at 11 without long chains.
	meanKeys = 11
)

const keyMask = 1<<48 - 1

// mix48 is a bijection of 48 bits: both a multiplication by an odd number and a
// shift by half the width that is added in can be undone.
func mix48(k uint64) uint64 {
	k = k * mul48a & keyMask
	k ^= k >> 24
	k = k * mul48b & keyMask
	return k ^ k>>24
}

// unmix48 undoes mix48.
func unmix48(h uint64) uint64 {
	h ^= h >> 24
	h = h * inv48b & keyMask
	h ^= h >> 24
	return h * inv48a & keyMask
}

const (
	mul48a = 0x9E3779B97F4B
	mul48b = 0xD6E8FEB86659
)

var inv48a, inv48b = inverse48(mul48a), inverse48(mul48b)

// inverse48 returns the number that undoes a multiplication by odd m, by
// Newton's method: each step doubles the bits that are right, from 3.
func inverse48(m uint64) uint64 {
	x := m
	for range 5 {
		x *= 2 - m*x
	}
	return x & keyMask
}

// len returns the number of keys.
func (s *keySet) len() int { return s.count }

// bucket returns the bucket of mixed key h and what is stored there.
func (s *keySet) bucket(h uint64) (b, stored uint32) {
	b = uint32(h & (1<<s.level - 1))
	if b < s.split {
		b = uint32(h & (1<<(s.level+1) - 1))
	}
	return b, uint32(h >> minLevel)
}

func (s *keySet) first(b uint32) *keyPage { return &s.pages[b/chunkPages][b%chunkPages] }

func (s *keySet) behind(p *keyPage) *keyPage {
	n := p.link >> 4
	if n == 0 {
		return nil
	}
	return &s.overflow[(n-1)/chunkPages][(n-1)%chunkPages]
}

// has reports whether key is in the set.
func (s *keySet) has(key uint64) bool {
	if s.count == 0 {
		return false
	}
	b, v := s.bucket(mix48(key))
	if s.pages[b/chunkPages] == nil {
		return false
	}
	for p := s.first(b); p != nil; p = s.behind(p) {
		for _, k := range p.keys[:p.link&15] {
			if k == v {
				return true
			}
		}
	}
	return false
}

// touch reads the place where key would be, and returns anything. Many touches wait for
// memory together, the adds that follow find their places in the cache.
func (s *keySet) touch(key uint64) uint32 {
	if s.pages == nil {
		return 0
	}
	b, _ := s.bucket(mix48(key))
	if chunk := s.pages[b/chunkPages]; chunk != nil {
		return chunk[b%chunkPages].link
	}
	return 0
}

// add puts key into the set and reports whether it is new.
func (s *keySet) add(key uint64) bool {
	if s.pages == nil {
		s.level = minLevel
		s.pages = make([][]keyPage, 1<<minLevel/chunkPages)
	}
	b, v := s.bucket(mix48(key))
	if s.pages[b/chunkPages] == nil {
		s.pages[b/chunkPages] = make([]keyPage, chunkPages)
	}
	p := s.first(b)
	for {
		for _, k := range p.keys[:p.link&15] {
			if k == v {
				return false
			}
		}
		next := s.behind(p)
		if next == nil {
			break
		}
		p = next
	}
	s.put(p, v)
	s.count++
	if s.count > meanKeys*(1<<s.level+int(s.split)) {
		s.grow()
	}
	return true
}

// put appends v to the chain that ends with p.
func (s *keySet) put(p *keyPage, v uint32) *keyPage {
	if p.link&15 == pageKeys {
		n := s.take()
		p.link |= n << 4
		p = s.behind(p)
	}
	p.keys[p.link&15] = v
	p.link++
	return p
}

// take returns the number of an empty page of overflow, from 1.
func (s *keySet) take() uint32 {
	if n := s.free; n != 0 {
		p := &s.overflow[(n-1)/chunkPages][(n-1)%chunkPages]
		s.free = p.link
		p.link = 0
		return n
	}
	if s.used%chunkPages == 0 {
		s.overflow = append(s.overflow, make([]keyPage, chunkPages))
	}
	s.used++
	return s.used
}

// grow splits the next bucket into two.
func (s *keySet) grow() {
	low := s.split
	high := low + 1<<s.level
	if high%chunkPages == 0 {
		s.pages = append(s.pages, make([]keyPage, chunkPages))
	}
	s.scratch = s.scratch[:0]
	if s.pages[low/chunkPages] != nil {
		first := s.first(low)
		for p := first; p != nil; p = s.behind(p) {
			s.scratch = append(s.scratch, p.keys[:p.link&15]...)
		}
		for n := first.link >> 4; n != 0; {
			p := &s.overflow[(n-1)/chunkPages][(n-1)%chunkPages]
			n, p.link, s.free = p.link>>4, s.free, n
		}
		first.link = 0
		at := [2]*keyPage{first, s.first(high)}
		for _, v := range s.scratch {
			side := v >> (s.level - minLevel) & 1
			at[side] = s.put(at[side], v)
		}
	}
	if s.split++; s.split == 1<<s.level {
		s.level++
		s.split = 0
	}
}

// all calls yield with every key, in no order, until it returns false.
func (s *keySet) all(yield func(key uint64) bool) {
	for b := range uint32(1<<s.level + int(s.split)) {
		if int(b/chunkPages) >= len(s.pages) || s.pages[b/chunkPages] == nil {
			continue
		}
		for p := s.first(b); p != nil; p = s.behind(p) {
			for _, v := range p.keys[:p.link&15] {
				if !yield(unmix48(uint64(v)<<minLevel | uint64(b&(1<<minLevel-1)))) {
					return
				}
			}
		}
	}
}
