// Package pcap reads packets from pcap and pcapng files and finds UDP datagrams in them.
package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A Reader reads the packets of a pcap or pcapng file.
type Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	next  bool     // pcapng
	links []device // pcapng: of the present section
	link  Link     // pcap
	buf   []byte
}

// A device is a pcapng interface.
type device struct {
	link Link
	snap uint32 // the most bytes per packet; 0: no limit
}

// maxPacket bounds the length of a packet or block: no link has longer packets.
const maxPacket = 16 << 20

// The first bytes of the files, in the order of the machine that wrote them.
const (
	magicMicro   = 0xA1B2C3D4
	magicNano    = 0xA1B23C4D
	magicSection = 0x0A0D0D0A // pcapng: the same in both orders
	magicOrder   = 0x1A2B3C4D
)

// Is reports whether a file that begins with head is a pcap or pcapng file.
func Is(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	_, ok := orderOf(head)
	return ok || binary.BigEndian.Uint32(head) == magicSection
}

// orderOf returns the byte order of a pcap file.
func orderOf(head []byte) (binary.ByteOrder, bool) {
	for _, o := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := o.Uint32(head); m == magicMicro || m == magicNano {
			return o, true
		}
	}
	return nil, false
}

// NewReader reads the header of a file.
func NewReader(r io.Reader) (*Reader, error) {
	p := &Reader{r: bufio.NewReaderSize(r, 64<<10)}
	head, err := p.r.Peek(4)
	if err != nil {
		return nil, noEOF(err)
	}
	if binary.BigEndian.Uint32(head) == magicSection {
		p.next = true
		return p, nil
	}
	order, ok := orderOf(head)
	if !ok {
		return nil, errors.New("neither a pcap nor a pcapng file")
	}
	p.order = order
	// magic u32 | major u16 | minor u16 | zone u32 | accuracy u32 | length u32 | link u32
	b, err := p.take(24)
	if err != nil {
		return nil, noEOF(err)
	}
	p.link = Link(order.Uint32(b[20:]) & 0xFFFF)
	return p, nil
}

// Next returns the next packet, which is valid until Next is called again, and its link
// type. It returns io.EOF at the end of the file.
func (p *Reader) Next() ([]byte, Link, error) {
	if p.next {
		return p.nextBlock()
	}
	// seconds u32 | fraction u32 | captured u32 | length u32 | captured bytes
	head, err := p.take(16)
	if err != nil {
		return nil, 0, err
	}
	n := p.order.Uint32(head[8:])
	if n > maxPacket {
		return nil, 0, fmt.Errorf("a packet of %d bytes", n)
	}
	b, err := p.take(int(n))
	return b, p.link, noEOF(err)
}

// The types of pcapng blocks that are read. Others are skipped.
const (
	blockInterface = 1
	blockObsolete  = 2 // of before 2009
	blockSimple    = 3
	blockPacket    = 6
)

// nextBlock reads blocks until one has a packet.
//
//	block: type u32 | length u32 (of all) | body, padded to 4 | length u32
func (p *Reader) nextBlock() ([]byte, Link, error) {
	for {
		head, err := p.r.Peek(8)
		if err != nil {
			if len(head) > 0 {
				err = noEOF(err)
			}
			return nil, 0, err
		}
		if binary.BigEndian.Uint32(head) == magicSection {
			if err := p.section(); err != nil {
				return nil, 0, err
			}
			continue
		}
		if p.order == nil {
			return nil, 0, errors.New("no section header")
		}
		kind, n := p.order.Uint32(head), p.order.Uint32(head[4:])
		if n < 12 || n%4 != 0 || n > maxPacket {
			return nil, 0, fmt.Errorf("a block of %d bytes", n)
		}
		b, err := p.take(int(n))
		if err != nil {
			return nil, 0, noEOF(err)
		}
		data, from, ok, err := p.packet(kind, b[8:n-4])
		if ok || err != nil {
			return data, from.link, err
		}
	}
}

// section reads a section header, which has the byte order.
func (p *Reader) section() error {
	head, err := p.r.Peek(12)
	if err != nil {
		return noEOF(err)
	}
	switch {
	case binary.LittleEndian.Uint32(head[8:]) == magicOrder:
		p.order = binary.LittleEndian
	case binary.BigEndian.Uint32(head[8:]) == magicOrder:
		p.order = binary.BigEndian
	default:
		return errors.New("a section header without its byte order")
	}
	n := p.order.Uint32(head[4:])
	if n < 28 || n%4 != 0 || n > maxPacket {
		return fmt.Errorf("a section header of %d bytes", n)
	}
	p.links = p.links[:0]
	_, err = p.take(int(n))
	return noEOF(err)
}

// packet returns the packet in the body of a block, if it has one.
func (p *Reader) packet(kind uint32, b []byte) (data []byte, from device, ok bool, err error) {
	short := fmt.Errorf("a block of type %d that is too short", kind)
	i, n := uint32(0), uint32(0)
	switch kind {
	case blockInterface: // link u16 | 0 u16 | length u32 | options
		if len(b) < 8 {
			return nil, from, false, short
		}
		if len(p.links) == maxDevices {
			return nil, from, false, errors.New("too many interfaces")
		}
		p.links = append(p.links, device{Link(p.order.Uint16(b)), p.order.Uint32(b[4:])})
		return nil, from, false, nil
	case blockPacket: // interface u32 | time u64 | captured u32 | length u32 | bytes | options
		if len(b) < 20 {
			return nil, from, false, short
		}
		i, n, b = p.order.Uint32(b), p.order.Uint32(b[12:]), b[20:]
	case blockObsolete: // interface u16 | drops u16 | time u64 | captured u32 | length u32 | bytes | options
		if len(b) < 20 {
			return nil, from, false, short
		}
		i, n, b = uint32(p.order.Uint16(b)), p.order.Uint32(b[12:]), b[20:]
	case blockSimple: // length u32 | bytes
		if len(b) < 4 {
			return nil, from, false, short
		}
		n, b = p.order.Uint32(b), b[4:]
		if len(p.links) > 0 && p.links[0].snap > 0 {
			n = min(n, p.links[0].snap)
		}
	default:
		return nil, from, false, nil
	}
	if i >= uint32(len(p.links)) {
		return nil, from, false, fmt.Errorf("a packet of interface %d of %d", i, len(p.links))
	}
	if n > uint32(len(b)) {
		return nil, from, false, short
	}
	return b[:n], p.links[i], true, nil
}

// maxDevices bounds the memory for interfaces.
const maxDevices = 1 << 16

// take returns the next n bytes. The error is io.EOF only if there is none.
func (p *Reader) take(n int) ([]byte, error) {
	// A length in a damaged file is not trusted with memory.
	const step = 1 << 20
	p.buf = p.buf[:0]
	for len(p.buf) < n {
		at := len(p.buf)
		p.buf = append(p.buf, make([]byte, min(n-at, step))...)
		if _, err := io.ReadFull(p.r, p.buf[at:]); err != nil {
			if at > 0 {
				err = noEOF(err)
			}
			return nil, err
		}
	}
	return p.buf, nil
}

// noEOF makes an end of the file unexpected.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
