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
// order or in a random one.
//
// A random order is a permutation of draws. One draw is one place, but for a range of
// IPv4 addresses that is larger than the shard's share of all of them: there a draw is
// one of the shard's addresses, which may lie outside of the range. So a range costs
// the smaller of its own size and the shard's.
type cursor struct {
	space *space
	base  uint64 // sequence number of place 0
	shard shard
	next  uint64 // place or draw
	end   uint64 // of places or draws
	draws []uint64
	perm  *permutation

	piece *piece // that the place found is in, or the one before
	index uint64 // of the place found, in piece
	found bool
}

// reset points c at the start of s, whose first target has sequence number base. A
// random order follows from seed; nil keeps the order of places.
func (c *cursor) reset(s *space, base uint64, sh shard, seed *uint64) {
	*c = cursor{space: s, base: base, shard: sh, end: s.total, draws: c.draws[:0]}
	if seed == nil || s.total < 2 {
		return
	}
	if !sh.all() {
		c.end = 0
		for i := range s.pieces {
			c.draws = append(c.draws, c.end)
			c.end += c.drawn(&s.pieces[i]) * uint64(s.pieces[i].ports.Len())
		}
	}
	c.perm = newPermutation(c.end, mix64(*seed^mix64(base)))
}

// drawn returns the draws for one port of p.
func (c *cursor) drawn(p *piece) uint64 {
	if c.listed(p) {
		return c.shard.width
	}
	return p.hosts
}

// listed reports whether the draws of p are the shard's addresses.
func (c *cursor) listed(p *piece) bool {
	return p.name == "" && p.iv.first.is4() && p.hosts > c.shard.width
}

// more reports whether there may be another target.
func (c *cursor) more() bool { return c.found || c.next < c.end }

// seek finds the next target, looking at seekPlaces places at most, and reports
// whether it did. Further calls stay there until advance is called.
func (c *cursor) seek() bool {
	if c.found {
		return true
	}
	if c.perm != nil && !c.shard.all() {
		for range seekPlaces / 16 { // a draw takes as long as 16 hashes
			if c.next == c.end {
				return false
			}
			c.next++
			if c.draw(c.perm.at(c.next - 1)) {
				c.found = true
				return true
			}
		}
		return false
	}
	for most := uint64(seekPlaces); most > 0 && c.next < c.end; {
		place := c.next
		if c.perm != nil {
			place = c.perm.at(place)
		}
		p := c.piece
		if p == nil || place < p.before || place-p.before >= p.size() {
			p, _ = c.space.at(place)
			c.piece = p
		}
		c.index = place - p.before
		if c.perm != nil { // of all shards
			c.next++
			c.found = true
			return true
		}
		if p.name != "" {
			c.next++
			if c.shard.hasName(p.name) {
				c.found = true
				return true
			}
			most--
			continue
		}
		host := c.index % p.hosts
		n := min(p.hosts-host, most)
		skipped := c.shard.skip(p.iv.first.plus(host), n)
		most -= skipped
		c.next += skipped
		if skipped < n {
			c.index += skipped
			c.next++
			c.found = true
			return true
		}
	}
	return false
}

// seekPlaces bounds what seek looks at, so that a context is noticed within
// milliseconds.
const seekPlaces = 1 << 20

// draw looks at the place of a draw, and reports whether the shard has it.
func (c *cursor) draw(i uint64) bool {
	n := sort.Search(len(c.draws), func(k int) bool { return c.draws[k] > i }) - 1
	p := &c.space.pieces[n]
	i -= c.draws[n]
	c.piece = p
	if p.name != "" {
		c.index = i
		return c.shard.hasName(p.name)
	}
	drawn := c.drawn(p)
	if !c.listed(p) {
		c.index = i
		return c.shard.has(p.iv.first.plus(i % drawn))
	}
	a := c.shard.at(i % drawn)
	c.index = i/drawn*p.hosts + (a.lo - p.iv.first.lo)
	return p.iv.contains(a)
}

// place returns the piece of the target found, its index there and its number.
func (c *cursor) place() (p *piece, i, seq uint64) {
	return c.piece, c.index, c.base + c.piece.before + c.index
}

// advance leaves the target found behind.
func (c *cursor) advance() { c.found = false }

// size returns how many targets of the space are the shard's or, if that takes too
// long to count, about how many.
func (c *cursor) size() (n uint64) {
	if c.shard.all() {
		return c.space.total
	}
	if c.space.total > countPlaces {
		return c.space.total / c.shard.of
	}
	var count cursor
	for count.reset(c.space, 0, c.shard, nil); count.more(); {
		if count.seek() {
			count.advance()
			n++
		}
	}
	return n
}

// countPlaces is the most that size counts, which takes a tenth of a second.
const countPlaces = 1 << 24
