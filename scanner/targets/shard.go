package targets

import "math/bits"

// A shard is one of n disjoint parts of all targets. The part of an address follows
// from the address and n alone, that of a host name from the name in lower case and
// n. Ports, seeds and places in a list do not matter, so machines with different
// lists agree, and all ports of an address are in one shard.
//
// The part is ⌊hash × n / 2^w⌋ of a hash of w bits:
//
//   - IPv4, w = 32: hash32 of the address as a big-endian number
//   - IPv6, w = 64: mix64(lo ^ mix64(hi)) of the upper and lower half; the zone
//     does not count
//   - names, w = 64: mix64 of the FNV-1a hash of the name
//
// docs/reliability.md promises that these never change.
type shard struct {
	index, of uint64

	// The IPv4 addresses of the shard are those whose hash is one of width hashes
	// from first. hash32 can be undone, so they can be listed as well as recognized.
	first uint32
	width uint64
}

func newShard(index, of uint64) shard {
	// ⌊h × of / 2^32⌋ is index for all h from ⌈index × 2^32 / of⌉ up to the next
	// index's.
	from, to := shardStart(index, of), shardStart(index+1, of)
	return shard{index: index, of: of, first: uint32(from), width: to - from}
}

func shardStart(index, of uint64) uint64 {
	if index == of {
		return 1 << 32
	}
	q, rem := bits.Div64(index>>32, index<<32, of)
	if rem > 0 {
		q++
	}
	return q
}

// all reports whether there are no other shards.
func (s *shard) all() bool { return s.of == 1 }

// has4 reports whether an IPv4 address is in the shard.
func (s *shard) has4(ip uint32) bool { return uint64(hash32(ip)-s.first) < s.width }

// has reports whether an address is in the shard.
func (s *shard) has(a address) bool {
	if a.is4() {
		return s.has4(uint32(a.lo))
	}
	return s.owns(mix64(a.lo ^ mix64(a.hi)))
}

// hasName reports whether a name, in lower case, is in the shard.
func (s *shard) hasName(name string) bool {
	if s.all() {
		return true
	}
	h := uint64(0xCBF29CE484222325) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001B3
	}
	return s.owns(mix64(h))
}

func (s *shard) owns(hash uint64) bool {
	part, _ := bits.Mul64(hash, s.of)
	return part == s.index
}

// skip4 returns how many of the n addresses from ip on come before the first one that
// is in the shard: n if none is. It takes about a nanosecond per address.
func (s *shard) skip4(ip uint32, n uint64) uint64 {
	first, width := s.first, s.width
	for i := range n {
		if uint64(hash32(ip+uint32(i))-first) < width {
			return i
		}
	}
	return n
}

// skip is skip4 for addresses of any one family.
func (s *shard) skip(a address, n uint64) uint64 {
	if s.all() {
		return 0
	}
	if a.is4() {
		return s.skip4(uint32(a.lo), n)
	}
	for i := range n {
		if s.has(a.plus(i)) {
			return i
		}
	}
	return n
}

// at returns the i-th IPv4 address of the shard in the order of hashes, for i < width.
func (s *shard) at(i uint64) address { return address4(unhash32(s.first + uint32(i))) }

// hash32 is a bijection of 32 bits in which every bit of x moves half of the result
// ("lowbias32" with constants of the hash-prospector project).
func hash32(x uint32) uint32 {
	x = (x ^ x>>16) * 0x21F0AAAD
	x = (x ^ x>>15) * 0xD35A2D97
	return x ^ x>>15
}

// unhash32 undoes hash32.
func unhash32(x uint32) uint32 {
	x ^= x>>15 ^ x>>30
	x *= hash32InverseB
	x ^= x>>15 ^ x>>30
	x *= hash32InverseA
	return x ^ x>>16
}

// The numbers that undo a multiplication by hash32's, modulo 2^32.
var hash32InverseA, hash32InverseB = inverse32(0x21F0AAAD), inverse32(0xD35A2D97)

func inverse32(m uint32) uint32 {
	x := m
	for range 4 { // Newton's method: 3 bits are right at first, twice as many each time
		x *= 2 - m*x
	}
	return x
}
