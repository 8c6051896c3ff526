package output

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// AppendValue appends v as encoding/json writes it, on one line, without the escapes that
// only HTML needs and with those that [AppendJSON] adds: nothing of it acts on a terminal.
func AppendValue(dst []byte, v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return dst, err
	}
	for _, r := range string(bytes.TrimSuffix(b.Bytes(), []byte{'\n'})) {
		switch {
		case r == 0x7F: // which stands, like all that is not ASCII, in strings alone
			dst = appendEscape(dst, byte(r))
		case r >= utf8.RuneSelf && mustEscape(r):
			dst = appendRune(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst, nil
}
