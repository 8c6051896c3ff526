package vector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto/internal/vector"
)

func TestParse(t *testing.T) {
	v, err := vector.Parse(`# about it
kind: info
why: it has a colon: here

FF FF FFff 49 # type
  "a # b" 00"c\x01"00
--
0102 -- not a separator
`)
	require.ErrorContains(t, err, "line 8")
	require.Nil(t, v)

	v, err = vector.Parse("# about it\nkind: info\nwhy: it has a colon: here\n\nFF FF FFff 49 # type\n  \"a # b\" 00\"c\\x01\"00\n-- # next\n0102\n")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"kind": "info", "why": "it has a colon: here"}, v.Header)
	require.Equal(t, [][]byte{[]byte("\xff\xff\xff\xffIa # b\x00c\x01\x00"), {1, 2}}, v.Datagrams)
}

func TestParseNamesTheLine(t *testing.T) {
	for in, want := range map[string]string{
		"kind: x\n\nFF F":      `line 3: "F"`,
		"FF\nFF\n\"open":       `line 3:`,
		"FF ZZ":                `line 1: "ZZ"`,
		"kind: x\n00\nkind: x": `line 3: "kind:"`,
	} {
		_, err := vector.Parse(in)
		require.ErrorContains(t, err, want, "%q", in)
	}
}
