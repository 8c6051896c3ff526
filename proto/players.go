package proto

import (
	"bytes"
	"encoding/binary"
	"math"
)

// PlayerList is a decoded PLAYER reply. It can be reused: Decode keeps List's memory.
type PlayerList struct {
	// Count is the server's byte. It wraps above 255 while the entries go on,
	// so len(List) is the truth.
	Count uint8
	List  []Player
	// Ship reports that a block of deaths and money followed the list (The Ship).
	Ship bool
	// Truncated reports that the reply holds fewer whole entries than Count.
	Truncated bool
	Trailing  []byte // the bytes behind the last whole entry: a part of one, or padding
}

// A Player is one entry of a PLAYER reply. Name aliases the payload.
type Player struct {
	Index    uint8   // zero for almost everyone
	Name     []byte  // often empty, often not unique
	Score    int32   // signed: negative scores exist
	Duration float32 // seconds; -1 is a bot; may be NaN or infinite
	Deaths   int32   // The Ship
	Money    int32   // The Ship
}

// Sizes of an entry.
const (
	playerTail = 4 + 4 // score and duration, after the name
	shipEntry  = 4 + 4 // deaths and money, in the block after the list
)

// Decode sets p from the PLAYER reply b, which begins at the type byte. The names
// alias b; List keeps its memory from one call to the next.
//
// The list is read to the end of b, not to Count, which wraps at 256 (ruling
// D-10). A last entry that is cut off is left out, and Truncated is set if Count
// includes it; that is no error. Zeros at the end of b are padding, unless Count
// includes them. An error (a *[DecodeError]) means that b is no PLAYER reply or has
// no count.
func (p *PlayerList) Decode(b []byte) error { return p.DecodeAfter(b, nil) }

// DecodeAfter is Decode for a server whose INFO is known. Eight bytes per player
// behind the list are The Ship's block only if info does not name another game
// (ruling D-18). A nil info is an unknown one.
func (p *PlayerList) DecodeAfter(b []byte, info *Info) error {
	*p = PlayerList{List: p.List[:0]}
	r := reader{b: b}
	if err := r.kind(KindPlayers, TypePlayers); err != nil {
		p.Truncated = true
		return err
	}
	p.Count = r.u8("count")
	if err := r.err(KindPlayers); err != nil {
		p.Truncated = true
		return err
	}
	count := int(p.Count)
	rest := r.rest()
	ship := info == nil || info.mayBeTheShip()
	zeros := -1 // at the end of b; not counted yet
	for len(rest) > 0 {
		// The Ship's numbers come in one block after all players, not with each
		// of them (ruling D-5). Its length identifies it.
		if ship && len(p.List) == count && len(rest) == shipEntry*count {
			p.decodeShip(rest)
			rest = rest[len(rest):]
			break
		}
		if len(p.List) >= count {
			if zeros < 0 {
				zeros = len(b) - len(bytes.TrimRight(b, "\x00"))
			}
			if len(rest) <= zeros && !p.wrapsWith(len(rest)) {
				break
			}
		}
		name := rest[1:]
		n := bytes.IndexByte(name, 0)
		if n < 0 || len(name)-(n+1) < playerTail {
			break
		}
		tail := name[n+1:]
		p.List = append(p.List, Player{
			Index:    rest[0],
			Name:     name[:n:n],
			Score:    int32(binary.LittleEndian.Uint32(tail)),
			Duration: math.Float32frombits(binary.LittleEndian.Uint32(tail[4:])),
		})
		rest = tail[playerTail:]
	}
	p.Trailing = rest
	p.Truncated = len(p.List) < count
	return nil
}

// wrapsWith reports whether n bytes of zeros at the end are players without a name:
// the count has wrapped already, and is right if they are included.
func (p *PlayerList) wrapsWith(n int) bool {
	const entry = 1 + 1 + playerTail // without a name
	return len(p.List) > int(p.Count) && n%entry == 0 && uint8(len(p.List)+n/entry) == p.Count
}

// decodeShip reads the block that The Ship appends.
func (p *PlayerList) decodeShip(block []byte) {
	p.Ship = true
	for i := range p.List {
		e := block[i*shipEntry:]
		p.List[i].Deaths = int32(binary.LittleEndian.Uint32(e))
		p.List[i].Money = int32(binary.LittleEndian.Uint32(e[4:]))
	}
}

// IsBot reports whether the entry is a bot by its duration: The Ship and Xash
// write -1 for players that never connected.
func (p *Player) IsBot() bool { return p.Duration == -1 }
