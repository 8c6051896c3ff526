package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// FuzzAppendValue: what is read back is what was given, and nothing in it acts on a
// terminal.
func FuzzAppendValue(f *testing.F) {
	for _, s := range []string{"", "a<b>&c", "\u009b31m\x7f\u202e", "\u2028\u2029\u2066\u2069", "\xff\x00\x1b[2J", "ф界\U0001F600", `\u009b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := map[string]string{"a" + s: s}
		b, err := AppendValue([]byte("-"), v)
		require.NoError(t, err)
		require.Equal(t, byte('-'), b[0])
		for _, r := range string(b) {
			require.False(t, unicode.IsControl(r) || strings.ContainsRune("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", r), "%q", b)
		}
		var got, want map[string]string
		require.NoError(t, json.Unmarshal(b[1:], &got), "%s", b)
		plain, err := json.Marshal(v)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(plain, &want))
		require.Equal(t, want, got)
	})
}
