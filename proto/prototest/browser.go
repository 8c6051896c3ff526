package prototest

import (
	"math/bits"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// browserChunk is the longest value seen of a rule that carries a part of the
// block (the documents say 124).
const browserChunk = 127

// browserRules adds to l the rules in which an Arma 3 or DayZ server hides its
// server-browser block, and leaves the block in s.block.
func (s *scratch) browserRules(r *Rand, kind gameKind, big bool, l *proto.RuleList) {
	s.drawBlock(r, kind, big)
	s.packed = AppendBlock(s.packed[:0], &s.block)
	m := s.mark()
	for _, c := range s.packed { // the three bytes that a string can't hold, or that mark the escape
		switch c {
		case 0x01:
			s.text = append(s.text, 1, 1)
		case 0x00:
			s.text = append(s.text, 1, 2)
		case 0xFF:
			s.text = append(s.text, 1, 3)
		default:
			s.text = append(s.text, c)
		}
	}
	escaped := s.since(m) // a cut may split an escape: readers join first
	n := (len(escaped) + browserChunk - 1) / browserChunk
	backwards := r.oneIn(8)
	for k := range n {
		i := k
		if backwards {
			i = n - 1 - k
		}
		m := s.mark()
		s.text = append(s.text, byte(i+1), byte(n))
		l.List = append(l.List, proto.Rule{Name: s.since(m),
			Value: escaped[i*browserChunk : min((i+1)*browserChunk, len(escaped))]})
	}
}

// drawBlock fills s.block. Every block has a mod, so that none reads as well in
// the other game's layout.
func (s *scratch) drawBlock(r *Rand, kind gameKind, big bool) {
	b := &s.block
	*b = a3sb.Block{DLCHashes: b.DLCHashes[:0], Mods: b.Mods[:0], Signatures: b.Signatures[:0]}
	b.Version = uint8(2 + r.Below(2))
	b.Flags = uint8(r.Below(2)) * 8
	some, others := uint16(r.Uint64()), uint16(r.Uint64())
	b.DLC = some & others
	for range bits.OnesCount16(b.DLC) {
		b.DLCHashes = append(b.DLCHashes, uint32(r.Uint64()))
	}
	if kind == arma {
		raw := uint16(r.Below(512))
		s.difficulty = a3sb.Difficulty{Raw: raw, Level: uint8(raw & 7), AI: uint8(raw >> 3 & 7),
			AdvancedFlight: raw>>6&1 != 0, ThirdPerson: raw>>7&1 != 0, Crosshair: raw>>8&1 != 0}
		b.Difficulty = &s.difficulty
	} else {
		b.Version = uint8(2 - r.Below(4)/3) // one in four is the older 1, without description
	}
	n := 1 + r.Below(8)
	if big {
		n += 30
	}
	for range n {
		x := r.Uint64()
		mod := a3sb.Mod{Hash: uint32(x >> 32), Head: 4}
		switch x % 16 {
		case 0, 1: // a creator DLC: three bytes of app id, no name
			mod.DLC, mod.Head = true, 0x13
			mod.ID = 0x100000 | x>>8&0xFFFFF
		case 2:
			mod.ID, mod.Head = x|1<<63, 8
			mod.Name = s.word("an id of eight bytes")
		case 3:
			mod.ID = x >> 40
			mod.Name = s.word(hostile[x>>8%uint64(len(hostile))])
		default:
			mod.ID = 450814997 + x>>8&0x7FFFFFFF
			mod.Name = s.serverName(r)
		}
		b.Mods = append(b.Mods, mod)
	}
	for range r.Below(6) {
		b.Signatures = append(b.Signatures, s.word(stems[r.Below(16)], "_v", values[r.Below(2)]))
	}
	if kind == dayz && b.Version > 1 {
		b.HasDescription = true
		b.Description = s.serverName(r)
	}
}

// AppendBlock appends b before it is escaped and cut into rules, with the difficulty and
// description that b has. The low nibble of a mod's Head is the number of bytes of its id.
func AppendBlock(dst []byte, b *a3sb.Block) []byte {
	dst = le.AppendUint16(append(dst, b.Version, b.Flags), b.DLC)
	if b.Difficulty != nil {
		dst = le.AppendUint16(dst, b.Difficulty.Raw)
	}
	for _, h := range b.DLCHashes {
		dst = le.AppendUint32(dst, h)
	}
	dst = append(dst, byte(len(b.Mods)))
	for i := range b.Mods {
		m := &b.Mods[i]
		dst = le.AppendUint32(dst, m.Hash)
		dst = append(dst, m.Head)
		for n := range m.Head & 0xF {
			dst = append(dst, byte(m.ID>>(8*n)))
		}
		dst = appendShort(dst, m.Name)
	}
	dst = append(dst, byte(len(b.Signatures)))
	for _, sig := range b.Signatures {
		dst = appendShort(dst, sig)
	}
	if b.HasDescription {
		dst = appendShort(dst, b.Description)
	}
	return dst
}

// appendShort appends a string behind its length in one byte.
func appendShort(dst, s []byte) []byte {
	s = s[:min(len(s), 255)]
	return append(append(dst, byte(len(s))), s...)
}
