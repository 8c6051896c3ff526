package proto

import "encoding/binary"

// A Challenge is the token that a server hands out to check that a client receives packets
// at its address. Its four bytes are opaque and are echoed as they came; the number is
// their little-endian reading. One challenge serves every query of a server (PROTOCOL: one
// per client address).
type Challenge uint32

// NoChallenge is the value in PLAYER and RULES if none is known: FF FF FF FF (Valve
// Developer wiki, "Server queries"; the Steam client itself sends zero, and servers answer
// both with a challenge).
const NoChallenge Challenge = 0xFFFFFFFF

// Bytes on the wire.
const (
	// Types, which come after FF FF FF FF.
	TypeInfoRequest         byte = 'T'
	TypePlayersRequest      byte = 'U'
	TypeRulesRequest        byte = 'V'
	TypeGetChallengeRequest byte = 'W' // legacy
	TypePingRequest         byte = 'i' // legacy
	TypeChallenge           byte = 'A'
	TypeInfo                byte = 'I'
	TypeInfoGoldSource      byte = 'm'
	TypeInfoObsolete        byte = 'C'
	TypePlayers             byte = 'D'
	TypeRules               byte = 'E'
	TypePing                byte = 'j'
	TypePrint               byte = 'l' // a ban notice: text until NUL (ReHLDS engine/net.h)
	TypeReject              byte = '9' // connection rejected: text until NUL

	// The bits of an INFO's EDF. Their fields come in the order of this list, which is not
	// the order of the bits.
	EDFGamePort  byte = 0x80 // GamePort
	EDFSteamID   byte = 0x10 // SteamID
	EDFSpectator byte = 0x40 // SpectatorPort and SpectatorName
	EDFKeywords  byte = 0x20 // Keywords
	EDFGameID    byte = 0x01 // GameID
)

// infoPayload is the text that every INFO request carries, with its NUL.
const infoPayload = "Source Engine Query\x00"

// AppendRequest appends the request of kind k with c to dst: 25 bytes for INFO, or 29 with
// a challenge, 9 for PLAYER and RULES, 5 for the legacy A2A_PING, which carries none. The
// first INFO of a conversation goes without a challenge, as firewalls and old servers
// expect: c is [NoChallenge].
func (k Kind) AppendRequest(dst []byte, c Challenge) []byte {
	switch k {
	case KindInfo:
		dst = append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypeInfoRequest)
		dst = append(dst, infoPayload...)
		if c == NoChallenge {
			return dst
		}
	case KindPlayers:
		dst = append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypePlayersRequest)
	case KindRules:
		dst = append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypeRulesRequest)
	default:
		return append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypePingRequest)
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(c))
}

// appendGetChallengeRequest appends the legacy A2S_SERVERQUERY_GETCHALLENGE of
// 5 bytes. Some old mods hand out a challenge only for this one.
func appendGetChallengeRequest(dst []byte) []byte {
	return append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypeGetChallengeRequest)
}
