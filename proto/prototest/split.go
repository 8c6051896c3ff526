package prototest

import (
	"hash/crc32"
	"time"

	"github.com/a2scan/a2scan/proto"
)

// A Splitter cuts a message into the datagrams of a split reply.
type Splitter struct {
	Dialect proto.Dialect
	Size    int // payload bytes per fragment; also the size field, if the dialect has one
	ID      uint32
	// Packed is the compressed message, if that is to be sent; the id then has bit 31
	// set.
	Packed []byte
}

// Fragments returns how many datagrams message becomes.
func (sp *Splitter) Fragments(message []byte) int {
	if sp.Packed != nil {
		message = sp.Packed
	}
	return max(1, (len(message)+sp.Size-1)/sp.Size)
}

// AppendFragment appends the i-th datagram of message, which is the whole message
// with its FF FF FF FF, if the server sends one.
func (sp *Splitter) AppendFragment(dst, message []byte, i int) []byte {
	total := sp.Fragments(message)
	id, payload := sp.ID, message
	if sp.Packed != nil {
		id, payload = id|1<<31, sp.Packed
	}
	dst = append(dst, 0xFE, 0xFF, 0xFF, 0xFF)
	dst = le.AppendUint32(dst, id)
	switch sp.Dialect {
	case proto.DialectGoldSource:
		dst = append(dst, byte(i<<4|total))
	case proto.DialectSourceNoSize:
		dst = append(dst, byte(total), byte(i))
	default:
		dst = le.AppendUint16(append(dst, byte(total), byte(i)), uint16(sp.Size))
	}
	if i == 0 && sp.Packed != nil {
		dst = le.AppendUint32(dst, uint32(len(message)))
		dst = le.AppendUint32(dst, crc32.ChecksumIEEE(message))
	}
	return append(dst, payload[i*sp.Size:min((i+1)*sp.Size, len(payload))]...)
}

// noSize reports whether s splits without a size field. Only servers of the games in
// noSizeGames do.
func (s *Server) noSize() bool {
	return s.Does.Has(Split|BZip2) && !s.Does.Has(GoldSource|Ship) && s.draw(aspectFlavour)>>8%4 == 0
}

// splitter returns how s splits.
func (s *Server) splitter(r *Rand) Splitter {
	sp := Splitter{Dialect: proto.DialectSource, Size: sizeDefault, ID: uint32(r.Uint64() >> 33)}
	x := s.draw(aspectFlavour) >> 8
	switch {
	case s.Does.Has(GoldSource):
		sp.Dialect, sp.Size = proto.DialectGoldSource, sizeGoldSource
	case s.noSize():
		sp.Dialect = proto.DialectSourceNoSize
	case x%4 == 1:
		sp.Size = sizeSmall
	}
	if s.Does.Has(Split) && !s.Does.Has(GoldSource) && x>>8%16 == 0 {
		sp.ID |= 1 << 31 // a counter that overflowed; nothing is compressed
	}
	return sp
}

// sendMessage adds r.message as s sends it: whole, or split.
func (r *Replies) sendMessage(s *Server, delay time.Duration) {
	message := r.message
	x := s.draw(aspectFlavour) >> 24
	if s.Does.Has(Split|BZip2) && (len(message) > sizeSmall || x%16 == 0) { // some split replies that would fit
		sp := s.splitter(&r.rand)
		if x>>4%16 == 0 && !s.Does.Has(GoldSource) {
			message = message[4:] // some leave the inner FF FF FF FF out
		}
		r.sendFragments(&sp, message, delay)
		return
	}
	r.add(message, delay)
}

// sendFragments adds all fragments of message.
func (r *Replies) sendFragments(sp *Splitter, message []byte, delay time.Duration) {
	for i := range sp.Fragments(message) {
		from := len(r.buf)
		r.buf = sp.AppendFragment(r.buf, message, i)
		r.end(from, delay)
	}
}
