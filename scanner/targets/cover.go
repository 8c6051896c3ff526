package targets

import "slices"

// A cover remembers the prefixes and ranges that were expanded, so that their
// targets need not be remembered one by one: a /0 costs as much as a /24. It
// is a sorted list of disjoint stretches of addresses, each with the ports that
// were asked for there, cut into chunks so that adding in any order stays
// cheap. A stretch takes 64 bytes with its share of the list; neighbours with
// the same ports become one.
type cover struct {
	chunks [][]stretch // none empty, each at most coverChunk long
}

type stretch struct {
	interval
	ports *Ports
}

const coverChunk = 512

func (c *cover) empty() bool { return len(c.chunks) == 0 }

// has reports whether port of a was claimed.
func (c *cover) has(a address, port uint16) bool {
	if c.empty() {
		return false
	}
	i, j := c.find(a)
	return i < len(c.chunks) && c.chunks[i][j].contains(a) && c.chunks[i][j].ports.Has(port)
}

// find returns the first stretch that ends at a or behind it: its chunk and its
// place in there. The chunk is len(c.chunks) if there is none.
func (c *cover) find(a address) (chunk, place int) {
	chunk, _ = slices.BinarySearchFunc(c.chunks, a, func(s []stretch, a address) int {
		return endsBefore(s[len(s)-1], a)
	})
	if chunk < len(c.chunks) {
		place, _ = slices.BinarySearchFunc(c.chunks[chunk], a, endsBefore)
	}
	return chunk, place
}

func endsBefore(s stretch, a address) int {
	if s.last.less(a) {
		return -1
	}
	return 1
}

// claim adds all ports of all addresses in iv, and appends the new ones to fresh:
// disjoint stretches in order of address.
func (c *cover) claim(fresh []stretch, iv interval, ports *Ports) []stretch {
	from, i := c.find(iv.first)
	if from == len(c.chunks) && from > 0 { // sorted input: fill the last chunk
		from--
		i = len(c.chunks[from])
	}
	// repl replaces the list from place i of chunk from up to the end of iv.
	var repl []stretch
	if from < len(c.chunks) {
		repl = append(repl, c.chunks[from][:i]...)
	}
	add := func(first, last address, p *Ports) {
		if n := len(repl); n > 0 && touches(repl[n-1].last, first) && (repl[n-1].ports == p || repl[n-1].ports.same(*p)) {
			repl[n-1].last = last
			return
		}
		repl = append(repl, stretch{interval{first, last}, p})
	}
	rest, done := iv.first, false // the part of iv that is not yet claimed
	to := from
	for ; to < len(c.chunks); to++ {
		chunk := c.chunks[to]
		for ; i < len(chunk) && !iv.last.less(chunk[i].first); i++ {
			s := chunk[i]
			if s.first.less(iv.first) {
				add(s.first, iv.first.minus(1), s.ports)
				s.first = iv.first
			}
			if rest.less(s.first) {
				add(rest, s.first.minus(1), ports)
				fresh = append(fresh, stretch{interval{rest, s.first.minus(1)}, ports})
			}
			both := interval{s.first, earlier(s.last, iv.last)}
			if lacking := ports.minus(*s.ports); lacking.Len() > 0 {
				all := s.ports.plus(lacking)
				add(both.first, both.last, &all)
				fresh = append(fresh, stretch{both, &lacking})
			} else {
				add(both.first, both.last, s.ports)
			}
			if iv.last.less(s.last) {
				add(iv.last.plus(1), s.last, s.ports)
			}
			if !s.last.less(iv.last) {
				done = true
			} else {
				rest = both.last.plus(1)
			}
		}
		if i < len(chunk) {
			if !done {
				add(rest, iv.last, ports)
				fresh = append(fresh, stretch{interval{rest, iv.last}, ports})
				done = true
			}
			for _, s := range chunk[i:] {
				add(s.first, s.last, s.ports)
			}
			to++
			break
		}
		i = 0
	}
	if !done {
		add(rest, iv.last, ports)
		fresh = append(fresh, stretch{interval{rest, iv.last}, ports})
	}
	c.replace(from, to, repl)
	return fresh
}

// replace puts repl in the place of the chunks from from up to to.
func (c *cover) replace(from, to int, repl []stretch) {
	if len(repl) <= coverChunk && to-from == 1 {
		c.chunks[from] = append(c.chunks[from][:0], repl...)
		return
	}
	// Room in every chunk, or the next claim would have to split it again.
	var chunks [][]stretch
	for part := range slices.Chunk(repl, coverChunk*3/4) {
		chunks = append(chunks, append(make([]stretch, 0, coverChunk), part...))
	}
	c.chunks = slices.Replace(c.chunks, from, to, chunks...)
}
