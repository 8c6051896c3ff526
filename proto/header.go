package proto

import "encoding/binary"

// A Header is how a datagram begins. All that a datagram can be is either one
// whole message or one fragment of a split reply:
//
//	simple   FF FF FF FF | type u8 | …
//	split    FE FF FF FF | id u32  | …
type Header struct {
	Split bool   // one fragment; its further layout is a Dialect
	Type  byte   // simple: TypeInfo and so on
	ID    uint32 // split: the same in all fragments; bit 31 may say that they are compressed
}

// Lengths of headers.
const (
	simpleHeader = 4 // FF FF FF FF; the type byte belongs to the body
	splitHeader  = 8 // FE FF FF FF and the id
)

// ParseHeader tells what the datagram b is. The body aliases b: of a simple
// message it begins at the type byte, which is what the Decode methods take; of
// a fragment it begins after the id, where dialects differ. It returns false
// for anything else, which real servers do send (a byte, 64 zeros, an error
// text in a framing of its own) and which is best dropped without a word.
func ParseHeader(b []byte) (h Header, body []byte, ok bool) {
	if len(b) <= simpleHeader {
		return Header{}, nil, false
	}
	switch binary.LittleEndian.Uint32(b) {
	case 0xFFFFFFFF:
		return Header{Type: b[simpleHeader]}, b[simpleHeader:], true
	case 0xFFFFFFFE:
		if len(b) < splitHeader {
			return Header{}, nil, false
		}
		return Header{Split: true, ID: binary.LittleEndian.Uint32(b[4:])}, b[splitHeader:], true
	}
	return Header{}, nil, false
}

// KindOfReply returns the kind of query that a reply of type t answers. It
// returns false for a challenge, which answers any of them, for requests, and
// for whatever else is not a reply.
func KindOfReply(t byte) (Kind, bool) {
	switch t {
	case TypeInfo, TypeInfoGoldSource, TypeInfoObsolete:
		return KindInfo, true
	case TypePlayers:
		return KindPlayers, true
	case TypeRules:
		return KindRules, true
	case TypePing:
		return KindPing, true
	}
	return 0, false
}

// ParseChallenge returns the token of a challenge, body beginning at its type
// byte. Some descriptions show 13 bytes in all where servers send 9; whatever
// follows the four bytes of the token is ignored.
func ParseChallenge(body []byte) (Challenge, bool) {
	if len(body) < 5 || body[0] != TypeChallenge {
		return 0, false
	}
	return Challenge(binary.LittleEndian.Uint32(body[1:])), true
}
