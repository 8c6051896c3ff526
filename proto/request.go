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

// Type bytes, which come after FF FF FF FF.
const (
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
)

// MaxDatagram is the largest UDP payload over IPv4: 65,535 less 20 and 8 bytes
// of headers. Servers do send unsplit replies far over the customary 1,400.
const MaxDatagram = 65507

// infoPayload is the text that every INFO request carries, with its NUL.
const infoPayload = "Source Engine Query\x00"

// AppendInfoRequest appends an A2S_INFO request: 25 bytes, or 29 with a
// challenge. The first request of a conversation goes without one, as firewalls
// and old servers expect.
func AppendInfoRequest(dst []byte, c Challenge) []byte {
	dst = append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypeInfoRequest)
	dst = append(dst, infoPayload...)
	if c != NoChallenge {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(c))
	}
	return dst
}

// AppendPlayersRequest appends an A2S_PLAYER request of 9 bytes.
func AppendPlayersRequest(dst []byte, c Challenge) []byte {
	dst = append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypePlayersRequest)
	return binary.LittleEndian.AppendUint32(dst, uint32(c))
}

// AppendRulesRequest appends an A2S_RULES request of 9 bytes.
func AppendRulesRequest(dst []byte, c Challenge) []byte {
	dst = append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypeRulesRequest)
	return binary.LittleEndian.AppendUint32(dst, uint32(c))
}

// AppendGetChallengeRequest appends the legacy A2S_SERVERQUERY_GETCHALLENGE of
// 5 bytes. Some old mods hand out a challenge only for this one.
func AppendGetChallengeRequest(dst []byte) []byte {
	return append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypeGetChallengeRequest)
}

// AppendPingRequest appends the legacy A2A_PING of 5 bytes.
func AppendPingRequest(dst []byte) []byte {
	return append(dst, 0xFF, 0xFF, 0xFF, 0xFF, TypePingRequest)
}
