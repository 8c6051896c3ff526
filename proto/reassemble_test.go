package proto_test

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// referenceReassemble joins the fragments of one reply, all of which are given,
// in any order and some perhaps twice. It is the assembler's oracle: slow,
// short, and written from the protocol's text alone. It returns the reply from
// its type byte on.
func referenceReassemble(t testing.TB, datagrams [][]byte) []byte {
	t.Helper()
	type layout struct {
		header     int
		position   func(d []byte) (index, total int)
		compressed bool
	}
	nibbles := func(d []byte) (int, int) { return int(d[8] >> 4), int(d[8] & 0xF) }
	octets := func(d []byte) (int, int) { return int(d[9]), int(d[8]) }
	hasAt := func(d []byte, at int, s string) bool { return len(d) > at && bytes.HasPrefix(d[at:], []byte(s)) }

	// Only fragment 0 shows the layout.
	var l *layout
	for _, d := range datagrams {
		require.True(t, hasAt(d, 0, "\xfe\xff\xff\xff"))
		require.Equal(t, datagrams[0][4:8], d[4:8], "fragments of different replies")
		bit31 := d[7]&0x80 != 0
		switch {
		case hasAt(d, 9, "\xff\xff\xff\xff") && d[8]>>4 == 0:
			l = &layout{header: 9, position: nibbles}
		case hasAt(d, 12, "\xff\xff\xff\xff"):
			l = &layout{header: 12, position: octets}
		case hasAt(d, 10, "\xff\xff\xff\xff"):
			l = &layout{header: 10, position: octets}
		case bit31 && hasAt(d, 20, "BZh"):
			l = &layout{header: 12, position: octets, compressed: true}
		case bit31 && hasAt(d, 18, "BZh"):
			l = &layout{header: 10, position: octets, compressed: true}
		}
		if l != nil {
			break
		}
	}
	require.NotNil(t, l, "no fragment 0")

	parts := map[int][]byte{}
	total := 0
	for _, d := range datagrams {
		var index int
		index, total = l.position(d)
		require.Less(t, index, total)
		if _, twice := parts[index]; !twice {
			parts[index] = d[l.header:]
		}
	}
	require.Len(t, parts, total)
	var joined []byte
	for i := range total {
		joined = append(joined, parts[i]...)
	}
	if l.compressed {
		size, sum := binary.LittleEndian.Uint32(joined), binary.LittleEndian.Uint32(joined[4:])
		plain, err := io.ReadAll(io.LimitReader(bzip2.NewReader(bytes.NewReader(joined[8:])), 1<<20))
		require.NoError(t, err)
		require.EqualValues(t, size, len(plain))
		require.Equal(t, sum, crc32.ChecksumIEEE(plain))
		joined = plain
	}
	return bytes.TrimPrefix(joined, []byte{0xFF, 0xFF, 0xFF, 0xFF})
}
