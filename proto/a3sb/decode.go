package a3sb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode"
	"unicode/utf8"

	"github.com/a2scan/a2scan/proto"
)

// Errors that [Decode] returns.
var (
	// ErrIncomplete means that rules carry chunks of a block, but not all of them.
	ErrIncomplete = errors.New("server-browser block is incomplete")
	// ErrLayout means that the game is not known, and neither layout consumes
	// the block to its last byte.
	ErrLayout = errors.New("server-browser block has the layout of neither game")
	// ErrIDLength means that a mod's id would be longer than 8 bytes. It is
	// wrapped in a *[proto.DecodeError].
	ErrIDLength = errors.New("mod id is longer than 8 bytes")
)

// Decode takes the server-browser block out of a server's rules. It returns the
// block and the other rules, in their order, in a new list; list itself is never
// changed. If the rules carry no block, the block is nil and rest is list.
//
// If a block cannot be read whole, err says why: it wraps [ErrIncomplete] if chunks
// are missing, is [ErrLayout], or is a *[proto.DecodeError] whose Offset counts in
// the unescaped block. The block is then Truncated and holds the fields before the
// damage; it is nil, and rest is list, if not even its header could be read.
//
// info is the server's INFO, which names the game by its app id, or by its folder if the id
// is unknown or missing. If it names neither game, or is nil, both layouts are tried, and
// the one that consumes every byte is kept; if both do, Arma 3's.
func Decode(list []proto.Rule, info *proto.Info) (block *Block, rest []proto.Rule, err error) {
	return decodeRules(list, gameOf(info))
}

func decodeRules(list []proto.Rule, hint game) (block *Block, rest []proto.Rule, err error) {
	var c chunks
	incomplete := c.find(list)
	if c.n == 0 {
		return nil, list, nil
	}
	block, err = decode(c.payload(list), hint)
	if incomplete != nil {
		err = incomplete
	}
	if block == nil {
		return nil, list, err
	}
	block.Truncated = err != nil
	return block, c.others(list), err
}

// decode reads an unescaped block.
func decode(payload []byte, hint game) (*Block, error) {
	if hint != unknownGame {
		return decodeAs(payload, hint)
	}
	var likely *Block
	for _, g := range []game{gameArmA3, gameDayZ} {
		b, err := decodeAs(payload, g)
		if err == nil && len(b.Trailing) == 0 {
			return b, nil
		}
		if b != nil && b.plausible() {
			if likely != nil && len(likely.Mods) == len(b.Mods) {
				return nil, ErrLayout
			}
			if likely == nil || len(likely.Mods) < len(b.Mods) {
				likely = b
			}
		}
	}
	if likely != nil {
		likely.Truncated = true
	}
	return likely, ErrLayout
}

// plausible reports whether the mods look like mods: read in the other game's
// layout, which is shifted by two bytes, they hardly ever do.
func (b *Block) plausible() bool {
	for i := range b.Mods {
		m := &b.Mods[i]
		if m.Head&^(headDLC|headIDLength) != 0 || len(m.Name) == 0 && !m.DLC || !utf8.Valid(m.Name) ||
			bytes.ContainsFunc(m.Name, unicode.IsControl) {
			return false
		}
	}
	return len(b.Mods) > 0
}

// decodeAs reads an unescaped block in the layout of g. With an error it returns a
// truncated block, or nil if the header is not whole.
func decodeAs(payload []byte, g game) (*Block, error) {
	r := reader{b: payload}
	b := &Block{Version: r.u8("version"), Flags: r.u8("flags"), DLC: r.u16("dlc")}
	if r.err != nil {
		return nil, r.err
	}
	if g == gameArmA3 {
		if raw := r.u16("difficulty"); r.err == nil {
			b.Difficulty = difficulty(raw)
		}
	}
	b.DLCHashes = r.hashes(bits.OnesCount16(b.DLC))
	b.Mods = r.mods()
	b.Signatures = r.signatures()
	if g == gameDayZ && r.err == nil && len(r.b) > r.off {
		b.Description = r.text("description")
		b.HasDescription = r.err == nil
	}
	if r.err != nil {
		b.Truncated = true
		return b, r.err
	}
	b.Trailing = r.b[r.off:]
	return b, nil
}

func difficulty(raw uint16) *Difficulty {
	return &Difficulty{
		Raw:            raw,
		Level:          uint8(raw & 7),
		AI:             uint8(raw >> 3 & 7),
		AdvancedFlight: raw&(1<<6) != 0,
		ThirdPerson:    raw&(1<<7) != 0,
		Crosshair:      raw&(1<<8) != 0,
	}
}

// Bits of a mod's head byte.
const (
	headIDLength = 0x0F
	headDLC      = 0x10
)

// minMod is the smallest size of a mod: hash, head and an empty name. It limits the count
// to the number of mods that fit into the bytes.
const minMod = 4 + 1 + 1

// A reader takes fields off a block. After the first one that does not fit it
// returns zeros.
type reader struct {
	b   []byte
	off int
	err error
}

func (r *reader) hashes(n int) (list []uint32) {
	for range n {
		h := r.u32("dlc hash")
		if r.err != nil {
			break
		}
		list = append(list, h)
	}
	return list
}

func (r *reader) mods() []Mod {
	n := int(r.u8("mods"))
	if r.err != nil || n == 0 {
		return nil
	}
	mods := make([]Mod, 0, min(n, (len(r.b)-r.off)/minMod+1))
	for range n {
		m := Mod{Hash: r.u32("mod hash"), Head: r.u8("mod head")}
		m.DLC = m.Head&headDLC != 0
		size := int(m.Head & headIDLength)
		if size > 8 {
			r.fail("mod id", ErrIDLength)
		}
		for k, c := range r.take(size, "mod id") {
			m.ID |= uint64(c) << (8 * k)
		}
		m.Name = r.text("mod name")
		if r.err != nil {
			break
		}
		mods = append(mods, m)
	}
	return mods
}

func (r *reader) signatures() [][]byte {
	n := int(r.u8("signatures"))
	if r.err != nil || n == 0 {
		return nil
	}
	list := make([][]byte, 0, min(n, len(r.b)-r.off+1))
	for range n {
		s := r.text("signature")
		if r.err != nil {
			break
		}
		list = append(list, s)
	}
	return list
}

func (r *reader) fail(field string, err error) {
	if r.err == nil {
		r.err = &proto.DecodeError{Kind: proto.KindRules, Field: "a3sb " + field, Offset: r.off, Err: err}
	}
}

func (r *reader) take(n int, field string) []byte {
	if r.err != nil || len(r.b)-r.off < n {
		r.fail(field, proto.ErrShort)
		return nil
	}
	r.off += n
	return r.b[r.off-n : r.off : r.off]
}

func (r *reader) u8(field string) uint8 {
	if p := r.take(1, field); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16(field string) uint16 {
	if p := r.take(2, field); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32(field string) uint32 {
	if p := r.take(4, field); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// text reads a length and as many bytes.
func (r *reader) text(field string) []byte { return r.take(int(r.u8(field)), field) }
