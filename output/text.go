package output

import (
	"encoding/base64"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a2scan/a2scan/internal/jsontext"
)

const hexDigits = "0123456789abcdef"

// plain reports for each byte whether a JSON string holds it unescaped. Bytes of
// longer UTF-8 sequences are not plain: they are examined by rune.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendString appends s as a JSON string with quotation marks. It escapes
// control characters, C1 (U+0080 to U+009F) included, and the line and paragraph
// separators, so that s can neither end a line nor control a terminal. It also
// escapes the characters that change the direction of the text around them.
// Each byte that is not part of valid UTF-8 becomes U+FFFD, and lossy is true.
func appendString(dst []byte, s string) (_ []byte, lossy bool) {
	dst = append(dst, '"')
	dst, lossy = appendEscaped(dst, s)
	return append(dst, '"'), lossy
}

// For eight bytes at a time, special8 sets the top bit of each byte of its result
// whose byte in x is not plain. A borrow can set the bit of a later byte too, so
// only the first bit is exact.
const (
	ones8 = 0x0101010101010101
	tops8 = 0x80 * ones8
)

func special8(x uint64) uint64 {
	quote, back := x^'"'*ones8, x^'\\'*ones8
	beyond := x | (x + ones8) // DEL and what is not ASCII
	return (beyond | (x-' '*ones8)&^x | (quote-ones8)&^quote | (back-ones8)&^back) & tops8
}

// plainPrefix returns how many bytes of s, from the first on, are plain.
func plainPrefix(s string) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if m := special8(x); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(s) && plain[s[i]]; i++ {
	}
	return i
}

// appendEscaped is appendString without the quotes.
func appendEscaped(dst []byte, s string) (_ []byte, lossy bool) {
	if n := plainPrefix(s); n < len(s) {
		return appendUnplain(dst, s, n)
	}
	return append(dst, s...), false
}

// appendUnplain is appendEscaped for a string of which the first n bytes are
// plain and the next one is not.
func appendUnplain(dst []byte, s string, n int) (_ []byte, lossy bool) {
	done := 0 // s[:done] is in dst
	for i := n; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= 0xC3 && c < 0xE0 && i+1 < len(s) && s[i+1]&0xC0 == 0x80 {
			i += 2 // U+00C0 to U+07FF, none of which is escaped
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[done:i]...)
			dst = appendEscape(dst, c)
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			lossy = true
			dst = append(dst, s[done:i]...)
			dst = append(dst, "\uFFFD"...)
			done = i + 1
		case jsontext.MustEscape(r):
			dst = append(dst, s[done:i]...)
			dst = appendRune(dst, r)
			done = i + size
		}
		i += size
	}
	return append(dst, s[done:]...), lossy
}

// appendEscape appends the escape of an ASCII byte.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
}

// appendRune appends the escape of a rune of at most 16 bits.
func appendRune(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&0xF], hexDigits[r>>8&0xF], hexDigits[r>>4&0xF], hexDigits[r&0xF])
}

// appendText appends a member whose value is s. key includes the punctuation, as
// in `,"name":` or `{"name":`. If s is not valid UTF-8, the member NAME_b64 with
// the true bytes follows.
func appendText(dst []byte, key string, s string) []byte {
	dst = append(dst, key...)
	dst, lossy := appendString(dst, s)
	if lossy {
		dst = appendBase64Key(dst, key)
		dst = appendBase64(dst, s)
	}
	return dst
}

// appendBase64Key appends the key NAME_b64 for the key NAME.
func appendBase64Key(dst []byte, key string) []byte {
	dst = append(dst, ',')
	dst = append(dst, key[strings.IndexByte(key, '"'):len(key)-len(`":`)]...)
	return append(dst, `_b64":`...)
}

// appendOptional is appendText, or null if s is absent.
func appendOptional(dst []byte, key string, s string, there bool) []byte {
	if !there {
		return appendNull(dst, key)
	}
	return appendText(dst, key, s)
}

// appendTexts appends a member that is an array of strings. If one of them is not
// valid UTF-8, the member NAME_b64 follows: an array of the same length that has
// the true bytes of such strings, and null for the others.
func appendTexts(dst []byte, key string, list []string) []byte {
	dst = append(dst, key...)
	dst = append(dst, '[')
	anyLossy := false
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var lossy bool
		dst, lossy = appendString(dst, s)
		anyLossy = anyLossy || lossy
	}
	dst = append(dst, ']')
	if !anyLossy {
		return dst
	}
	dst = appendBase64Key(dst, key)
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if utf8.ValidString(s) {
			dst = append(dst, "null"...)
		} else {
			dst = appendBase64(dst, s)
		}
	}
	return append(dst, ']')
}

func appendBase64(dst []byte, s string) []byte {
	dst = append(dst, '"')
	var chunk [48]byte // a multiple of 3: padding comes at the end only
	for len(s) > 0 {
		n := copy(chunk[:], s)
		dst = base64.StdEncoding.AppendEncode(dst, chunk[:n])
		s = s[n:]
	}
	return append(dst, '"')
}

func appendNull(dst []byte, key string) []byte {
	dst = append(dst, key...)
	return append(dst, "null"...)
}

// appendWord appends a member whose value is a constant that needs no escapes.
func appendWord(dst []byte, key, word string) []byte {
	dst = append(dst, key...)
	dst = append(dst, '"')
	dst = append(dst, word...)
	return append(dst, '"')
}

