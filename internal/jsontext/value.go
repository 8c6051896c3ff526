// Package jsontext writes JSON that is safe to show on a terminal.
package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// AppendValue appends v as encoding/json writes it, on one line. It leaves out the escapes
// that only HTML needs, and escapes DEL and the runes of [MustEscape], so that no text in
// v can control a terminal.
func AppendValue(dst []byte, v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return dst, err
	}
	for _, r := range string(bytes.TrimSuffix(b.Bytes(), []byte{'\n'})) {
		// DEL and runes beyond ASCII occur only in strings, so an escape is valid.
		if r == 0x7F || r >= utf8.RuneSelf && MustEscape(r) {
			dst = fmt.Appendf(dst, `\u%04x`, r)
			continue
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

// MustEscape reports whether r, a valid rune beyond ASCII, is escaped: C1, the
// separators U+2028 and U+2029, and the embeddings, overrides and isolates of
// the bidirectional algorithm (U+202A to U+202E, U+2066 to U+2069).
func MustEscape(r rune) bool {
	return r <= 0x9F || r >= 0x2028 && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}
