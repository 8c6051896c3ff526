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
	noise := make([]byte, 30_000)
	r := NewRand(1)
	for i := range noise {
		noise[i] = byte(r.Uint64())
	}
	skewed := []byte{} // counts that grow like Fibonacci's numbers make the deepest tree
	for i, a, b := 0, 1, 1; i < 24; i, a, b = i+1, b, a+b {
		skewed = append(skewed, bytes.Repeat([]byte{byte(i)}, a)...)
	}
	for i := range skewed {
		j := r.Below(i + 1)
		skewed[i], skewed[j] = skewed[j], skewed[i]
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
		{"every byte", noise},
		{"codes that would be longer than 17 bits", skewed},
		{"two blocks", bytes.Repeat(noise, 4)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			packed := AppendBZip2([]byte("kept"), tc.in)
			require.Equal(t, "keptBZh1", string(packed[:8]))
			got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed[4:])))
			require.NoError(t, err)
			require.True(t, bytes.Equal(tc.in, got))
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