func appendBool(dst []byte, key string, b bool) []byte {
	dst = append(dst, key...)
	return strconv.AppendBool(dst, b)
}

func appendInt(dst []byte, key string, n int64) []byte {
	dst = append(dst, key...)
	return strconv.AppendInt(dst, n, 10)
}

func appendUint(dst []byte, key string, n uint64) []byte {
	dst = append(dst, key...)
	return strconv.AppendUint(dst, n, 10)
}

// appendOptionalUint is appendUint, or null if n is absent.
func appendOptionalUint(dst []byte, key string, n uint64, there bool) []byte {
	if !there {
		return appendNull(dst, key)
	}
	return appendUint(dst, key, n)
}

// appendOptionalInt is appendInt, or null if n is absent.
func appendOptionalInt(dst []byte, key string, n int, there bool) []byte {
	if !there {
		return appendNull(dst, key)
	}
	return appendInt(dst, key, int64(n))
}

// appendOptionalWord appends a word that is normally one of ours, or null if it
// is absent. A foreign dataset may hold any string.
func appendOptionalWord(dst []byte, key, word string, there bool) []byte {
	if !there {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	dst, _ = appendString(dst, word)
	return dst
}

// appendID appends a 64-bit id as a string, because most JSON readers keep only
// 53 bits of a number.
func appendID(dst []byte, key string, id uint64, there bool) []byte {
	if !there {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	dst = append(dst, '"')
	dst = strconv.AppendUint(dst, id, 10)
	return append(dst, '"')
}

// appendMillis appends d in milliseconds, rounded to the microsecond, with one to
// three decimals, so that readers take all of them for the same type. A negative
// d is unknown: null.
func appendMillis(dst []byte, key string, d time.Duration) []byte {
	if d < 0 {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	us := uint64(d) / 1000
	if uint64(d)%1000 >= 500 {
		us++
	}
	dst = strconv.AppendUint(dst, us/1000, 10)
	frac := us % 1000
	dst = append(dst, '.', '0'+byte(frac/100))
	if frac%100 != 0 {
		dst = append(dst, '0'+byte(frac/10%10))
		if frac%10 != 0 {
			dst = append(dst, '0'+byte(frac%10))
		}
	}
	return dst
}

// appendFloat appends f with a decimal point, or null if it is not finite. A
// reader that uses doubles, as most do, gets exactly f. With the fewest digits
// for 32 bits it would get a neighbour of f.
func appendFloat(dst []byte, key string, f float32) []byte {
	v := float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	if dst, ok := appendBinary(dst, f); ok {
		return dst
	}
	abs := math.Abs(v)
	switch {
	case abs != 0 && abs < 1e-6 || abs >= 1e21:
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	case v == 0: // never -0.0
		return append(dst, "0.0"...)
	case v == math.Trunc(v):
		return strconv.AppendFloat(dst, v, 'f', 1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// maxPlaces is how many binary places appendBinary writes out: from 64 on a float32
// has no more.
const maxPlaces = 17

var powersOf5 = func() (p [maxPlaces + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 5
	}
	return p
}()

// appendBinary appends a number between 1 and 2³¹, or the negative of one, if it
// has few binary places: there are as many decimal ones then, and to write them all is
// three times as fast as to find the fewest that would do. The time that a player
// has been on is such a number.
func appendBinary(dst []byte, f float32) (_ []byte, ok bool) {
	const fraction = 23 // bits of a float32's significand behind the point
	b := math.Float32bits(f)
	exp := int(b>>fraction&0xFF) - 127
	if exp < 0 || exp > 30 {
		return dst, false
	}
	significand := uint64(b&(1<<fraction-1) | 1<<fraction)
	places := max(fraction-exp-bits.TrailingZeros64(significand), 0)
	if places > maxPlaces {
		return dst, false
	}
	if b>>31 != 0 {
		dst = append(dst, '-')
	}
	scaled := significand << exp // by 2²³
	dst = strconv.AppendUint(dst, scaled>>fraction, 10)
	if places == 0 {
		return append(dst, ".0"...), true
	}
	rest := scaled & (1<<fraction - 1) >> (fraction - places) * powersOf5[places] // of 10^places
	var digits [1 + maxPlaces]byte
	digits[0] = '.'
	for i := places; i > 0; i-- {
		digits[i] = '0' + byte(rest%10)
		rest /= 10
	}
	return append(dst, digits[:1+places]...), true
}

// appendTime appends t in UTC as RFC 3339 with six decimals, cut, not rounded.
// The zero time, and one that needs more than four digits for its year, is
// null. It is time.Time.AppendFormat for one layout, at half the price.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if t.IsZero() || year < 0 || year > 9999 {
		return append(dst, "null"...)
	}
	hour, minute, sec := t.Clock()
	us := t.Nanosecond() / 1000
	return append(dst, '"',
		'0'+byte(year/1000), '0'+byte(year/100%10), '0'+byte(year/10%10), '0'+byte(year%10), '-',
		'0'+byte(month/10), '0'+byte(month%10), '-',
		'0'+byte(day/10), '0'+byte(day%10), 'T',
		'0'+byte(hour/10), '0'+byte(hour%10), ':',
		'0'+byte(minute/10), '0'+byte(minute%10), ':',
		'0'+byte(sec/10), '0'+byte(sec%10), '.',
		'0'+byte(us/100000), '0'+byte(us/10000%10), '0'+byte(us/1000%10),
		'0'+byte(us/100%10), '0'+byte(us/10%10), '0'+byte(us%10), 'Z', '"')
}
