package proto

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReaderStopsAtTheFirstFieldThatDoesNotFit(t *testing.T) {
	r := reader{b: []byte{7, 'm', 'a', 'p', 0, 1, 2, 3}}
	require.EqualValues(t, 7, r.u8("protocol"))
	require.Equal(t, "map", string(r.text("map")))
	require.Zero(t, r.u32("id"), "three bytes are left")
	require.Zero(t, r.u8("players"), "it would fit, but the order of fields is lost")
	require.Nil(t, r.text("name"))

	err := r.err(KindInfo)
	require.ErrorIs(t, err, ErrShort)
	require.EqualError(t, err, "info: id: short payload at byte 5")
	require.Equal(t, []byte{1, 2, 3}, r.rest(), "a field that failed is not consumed")
}

func TestReaderTextLeavesNoRoomToAppend(t *testing.T) {
	b := []byte("ab\x00cd\x00")
	r := reader{b: b}
	s := r.text("name")
	_ = append(s, "###"...)
	require.Equal(t, "ab\x00cd\x00", string(b), "append must not write into the payload")
}

func TestReaderLittleEndian(t *testing.T) {
	r := reader{b: []byte{1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8}}
	require.EqualValues(t, 0x0201, r.u16("a"))
	require.EqualValues(t, 0x04030201, r.u32("b"))
	require.EqualValues(t, 0x0807060504030201, r.u64("c"))
	require.NoError(t, r.err(KindInfo))
	require.Empty(t, r.rest())
}
