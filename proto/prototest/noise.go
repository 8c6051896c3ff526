package prototest

import (
	"time"

	"github.com/a2scan/a2scan/proto"
)

// The noises are datagrams that servers send and that are no answer. Those before
// numHarmless cannot be mistaken for one; the others claim to be one and are not.
const (
	noiseEmpty      = iota
	noiseShort      // one to four bytes
	noiseHeader     // FF FF FF FF and nothing
	noiseRandom     // bytes of no framing
	noiseZeros      // 64 of them (seen)
	noiseProtobuf   // another protocol's error (seen)
	noiseType       // a type byte that no reply has
	noiseSplitShort // a fragment that ends in its header
	noiseCut        // a reply of the requested kind, cut before the fields that it needs
	noiseIndex      // a fragment with a place beyond its total
	noisePrint      // "You have been banned"
	numNoises
	numHarmless = noiseCut
)

// appendNoise appends a datagram of that sort in answer to a request of kind k.
func appendNoise(dst []byte, sort int, k proto.Kind, r *Rand) []byte {
	switch sort {
	case noiseEmpty:
	case noiseShort:
		for range 1 + r.Below(4) {
			dst = append(dst, "\x00\x01\x7F\xFF"[r.Below(4)])
		}
	case noiseHeader:
		dst = append(dst, 0xFF, 0xFF, 0xFF, 0xFF)
	case noiseRandom:
		dst = append(dst, byte(r.Below(0xFE)))
		for range r.Below(100) {
			dst = append(dst, byte(r.Uint64()))
		}
	case noiseZeros:
		dst = append(dst, make([]byte, 64)...)
	case noiseProtobuf:
		dst = append(dst, "\x08\x08\x01\x12\x19Invalid/unknown MsgID 255"...)
	case noiseType:
		dst = append(appendHeader(dst, "\x00Zz\xFF"[r.Below(4)]), "who knows\x00"...)
	case noiseSplitShort:
		dst = append(dst, "\xFE\xFF\xFF\xFF\x01\x02\x03"[:4+r.Below(4)]...)
	case noiseCut:
		switch k {
		case proto.KindPlayers:
			dst = appendHeader(dst, proto.TypePlayers)
		case proto.KindRules:
			dst = append(appendHeader(dst, proto.TypeRules), 9)
		default:
			dst = append(appendHeader(dst, proto.TypeInfo), "\x11A name that never en"...)
		}
	case noiseIndex:
		dst = append(dst, 0xFE, 0xFF, 0xFF, 0xFF)
		dst = le.AppendUint32(dst, uint32(r.Uint64()>>33))
		dst = append(dst, 0, 0, 0xE0, 0x04, 0xFF, 0xFF, 0xFF, 0xFF, proto.TypeRules)
	case noisePrint:
		dst = append(appendHeader(dst, proto.TypePrint), "You have been banned from this server.\n\x00"...)
	}
	return dst
}

// sendNoise adds one to three datagrams of noise. With harmless, none of them
// could be mistaken for an answer.
func (r *Replies) sendNoise(k proto.Kind, harmless bool, delay time.Duration) {
	sorts := numNoises
	if harmless {
		sorts = numHarmless
	}
	for range 1 + r.rand.Below(3) {
		from := len(r.buf)
		r.buf = appendNoise(r.buf, r.rand.Below(sorts), k, &r.rand)
		r.end(from, delay)
	}
}
