package output

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPlainPrefix holds the search eight bytes at a time to the table, for bytes
// and strings.
func FuzzPlainPrefix(f *testing.F) {
	for _, s := range []string{"", "de_dust2", "seven by", "\x7f1234567", "12345678\"", "1234567\\9", "\xff\xff\xff\xff\xff\xff\xff\xff", "       \x1f", "!!!!!!!!\"!!!!!!!\"", "\x80\x21\x21\x21\x21\x21\x21\x21"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := 0
		for want < len(b) && plain[b[want]] {
			want++
		}
		require.Equal(t, want, plainPrefix(string(b)), "%q", b)
	})
}

// Each byte at each of eight places, among plain ones and among those that carry
// and borrow most.
func TestPlainPrefixOfEveryByte(t *testing.T) {
	for _, fill := range []byte{'a', ' ', '!', '#', '[', ']', '~'} {
		for at := range 17 {
			for c := range 256 {
				b := []byte(strings.Repeat(string(fill), 17))
				b[at] = byte(c)
				want := 17
				if !plain[c] {
					want = at
				}
				require.Equal(t, want, plainPrefix(string(b)), "%q", b)
			}
		}
	}
}

// FuzzFloat: what is written reads back as the very same number.
func FuzzFloat(f *testing.F) {
	for _, v := range []float32{0, 1, -1, 0.5, 1.5, 63.999996, 64.00001, 123.25, 3521.0852, 86399.99, 16777216, 2147483520, 2147483648, 1e15, 1e-7, math.MaxFloat32} {
		f.Add(math.Float32bits(v))
		f.Add(math.Float32bits(-v))
	}
	f.Fuzz(func(t *testing.T, bits uint32) {
		v := math.Float32frombits(bits)
		text := string(appendFloat(nil, "", v))
		if v != v || math.IsInf(float64(v), 0) {
			require.Equal(t, "null", text)
			return
		}
		got, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		require.Equal(t, float64(v), got, text)
		require.True(t, strings.ContainsAny(text, ".e"), "a reader sees one type in the column: %s", text)
		require.LessOrEqual(t, len(text), 30)
	})
}

// A time of play is written without the search for the fewest digits.
func TestFloatsOfPlayers(t *testing.T) {
	for v, want := range map[float32]string{
		-1: "-1.0", 123.25: "123.25", 100.12346: "100.12345886230469", 3521.0852: "3521.085205078125", 64.5: "64.5", 0: "0.0",
	} {
		text := string(appendFloat(nil, "", v))
		_, exact := appendBinary(nil, v)
		if exact {
			got, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			require.Equal(t, float64(v), got)
		} else {
			require.Equal(t, want, text)
		}
		require.Equal(t, v != 0, exact, "%v", v)
	}
}
