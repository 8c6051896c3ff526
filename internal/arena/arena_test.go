package arena

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArenaKeepsAndReturns(t *testing.T) {
	a := New(4 * chunkSize)
	long := bytes.Repeat([]byte("0123456789abcdef"), 40) // 640 bytes: three chunks
	r1, ok := a.Put(long, 7)
	require.True(t, ok)
	require.Equal(t, 640, a.Len(r1))
	require.Equal(t, uint32(7), a.Tag(r1))
	require.Equal(t, long, a.AppendTo(nil, r1))
	require.Equal(t, long[:chunkSize], a.Head(r1))
	_, ok = a.Put(make([]byte, chunkSize+1), 0)
	require.False(t, ok, "one chunk is left, two are asked for")
	r2, ok := a.Put(nil, 0)
	require.True(t, ok)
	require.Zero(t, a.Available())
	a.SetLink(r1, r2)
	a.FreeAll(r1)
	require.Zero(t, a.Used())
	require.Equal(t, 4*chunkSize, a.Peak())
	_, ok = a.Put(make([]byte, 4*chunkSize), 0)
	require.True(t, ok, "all chunks come back")
}

func TestArenaAllocatesNothing(t *testing.T) {
	a := New(1 << 16)
	b := make([]byte, 1400)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		r, _ := a.Put(b, 1)
		a.Free(r)
	}))
}

// FuzzArena plays the same operations on a map of copies.
func FuzzArena(f *testing.F) {
	f.Add([]byte{1, 200, 3, 0, 255, 9, 128, 0, 0, 77})
	f.Fuzz(func(t *testing.T, ops []byte) {
		a := New(16 * chunkSize)
		kept := map[Ref][]byte{}
		var order []Ref
		chunks := func(n int) int { return max((n+chunkSize-1)/chunkSize, 1) }
		used := 0
		for i, op := range ops {
			if op%3 == 0 && len(order) > 0 {
				at := int(op/3) % len(order)
				r := order[at]
				order = append(order[:at], order[at+1:]...)
				used -= chunks(len(kept[r]))
				a.Free(r)
				delete(kept, r)
			} else {
				b := bytes.Repeat([]byte{op, byte(i)}, int(op)*3)
				r, ok := a.Put(b, uint32(i))
				require.Equal(t, used+chunks(len(b)) <= 16, ok)
				if ok {
					used += chunks(len(b))
					require.NotContains(t, kept, r)
					kept[r], order = b, append(order, r)
				}
			}
			require.Equal(t, used*chunkSize, a.Used())
			for r, b := range kept {
				require.True(t, bytes.Equal(b, a.AppendTo(nil, r)))
			}
		}
	})
}
