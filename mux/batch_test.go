package mux

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func payloads(b *Batch) (got []string) {
	for i := range b.Len() {
		got = append(got, string(b.Packet(i).Data))
	}
	return got
}

func TestBatchCommit(t *testing.T) {
	b := NewBatch(4, 8)
	require.Equal(t, 4, b.Cap())
	require.Zero(t, b.Len())

	b.Commit(nth(1), append(b.Next(), "in place"...))
	b.Commit(nth(2), []byte("copied"))
	b.Commit(nth(3), append(b.Next(), "far too long"...))
	b.Commit(nth(4), nil)
	require.Equal(t, []string{"in place", "copied", "far too ", ""}, payloads(b))
	require.Equal(t, nth(3), b.Packet(2).Peer)
	for i := range 4 {
		// The system writes to and reads from these places.
		require.Equal(t, &b.buf[8*i], unsafe.SliceData(b.Packet(i).Data))
		require.Equal(t, 8, cap(b.Packet(i).Data), "appending must not reach the neighbour")
	}
	require.Panics(t, func() { b.Commit(nth(5), nil) }, "it is full")

	b.Reset()
	require.Zero(t, b.Len())
	b.CommitFrom(nth(7), nth(8), []byte("x"))
	require.Equal(t, Packet{Peer: nth(8), Local: nth(7), Data: []byte("x")}, *b.Packet(0))
}

func TestBatchNextIsBounded(t *testing.T) {
	b := NewBatch(2, 4)
	b.Commit(nth(1), append(b.Next(), "ab"...))
	first := b.Packet(0).Data
	b.Commit(nth(2), append(b.Next(), "cdef"...))
	_ = append(first[:2:2], "####"...)
	_ = append(b.Packet(0).Data, "####"...)
	require.Equal(t, []string{"ab", "cdef"}, payloads(b))
}

func TestBatchDropFront(t *testing.T) {
	b := NewBatch(5, 8)
	fill := func() {
		b.Reset()
		for i, s := range []string{"a", "bb", "ccc", "dddd"} {
			b.CommitFrom(nth(uint32(10+i)), nth(uint32(i)), []byte(s))
		}
		b.commitICMP(nth(4), PortUnreachable)
	}
	for n, want := range [][]string{
		{"a", "bb", "ccc", "dddd", ""}, {"bb", "ccc", "dddd", ""}, {"ccc", "dddd", ""}, {"dddd", ""}, {""}, nil,
	} {
		fill()
		b.DropFront(n)
		require.Equal(t, want, payloads(b))
		for i := range b.Len() {
			p := b.Packet(i)
			require.Equal(t, nth(uint32(i+n)), p.Peer)
			if i+n < 4 {
				require.Equal(t, nth(uint32(10+i+n)), p.Local)
				require.Equal(t, &b.buf[8*i], unsafe.SliceData(p.Data))
			} else {
				require.Equal(t, PortUnreachable, p.Unreachable)
				require.Nil(t, p.Data)
			}
		}
	}
}

func TestBatchMisuse(t *testing.T) {
	for _, size := range [][2]int{{0, 1}, {-1, 1}, {MaxBatch + 1, 1}, {1, 0}, {1, MaxDatagram + 1}} {
		require.Panics(t, func() { NewBatch(size[0], size[1]) }, "%d of %d bytes", size[0], size[1])
	}
	NewBatch(MaxBatch, 1)
	NewBatch(1, MaxDatagram)
}

func TestBatchAllocs(t *testing.T) {
	b := NewBatch(64, 64)
	data := []byte("elsewhere")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b.Reset()
		for b.Len() < b.Cap() {
			b.Commit(nth(1), append(b.Next(), "in place"...))
			b.Commit(nth(2), data)
		}
		b.DropFront(10)
	}))
	require.LessOrEqual(t, unsafe.Sizeof(Packet{}), uintptr(80))
}

func TestUnreachableString(t *testing.T) {
	seen := map[string]bool{}
	for u := Reachable; u <= OtherICMP; u++ {
		s := u.String()
		require.False(t, seen[s], "%q says two things", s)
		require.Equal(t, strings.TrimSpace(s), s)
		seen[s] = true
	}
	require.Equal(t, "port unreachable", PortUnreachable.String())
	require.Equal(t, "ICMP error", Unreachable(200).String())
}

// nth returns the n-th address of 10/8, the way a scan of a prefix sees them.
func nth(n uint32) Key {
	return Key{Lo: 0xFFFF_0A00_0000 + uint64(n), Port: 27015}
}
