package prototest

import (
	"bytes"
	"compress/bzip2"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBZip2RoundTrip(t *testing.T) {
	noise := make([]byte, 101_000) // more than a block
	r := NewRand(1)
	for i := range noise {
		noise[i] = byte(r.Uint64())
	}
	for _, tc := range []struct {
		name string
		in   []byte
	}{
		{"empty", nil},
		{"one byte", []byte{0}},
		{"runs around the four that are counted", []byte("aaabbbbcccccdddddd")},
		{"the longest run, and one more", append(bytes.Repeat([]byte{'x'}, 255), bytes.Repeat([]byte{'y'}, 256)...)},
		{"periodic: rotations never differ", bytes.Repeat([]byte("ab"), 500)},
		{"text", []byte(strings.Repeat("sv_gravity\x00800\x00mp_timelimit\x000\x00", 200))},
		{"every byte", noise[:5000]},
		{"two blocks", noise},
	} {
		t.Run(tc.name, func(t *testing.T) {
			packed := AppendBZip2([]byte("kept"), tc.in)
			require.Equal(t, "keptBZh1", string(packed[:8]))
			got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed[4:])))
			require.NoError(t, err)
			require.True(t, bytes.Equal(tc.in, got))

			few := tc.in[:min(len(tc.in), 300)]
			for _, size := range []int{1, 100} {
				got, err = io.ReadAll(bzip2.NewReader(bytes.NewReader(AppendBZip2Blocks(nil, few, size))))
				require.NoError(t, err)
				require.True(t, bytes.Equal(few, got), "in blocks of %d", size)
			}
		})
	}
}

func FuzzBZip2(f *testing.F) {
	f.Add([]byte(nil), uint16(1))
	f.Add([]byte("abracadabra"), uint16(3))
	f.Add([]byte{0, 0, 0, 0, 0, 255, 255, 255, 255}, uint16(40))
	f.Fuzz(func(t *testing.T, in []byte, times uint16) {
		in = bytes.Repeat(in, int(times%64))
		if len(in) > 1<<14 {
			return
		}
		got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(AppendBZip2(nil, in))))
		require.NoError(t, err)
		require.True(t, bytes.Equal(in, got))
	})
}

func TestHuffmanLengthsAreLimited(t *testing.T) {
	count := []int{1, 1} // Fibonacci's numbers make the deepest tree
	for len(count) < 30 {
		count = append(count, count[len(count)-1]+count[len(count)-2])
	}
	for _, limit := range []int{29, 17, 6} {
		sum := 0.0
		longest := 0
		for _, l := range huffmanLengths(count, limit) {
			sum += 1 / float64(int(1)<<l)
			longest = max(longest, l)
		}
		require.Equal(t, 1.0, sum, "a code that is whole and has no conflicts")
		require.LessOrEqual(t, longest, limit)
		require.Equal(t, limit == 29, longest == 29, "without a limit the tree is as deep as it can be")
	}
}
