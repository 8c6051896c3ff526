package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asPython returns b as Python prints bytes.
func asPython(b []byte) string {
	var s strings.Builder
	s.WriteString("b'")
	for _, c := range b {
		switch {
		case c == '\\' || c == '\'':
			s.WriteString(`\` + string(rune(c)))
		case c == '\n':
			s.WriteString(`\n`)
		case c == '\r':
			s.WriteString(`\r`)
		case c == '\t':
			s.WriteString(`\t`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&s, `\x%02x`, c)
		default:
			s.WriteByte(c)
		}
	}
	return s.String() + "'"
}

// asC returns b as a string of C, every byte escaped.
func asC(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02X`, c)
	}
	return s.String()
}

func TestParseEscaped(t *testing.T) {
	b := []byte(capturedInfo)
	octal := `\377\377\377\377I\21` + strings.ReplaceAll(capturedInfo[6:], "\x00", `\000`)
	octal = strings.NewReplacer("\n", `\n`, "\x01", `\001`, "\x03", `\003`).Replace(octal)
	for name, text := range map[string]string{
		"Python": asPython(b) + "\n", "C": `"` + asC(b) + `";`, "bare": asC(b), "bash": "$'" + asC(b) + "'", "octal": `"` + octal + `"`,
	} {
		require.Equal(t, [][]byte{b}, parseEscaped([]byte(text)), name)
	}
	require.Equal(t, [][]byte{b, b}, parseEscaped([]byte(asPython(b)+",\n\n"+asPython(b)+",\n")))
	for _, text := range []string{"", "words", "b'words'", asC(b) + `\x`, asC(b) + `\xfg`, asC(b) + `\`, `"` + asC(b), `'\xff\xff\xff\xffTSource'`, asC(b) + "\nwords", string(b)} {
		require.Nil(t, parseEscaped([]byte(text)), text)
	}
}

func FuzzParseEscaped(f *testing.F) {
	f.Add([]byte(capturedInfo), []byte(`"\377\377\377\377\x49\\\"\a"`))
	f.Fuzz(func(t *testing.T, b, text []byte) {
		for _, p := range parseEscaped(text) {
			require.True(t, isReply(p))
			require.Equal(t, [][]byte{p}, parseEscaped([]byte(asPython(p))))
		}
		reply := append([]byte("\xFF\xFF\xFF\xFFI"), b...)
		require.Equal(t, [][]byte{reply}, parseEscaped([]byte(asPython(reply))))
		require.Equal(t, [][]byte{reply, reply}, parseEscaped([]byte(asC(reply)+"\n"+asC(reply))))
	})
}

// Standard input has the forms that files have.
func TestDecodeStandardInput(t *testing.T) {
	capture := pcapFile(t, false, capturedPackets(t))
	for name, c := range map[string]struct{ text, want string }{
		"xxd":     {hex.Dump([]byte(capturedInfo)), `"name":"a name that is long"`},
		"Python":  {asPython([]byte(capturedInfo)), `"name":"a name that is long"`},
		"payload": {capturedInfo, `"name":"a name that is long"`},
		"capture": {string(capture), `"from":{"ip":"192.0.2.`},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run([]string{"decode", "-"}, strings.NewReader(c.text), &stdout, &stderr), stderr.String())
		require.Contains(t, stdout.String(), c.want, name)
		require.Empty(t, stderr.String())
	}
	var b, stdout, stderr bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(capture)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Equal(t, exitFail, run([]string{"decode", "-"}, bytes.NewReader(b.Bytes()), &stdout, &stderr))
	require.Equal(t, "a2scan: standard input is a compressed capture\na2scan: hint: gzip -dc FILE | a2scan decode -\n", stderr.String())
	require.Empty(t, stdout.String())

	path := filepath.Join(t.TempDir(), "c.pcap.gz")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	stderr.Reset()
	require.Equal(t, exitFail, run([]string{"decode", path}, nil, &stdout, &stderr))
	require.Equal(t, "a2scan: "+path+" is compressed\na2scan: hint: gzip -dc "+path+" | a2scan decode -\n", stderr.String())
	require.Empty(t, stdout.String())
}
