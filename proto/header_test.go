package proto_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

func TestParseHeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want proto.Header
		body string
		ok   bool
	}{
		{"info", "\xff\xff\xff\xffI\x11name", proto.Header{Type: 'I'}, "I\x11name", true},
		{"a type and no more", "\xff\xff\xff\xffD", proto.Header{Type: 'D'}, "D", true},
		{"fragment", "\xfe\xff\xff\xff\x01\x02\x03\x84rest", proto.Header{Split: true, ID: 0x84030201}, "rest", true},
		{"fragment that ends with its id", "\xfe\xff\xff\xff\x01\x02\x03\x04", proto.Header{Split: true, ID: 0x04030201}, "", true},
		{"fragment without an id", "\xfe\xff\xff\xff\x01\x02\x03", proto.Header{}, "", false},
		{"nothing after the four bytes", "\xff\xff\xff\xff", proto.Header{}, "", false},
		{"empty", "", proto.Header{}, "", false},
		{"one byte (seen: go-a2s issue 11)", "\x01", proto.Header{}, "", false},
		{"64 zeros (seen: python-a2s issue 61)", string(make([]byte, 64)), proto.Header{}, "", false},
		{"another framing (seen: Insurgency)", "\x08\x08\x01\x12\x19Invalid/unknown MsgID 255", proto.Header{}, "", false},
		{"big-endian -2", "\xff\xff\xff\xfe\x01\x02\x03\x04", proto.Header{}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, body, ok := proto.ParseHeader([]byte(tt.in))
			require.Equal(t, tt.ok, ok)
			require.Equal(t, tt.want, h)
			require.Equal(t, tt.body, string(body))
		})
	}
}

func TestKindOfReply(t *testing.T) {
	for typ, want := range map[byte]proto.Kind{
		proto.TypeInfo:           proto.KindInfo,
		proto.TypeInfoGoldSource: proto.KindInfo,
		proto.TypeInfoObsolete:   proto.KindInfo,
		proto.TypePlayers:        proto.KindPlayers,
		proto.TypeRules:          proto.KindRules,
		proto.TypePing:           proto.KindPing,
	} {
		k, ok := proto.KindOfReply(typ)
		require.True(t, ok, "%q", typ)
		require.Equal(t, want, k, "%q", typ)
	}
	for _, typ := range []byte{proto.TypeChallenge, proto.TypePrint, 'T', 'U', 'V', 'W', 'i', 0, 0xFF} {
		_, ok := proto.KindOfReply(typ)
		require.False(t, ok, "%q", typ)
	}
}

func TestParseChallenge(t *testing.T) {
	c, ok := proto.ParseChallenge([]byte{'A', 0x4B, 0xA1, 0xD5, 0x22})
	require.True(t, ok)
	require.Equal(t, proto.Challenge(0x22D5A14B), c)

	c, ok = proto.ParseChallenge([]byte{'A', 1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFF})
	require.True(t, ok, "13 bytes in all, as old descriptions have it")
	require.Equal(t, proto.Challenge(0x04030201), c)

	for _, b := range [][]byte{nil, {'A'}, {'A', 1, 2, 3}, {'I', 1, 2, 3, 4}} {
		_, ok := proto.ParseChallenge(b)
		require.False(t, ok, "% x", b)
	}
}

// FuzzHeader puts the header back in front of the body and expects the datagram.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("\xff\xff\xff\xffI\x11name\x00"))
	f.Add([]byte("\xff\xff\xff\xffA\x01\x02\x03\x04"))
	f.Add([]byte("\xfe\xff\xff\xff\x01\x00\x00\x80\x02\x00\xe0\x04"))
	f.Add([]byte("\xfe\xff\xff\xff\x01"))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, ok := proto.ParseHeader(b)
		if !ok {
			begins := bytes.HasPrefix(b, []byte{0xFF, 0xFF, 0xFF, 0xFF}) && len(b) > 4 ||
				bytes.HasPrefix(b, []byte{0xFE, 0xFF, 0xFF, 0xFF}) && len(b) >= 8
			require.False(t, begins, "a datagram was refused")
			return
		}
		var again []byte
		if h.Split {
			again = append([]byte{0xFE, 0xFF, 0xFF, 0xFF}, binary.LittleEndian.AppendUint32(nil, h.ID)...)
		} else {
			again = []byte{0xFF, 0xFF, 0xFF, 0xFF}
			require.Equal(t, h.Type, body[0])
		}
		require.Equal(t, b, append(again, body...))

		if c, ok := proto.ParseChallenge(body); ok {
			require.Equal(t, uint32(c), binary.LittleEndian.Uint32(body[1:]))
		}
	})
}
