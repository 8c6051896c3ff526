package scanner

import (
	"fmt"

	"github.com/a2scan/a2scan/mux"
)

// maxStrays is how many targets a scan may have had in flight at once for datagrams from
// other addresses to be reported in the records: a few servers that a person looks at. The
// search for the target that they belong to is linear.
const maxStrays = 64

// A stray counts datagrams that came for a target from another port or address.
type stray struct {
	from mux.Key // the first
	n    int
}

// strays keeps them by slot.
type strays []stray

// noteStray counts a datagram from an address that is no target. It belongs to the target in
// flight with that IP address, or to the only one.
func (e *engine) noteStray(from mux.Key) {
	if e.slab.fresh > maxStrays {
		return
	}
	for i := range e.slab.slots[:e.slab.fresh] {
		if e.slab.slots[i].flags&slotLive == 0 {
			continue
		}
		if k := e.table.Key(uint32(i)); e.slab.live == 1 || k.Hi == from.Hi && k.Lo == from.Lo {
			if e.strays == nil {
				e.strays = make(strays, maxStrays)
			}
			s := &e.strays[i]
			if s.n++; s.n == 1 {
				s.from = from
			}
			return
		}
	}
}

// appendTo appends the words about slot i's strays to dst, and forgets them.
func (s strays) appendTo(dst []byte, i uint32) []byte {
	if int(i) >= len(s) || s[i].n == 0 {
		return dst
	}
	came := s[i]
	s[i] = stray{}
	if came.n == 1 {
		return fmt.Appendf(dst, "1 datagram came from %s, not from the address asked", came.from.AddrPort())
	}
	return fmt.Appendf(dst, "%d datagrams came from %s, not from the address asked", came.n, came.from.AddrPort())
}
