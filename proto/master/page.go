package master

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// A page is one datagram of a master.
type page struct {
	entries []byte
	size    int            // bytes per entry
	n       int            // entries before the end mark
	last    netip.AddrPort // the n-th
	ended   bool           // there is an end mark
	cut     bool           // it ends inside an entry
}

const (
	valveHeader = "\xff\xff\xff\xff\x66\x0a"
	xashHeader  = "\xff\xff\xff\xff\x66\x0a\x7f" // key u32, reserved u8
)

// read takes a datagram apart. It returns false for anything but a page of this list.
func (s *Session) read(b []byte) (p page, ok bool) {
	p.size = 6
	if s.cfg.XashKey != 0 {
		if len(b) < len(xashHeader)+5 || string(b[:len(xashHeader)]) != xashHeader {
			return p, false
		}
		b = b[len(xashHeader):]
		if binary.LittleEndian.Uint32(b) != s.cfg.XashKey {
			return p, false
		}
		p.entries = b[5:]
		if s.cfg.IPv6 {
			p.size = 18
		}
	} else {
		if !strings.HasPrefix(string(b[:min(len(b), len(valveHeader))]), valveHeader) {
			return p, false
		}
		p.entries = b[len(valveHeader):]
	}
	p.cut = len(p.entries)%p.size != 0
	for ; (p.n+1)*p.size <= len(p.entries); p.n++ {
		a := p.entry(p.n)
		if a.Port() == 0 && (s.cfg.XashKey != 0 || a.Addr() == netip.IPv4Unspecified()) {
			p.ended, p.cut = true, false // what follows is not the list's
			return p, true
		}
		p.last = a
	}
	return p, true
}

// entry returns the address and port of the i-th entry.
func (p *page) entry(i int) netip.AddrPort {
	b := p.entries[i*p.size:][:p.size]
	addr, _ := netip.AddrFromSlice(b[:len(b)-2])
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[len(b)-2:]))
}
