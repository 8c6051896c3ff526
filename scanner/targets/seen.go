package targets

import (
	"cmp"
	"slices"

	"github.com/a2scan/a2scan/mux"
)

// A seen set knows every target that was accepted, exactly: no two are taken
// for one, and none that came before is missed.
//
//   - An IPv4 address and port takes 6.5 to 7.5 bytes (see keySet).
//   - An IPv6 one stands in a built-in map, at about 60 bytes.
//   - A prefix or range takes 64 bytes or less, whatever its size (see cover).
//   - A name takes about 60 bytes once and 7 for each port.
type seen struct {
	blocks cover
	v4     keySet
	v6     map[mux.Key]struct{}
	names  map[string]uint32
	named  keySet // number of the name and port
}

func key48(a address, port uint16) uint64 { return a.lo&0xFFFFFFFF<<16 | uint64(port) }

// add puts one target into the set and reports whether it is new.
func (s *seen) add(k mux.Key) bool {
	a := address{k.Hi, k.Lo}
	if k.Scope == 0 && s.blocks.has(a, k.Port) {
		return false
	}
	if a.is4() {
		return s.v4.add(key48(a, k.Port))
	}
	if _, old := s.v6[k]; old {
		return false
	}
	if s.v6 == nil {
		s.v6 = make(map[mux.Key]struct{})
	}
	s.v6[k] = struct{}{}
	return true
}

// has reports whether one target is in the set.
func (s *seen) has(k mux.Key) bool {
	a := address{k.Hi, k.Lo}
	if k.Scope == 0 && s.blocks.has(a, k.Port) {
		return true
	}
	if a.is4() {
		return s.v4.has(key48(a, k.Port))
	}
	_, ok := s.v6[k]
	return ok
}

// addName puts a name with ports into the set and returns the ports that are
// new. name is in lower case.
func (s *seen) addName(name string, ports *Ports) *Ports {
	id, old := s.names[name]
	if !old {
		if s.names == nil {
			s.names = make(map[string]uint32)
		}
		id = uint32(len(s.names))
		s.names[name] = id
	}
	var dup Ports
	var bits portBits
	for i := range ports.Len() {
		if port := ports.At(i); !s.named.add(uint64(id)<<16 | uint64(port)) {
			dup.addNew(&bits, port, port)
		}
	}
	if dup.Len() == 0 {
		return ports
	}
	fresh := ports.minus(dup)
	return &fresh
}

// claim puts a whole interval of one family into the set and appends to dst what
// of it is new, in order of address.
func (s *seen) claim(dst []stretch, iv interval, ports *Ports) []stretch {
	fresh := s.blocks.claim(nil, iv, ports)
	hits := s.hits(iv, ports)
	for _, st := range fresh {
		dst, hits = cut(dst, st, hits)
	}
	return dst
}

// hits returns the targets of iv that were added one by one, in order of
// address.
func (s *seen) hits(iv interval, ports *Ports) []mux.Key {
	var hits []mux.Key
	v4, known := iv.first.is4(), uint64(len(s.v6))
	if v4 {
		known = uint64(s.v4.len())
	}
	if known == 0 {
		return nil
	}
	// To ask for each target costs a cache miss; to walk over all that is known
	// costs an eighth of one for each.
	if n := iv.size(); n < 1<<32 && n*uint64(ports.Len()) < known/8 {
		for a := iv.first; ; a = a.plus(1) {
			for i := range ports.Len() {
				k := a.key(ports.At(i))
				hit := false
				if v4 {
					hit = s.v4.has(key48(a, k.Port))
				} else {
					_, hit = s.v6[k]
				}
				if hit {
					hits = append(hits, k)
				}
			}
			if a == iv.last {
				break
			}
		}
		return hits
	}
	if v4 {
		s.v4.all(func(k uint64) bool {
			if a, port := address4(uint32(k>>16)), uint16(k); iv.contains(a) && ports.Has(port) {
				hits = append(hits, a.key(port))
			}
			return true
		})
	} else {
		for k := range s.v6 {
			if iv.contains(address{k.Hi, k.Lo}) && k.Scope == 0 && ports.Has(k.Port) {
				hits = append(hits, k)
			}
		}
	}
	slices.SortFunc(hits, func(a, b mux.Key) int {
		return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Port, b.Port))
	})
	return hits
}

// cut appends to dst what is left of st without hits, which are sorted, and
// returns the hits behind st.
func cut(dst []stretch, st stretch, hits []mux.Key) ([]stretch, []mux.Key) {
	from := st.first
	for len(hits) > 0 {
		a := address{hits[0].Hi, hits[0].Lo}
		if st.last.less(a) {
			break
		}
		var taken Ports
		var bits portBits
		for ; len(hits) > 0 && hits[0].Hi == a.hi && hits[0].Lo == a.lo; hits = hits[1:] {
			if st.ports.Has(hits[0].Port) {
				taken.addNew(&bits, hits[0].Port, hits[0].Port)
			}
		}
		if a.less(st.first) || taken.Len() == 0 {
			continue // in a part that an earlier block had already
		}
		if from.less(a) {
			dst = append(dst, stretch{interval{from, a.minus(1)}, st.ports})
		}
		if rest := st.ports.minus(taken); rest.Len() > 0 {
			dst = append(dst, stretch{single(a), &rest})
		}
		if a == st.last {
			return dst, hits
		}
		from = a.plus(1)
	}
	return append(dst, stretch{interval{from, st.last}, st.ports}), hits
}
