package proto

import "encoding/binary"

// A header is how a datagram begins. All that a datagram can be is either one
// whole message or one fragment of a split reply:
//
//	simple   FF FF FF FF | type u8 | …
//	split    FE FF FF FF | id u32  | …
type header struct {
	Split bool   // one fragment; its further layout is a Dialect
	Type  byte   // simple: TypeInfo and so on
	ID    uint32 // split: the same in all fragments; bit 31 may say that they are compressed
}

// Lengths of headers.
const (
	simpleHeader = 4 // FF FF FF FF; the type byte belongs to the body
	splitHeader  = 8 // FE FF FF FF and the id
)

// parseHeader parses the beginning of the datagram b. The body aliases b. The body of a
// simple message begins at the type byte, as the Decode methods expect; the body of a
// fragment begins after the id, where dialects differ. It returns false for anything else.
// Real servers send such datagrams (one byte, 64 zeros, an error text in another framing);
// drop them silently.
func parseHeader(b []byte) (h header, body []byte, ok bool) {
	if len(b) <= simpleHeader {
		return header{}, nil, false
	}
	switch binary.LittleEndian.Uint32(b) {
	case 0xFFFFFFFF:
		return header{Type: b[simpleHeader]}, b[simpleHeader:], true
	case 0xFFFFFFFE:
		if len(b) < splitHeader {
			return header{}, nil, false
		}
		return header{Split: true, ID: binary.LittleEndian.Uint32(b[4:])}, b[splitHeader:], true
	}
	return header{}, nil, false
}

// kindOfReply returns the kind of query that a reply of type t answers. It returns false
// for requests, unknown types, and a challenge, which answers any query.
func kindOfReply(t byte) (Kind, bool) {
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

// parseChallenge returns the token of a challenge; body begins at its type byte. Bytes
// behind the four bytes of the token are ignored: some descriptions show 13 bytes in all,
// servers send 9.
func parseChallenge(body []byte) (Challenge, bool) {
	if len(body) < 5 || body[0] != TypeChallenge {
		return 0, false
	}
	return Challenge(binary.LittleEndian.Uint32(body[1:])), true
}
