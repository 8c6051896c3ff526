package weblist

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// members of a row are read by hand: encoding/json would take ten times as long for a
// list of a million rows, and a kilobyte of garbage for each.

// eachMember calls yield with the keys and values of the object that text is, which is
// valid JSON. key and value are text's memory; a key with escapes is passed over.
func eachMember(text []byte, yield func(key, value []byte)) {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return
	}
	for i = skipSpace(text, i+1); text[i] != '}'; {
		end := valueEnd(text, i)
		key := text[i+1 : end-1]
		i = skipSpace(text, end) // the colon
		i = skipSpace(text, i+1) // the value
		end = valueEnd(text, i)
		yield(key, text[i:end])
		if i = skipSpace(text, end); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && isSpace(text[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// valueEnd returns where the value that begins at i ends.
func valueEnd(text []byte, i int) int {
	for depth := 0; ; {
		switch c := text[i]; {
		case c == '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case depth == 0: // a number or a word
			for i < len(text) && text[i] != ',' && text[i] != '}' && text[i] != ']' && !isSpace(text[i]) {
				i++
			}
			return i
		}
		if i++; depth == 0 {
			return i
		}
	}
}

// stringOf returns the string that value is, or nil. It is value's memory if nothing in
// it is escaped.
func stringOf(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return inner
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return nil
	}
	return []byte(s)
}

// numberOf returns the whole number that value is, or 0.
func numberOf(value []byte) int {
	n := 0
	for _, c := range value {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// onOneLine returns valid JSON without the white space between its tokens, and with
// U+FFFD for what is not UTF-8. It returns text itself if that is so already.
func onOneLine(buf, text []byte) []byte {
	spaced := false
	for i := 0; i < len(text) && !spaced; i++ {
		switch c := text[i]; {
		case c == '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case isSpace(c):
			spaced = true
		}
	}
	if spaced {
		b := bytes.NewBuffer(buf[:0])
		_ = json.Compact(b, text) // it is valid
		text = b.Bytes()
	}
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	return text
}
