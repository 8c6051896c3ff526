package output

import (
	"unicode/utf8"

	"github.com/a2scan/a2scan/internal/jsontext"
)

// appendSource appends the JSON object src on one line: without the white space
// between its tokens, and with the same escapes as other strings, and U+FFFD for invalid UTF-8. Anything but
// one JSON object is written as null.
func appendSource(dst, src []byte) []byte {
	if src == nil {
		return append(dst, "null"...)
	}
	d := decoder{b: src, lax: true}
	d.object()
	d.end()
	if d.err != nil {
		return append(dst, "null"...)
	}
	inString := false
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case !inString && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			continue
		case c == '"':
			inString = !inString
		case c == '\\':
			dst = append(dst, c, src[i+1])
			i++
			continue
		case c == 0x7F:
			dst = appendEscape(dst, c)
			continue
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(src[i:])
			if jsontext.MustEscape(r) {
				dst = appendRune(dst, r)
			} else {
				dst = utf8.AppendRune(dst, r)
			}
			i += size - 1
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
