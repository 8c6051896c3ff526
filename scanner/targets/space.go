package targets

import (
	"sort"

	"github.com/a2scan/a2scan/mux"
)

// A piece is one stretch of addresses, or one name, times its ports.
type piece struct {
	name    string // a host name, or empty: then iv
	iv      interval
	scope   uint32
	ports   *Ports
	hosts   uint64 // addresses in iv; 1 for a name
	before  uint64 // targets in the pieces before this one
	origin  *Origin
	refusal Refusal
	reason  string
}

func (p *piece) size() uint64 { return p.hosts * uint64(p.ports.Len()) }

// key returns the i-th target of p, which is not a name. All addresses come on
// the first port, then all on the second: neighbours in the order are then on
// different hosts, which is kinder to hosts that count queries.
func (p *piece) key(i uint64) mux.Key {
	k := p.iv.first.plus(i % p.hosts).key(p.port(i))
	k.Scope = p.scope
	return k
}

// asked returns the key of the i-th target of p or, of a name, its port alone.
func (p *piece) asked(i uint64) mux.Key {
	if p.name != "" {
		return mux.Key{Port: p.port(i)}
	}
	return p.key(i)
}

func (p *piece) port(i uint64) uint16 { return p.ports.At(int(i / p.hosts)) }

// A space is a row of pieces. Each of its targets has a place, from 0 on, that
// is found without walking there.
type space struct {
	pieces []piece
	total  uint64
}

func (s *space) add(p piece) {
	p.before = s.total
	s.pieces = append(s.pieces, p)
	s.total += p.size()
}

func (s *space) reset() { clear(s.pieces); s.pieces, s.total = s.pieces[:0], 0 }

// at returns the piece that holds place i < total, and the place in it.
func (s *space) at(i uint64) (*piece, uint64) {
	n := sort.Search(len(s.pieces), func(k int) bool { return s.pieces[k].before > i }) - 1
	return &s.pieces[n], i - s.pieces[n].before
}

// A cursor walks over the places of a space that are one shard's, in their own
// or in random order. Shards take turns: the target with sequence number q is
// shard q mod n's.
type cursor struct {
	space *space
	base  uint64 // sequence number of place 0
	off   uint64 // the shard's first place
	step  uint64 // from one place of the shard's to the next
	left  uint64 // places to come
	next  uint64 // index among the shard's places
	perm  *permutation

	piece *piece // of the place last returned
}

// reset points c at the start of s, whose first target has sequence number
// base. A random order follows from seed; nil keeps the order of places.
func (c *cursor) reset(s *space, base, shard, shards uint64, seed *uint64) {
	*c = cursor{space: s, base: base, step: shards}
	c.off = (shard + shards - base%shards) % shards
	if c.off < s.total {
		c.left = (s.total-c.off-1)/shards + 1
	}
	if seed != nil && c.left > 1 {
		// Shards that probed in step would meet at neighbouring addresses.
		c.perm = newPermutation(c.left, mix64(*seed^mix64(base))+shard)
	}
}

// peek returns the piece of the next place and its index there, without going
// on. There is a next place.
func (c *cursor) peek() (p *piece, i, seq uint64) {
	n := c.next
	if c.perm != nil {
		n = c.perm.at(n)
	}
	place := c.off + n*c.step
	if p = c.piece; p == nil || place < p.before || place-p.before >= p.size() {
		p, _ = c.space.at(place)
		c.piece = p
	}
	return p, place - p.before, c.base + place
}

func (c *cursor) advance() { c.next++; c.left-- }
