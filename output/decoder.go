package output

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// A decoder reads JSON from b. The first error stops it: i is then len(b), so
// that every loop ends, and the values that were read are meaningless.
type decoder struct {
	b       []byte
	i       int
	err     error
	lax     bool   // invalid UTF-8 is no error
	brief   bool   // the entries of lists are counted only
	seen    *texts // with brief
	depth   int    // of the value that is skipped
	scratch []byte // for strings with escapes

	// The strings of lists are substrings of one copy of the line from tailAt on.
	tail   string
	tailAt int
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("byte %d: "+format, append([]any{d.i}, args...)...)
	}
	d.i = len(d.b)
}

// space skips white space.
func (d *decoder) space() {
	for d.i < len(d.b) {
		switch d.b[d.i] {
		case ' ', '\t', '\r', '\n':
			d.i++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, 0 at the end.
func (d *decoder) peek() byte {
	if d.i < len(d.b) && d.b[d.i] > ' ' {
		return d.b[d.i]
	}
	d.space()
	if d.i < len(d.b) {
		return d.b[d.i]
	}
	return 0
}

// expect reads the one byte c.
func (d *decoder) expect(c byte) bool {
	if d.peek() != c {
		d.fail("%s", d.unexpected(strconv.QuoteRune(rune(c))))
		return false
	}
	d.i++
	return true
}

// unexpected describes the byte at i, where want should be.
func (d *decoder) unexpected(want string) string {
	if d.i >= len(d.b) {
		return "unexpected end, want " + want
	}
	return fmt.Sprintf("unexpected %q, want %s", d.b[d.i:d.i+1], want)
}

// end reads to the end of b.
func (d *decoder) end() {
	d.space()
	if d.i < len(d.b) {
		d.fail("%s", d.unexpected("the end"))
	}
}

// null reads null if it is next.
func (d *decoder) null() bool {
	if d.i < len(d.b) && (d.b[d.i] == '"' || d.b[d.i]-'0' <= 9) {
		return false // the common case, which can be inlined
	}
	return d.anyNull()
}

func (d *decoder) anyNull() bool {
	if d.peek() != 'n' {
		return false
	}
	if !d.literal("null") {
		d.fail("%s", d.unexpected("null"))
	}
	return true
}

// literal reads word if it is next.
func (d *decoder) literal(word string) bool {
	if len(d.b)-d.i < len(word) || string(d.b[d.i:d.i+len(word)]) != word {
		return false
	}
	d.i += len(word)
	return true
}

// A keySet is the keys of one kind of object.
type keySet struct {
	words []keyWords // in the order of AppendJSON, for the fast path
	index map[string]int
}

// keyWords are the bytes of `"name":` in three words, and the masks of the bytes
// that count.
type keyWords struct {
	word, mask [3]uint64
	length     int
}

// Results of member that are no index of a key. The key NAME_b64 has the index
// of NAME plus base64Key.
const (
	unknownKey = -1
	noMoreKeys = -2
	base64Key  = 64
)

// newKeySet returns the set of names, in the order in which AppendJSON writes
// them.
func newKeySet(names ...string) *keySet {
	k := &keySet{index: map[string]int{}}
	for i, name := range names {
		k.words = append(k.words, wordsOf(`"`+name+`":`))
		k.index[name] = i
		k.index[name+"_b64"] = i + base64Key
	}
	return k
}

func wordsOf(key string) keyWords {
	var text, mask [24]byte
	for i := range copy(text[:], key) {
		mask[i] = 0xFF
	}
	w := keyWords{length: len(key)}
	for i := range w.word {
		w.word[i] = binary.LittleEndian.Uint64(text[8*i:])
		w.mask[i] = binary.LittleEndian.Uint64(mask[8*i:])
	}
	return w
}

// member reads up to the value of an object's next member and returns the index
// of its key. next is the key that probably follows. open is '{' for the first
// member and ',' for the others.
func (d *decoder) member(keys *keySet, open byte, next int) int {
	if b := d.b[d.i:]; len(b) > 24 && b[0] == open && uint(next) < uint(len(keys.words)) {
		k := &keys.words[next]
		le := binary.LittleEndian
		if (le.Uint64(b[1:])^k.word[0])&k.mask[0]|(le.Uint64(b[9:])^k.word[1])&k.mask[1]|
			(le.Uint64(b[17:])^k.word[2])&k.mask[2] == 0 {
			d.i += 1 + k.length
			return next
		}
	}
	return d.anyMember(keys, open == '{')
}

// anyMember is member for a key in any place and any spelling.
func (d *decoder) anyMember(keys *keySet, first bool) int {
	if first {
		if !d.expect('{') {
			return noMoreKeys
		}
		if d.peek() == '}' {
			d.i++
			return noMoreKeys
		}
	} else {
		switch d.peek() {
		case '}':
			d.i++
			return noMoreKeys
		case ',':
			d.i++
		default:
			d.fail("%s", d.unexpected("',' or '}'"))
			return noMoreKeys
		}
	}
	key := d.bytes()
	if d.err != nil || !d.expect(':') {
		return noMoreKeys
	}
	if n, ok := keys.index[string(key)]; ok {
		return n
	}
	return unknownKey
}

// element reads up to the next element of an array and reports whether there is
// one.
func (d *decoder) element(first bool) bool {
	if first {
		if !d.expect('[') {
			return false
		}
		if d.peek() == ']' {
			d.i++
			return false
		}
		return true
	}
	switch d.peek() {
	case ',':
		d.i++
		return true
	case ']':
		d.i++
		return false
	}
	d.fail("%s", d.unexpected("',' or ']'"))
	return false
}

// stops8 returns a value whose lowest set bit, if there is one, belongs to the
// first byte of x at which a run of string bytes stops: a quotation mark, a
// backslash or a control character.
func stops8(x uint64) uint64 {
	quote, back := x^'"'*ones8, x^'\\'*ones8
	return ((x-' '*ones8)&^x | (quote-ones8)&^quote | (back-ones8)&^back) & tops8
}

// span reads a string and returns the place of its content, and whether it has
// escapes.
func (d *decoder) span() (start, end int, escaped bool) {
	if d.i >= len(d.b) || d.b[d.i] != '"' {
		d.space()
		if d.i >= len(d.b) || d.b[d.i] != '"' {
			d.fail("%s", d.unexpected("a string"))
			return 0, 0, false
		}
	}
	start = d.i + 1
	i, b := start, d.b
	var seen uint64 // all bytes, for their top bits
	for {
		for ; i+8 <= len(b); i += 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			if m := stops8(x); m != 0 {
				n := bits.TrailingZeros64(m)
				seen |= x & (1<<(n-7) - 1) // the bytes before
				i += n / 8
				break
			}
			seen |= x
		}
		if i >= len(b) {
			d.i = i
			d.fail("unexpected end in a string")
			return 0, 0, false
		}
		switch c := b[i]; {
		case c == '"':
			d.i = i + 1
			if seen&tops8 != 0 && !d.lax && !utf8.Valid(b[start:i]) {
				d.fail("invalid UTF-8")
			}
			return start, i, escaped
		case c == '\\':
			escaped = true
			i += 2 // unescape checks the byte after the backslash
		case c < ' ':
			d.i = i
			d.fail("control character in a string")
			return 0, 0, false
		default:
			seen |= uint64(c)
			i++
		}
	}
}

// bytes reads a string. The result is valid until the next call, and only as
// long as b.
func (d *decoder) bytes() []byte {
	start, end, escaped := d.span()
	if d.err != nil {
		return nil
	}
	if !escaped {
		return d.b[start:end]
	}
	d.scratch = d.unescape(d.scratch[:0], d.b[start:end])
	return d.scratch
}

// unescape appends s, the content of a string, to dst without its escapes.
func (d *decoder) unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		i++ // there is one, or the string would not have ended here
		switch c := s[i]; c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(s[i+1:])
			if !ok {
				d.fail("invalid escape in a string")
				return dst
			}
			i += 4
			if utf16.IsSurrogate(r) {
				// A lone surrogate becomes U+FFFD.
				low := rune(0)
				if len(s)-i > 6 && s[i+1] == '\\' && s[i+2] == 'u' {
					low, _ = hex4(s[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			d.fail("invalid escape in a string")
			return dst
		}
	}
	return dst
}

// checkEscapes fails if s, the content of a string, has an invalid escape.
func (d *decoder) checkEscapes(s []byte) {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		i++ // there is one, or the string would not have ended here
		switch s[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			if _, ok := hex4(s[i+1:]); !ok {
				d.fail("invalid escape in a string")
				return
			}
		default:
			d.fail("invalid escape in a string")
			return
		}
	}
}

// hex4 returns the number that the first four digits of s make.
func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// string reads a string. It returns old if that is the same, and allocates
// otherwise.
func (d *decoder) string(old string) string {
	start, end, escaped := d.span()
	switch {
	case d.err != nil:
		return ""
	case escaped:
		d.scratch = d.unescape(d.scratch[:0], d.b[start:end])
		if string(d.scratch) == old {
			return old
		}
		return string(d.scratch)
	case string(d.b[start:end]) == old:
		return old
	case d.brief:
		return d.seen.text(d.b[start:end])
	}
	return string(d.b[start:end])
}

// texts are strings of earlier records. Most maps, games and versions are common, and take
// no memory of their own.
type texts [1 << 10]string

var textSeed = maphash.MakeSeed()

// text returns b as a string.
func (t *texts) text(b []byte) string {
	if len(b) > 64 {
		return string(b)
	}
	s := &t[maphash.Bytes(textSeed, b)%uint64(len(t))]
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// listString reads a string that is part of a long list: without escapes it is
// cut out of the line's copy.
func (d *decoder) listString() string {
	start, end, escaped := d.span()
	switch {
	case d.err != nil || start == end:
		return ""
	case escaped:
		d.scratch = d.unescape(d.scratch[:0], d.b[start:end])
		return string(d.scratch)
	}
	d.keepTail(start)
	return d.tail[start-d.tailAt : end-d.tailAt]
}

// keepTail makes the copy of the line from start on, unless it is there.
func (d *decoder) keepTail(start int) {
	if d.tail == "" {
		d.tail, d.tailAt = string(d.b[start:]), start
	}
}

// base64 reads a string of base64, appends the bytes to dst and reports whether
// there was one: null is none.
func (d *decoder) base64(dst []byte) ([]byte, bool) {
	if d.null() {
		return dst, false
	}
	encoded := d.bytes()
	dst, err := base64.StdEncoding.AppendDecode(dst, encoded)
	if err != nil {
		d.fail("invalid base64")
		return dst, false
	}
	return dst, d.err == nil
}

// bool reads true or false; null is false.
func (d *decoder) bool() (v, there bool) {
	switch d.peek() {
	case 't':
		if d.literal("true") {
			return true, true
		}
	case 'f':
		if d.literal("false") {
			return false, true
		}
	case 'n':
		if d.literal("null") {
			return false, false
		}
	}
	d.fail("%s", d.unexpected("true or false"))
	return false, false
}

// number reads a number and returns its text.
func (d *decoder) number() []byte {
	d.peek()
	start, i, b := d.i, d.i, d.b
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	ok := true
	if i < len(b) && b[i] == '0' {
		i++
	} else {
		ok = digits()
	}
	if ok && i < len(b) && b[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		ok = digits()
	}
	d.i = i
	if !ok {
		d.fail("%s", d.unexpected("a number"))
		return nil
	}
	return b[start:i]
}

// uint reads a whole number of at most most. null is 0 and false.
func (d *decoder) uint(most uint64) (n uint64, there bool) {
	i, b := d.i, d.b
	start := i
	for i < len(b) && b[i]-'0' <= 9 && i-start < 18 {
		n = n*10 + uint64(b[i]-'0')
		i++
	}
	// The common case: a few digits, and the end of the value.
	if i > start && i < len(b) && (b[i] == ',' || b[i] == '}') && (b[start] != '0' || i == start+1) {
		d.i = i
		if n > most {
			d.fail("%d is larger than %d", n, most)
			return 0, false
		}
		return n, true
	}
	if d.null() {
		return 0, false
	}
	text := d.number()
	if d.err != nil {
		return 0, false
	}
	n, ok := whole(text)
	if neg := text[0] == '-'; !ok || n > most || neg && n > 0 {
		d.fail("%.40q is no whole number from 0 to %d", text, most)
		return 0, false
	}
	return n, true
}

// int reads a whole number between -most-1 and most. null is 0 and false.
func (d *decoder) int(most int64) (n int64, there bool) {
	if d.i < len(d.b) && d.b[d.i]-'0' <= 9 {
		n, there := d.uint(uint64(most))
		return int64(n), there
	}
	if d.null() {
		return 0, false
	}
	text := d.number()
	if d.err != nil {
		return 0, false
	}
	u, ok := whole(text)
	switch neg := text[0] == '-'; {
	case ok && neg && u <= uint64(most)+1:
		return -int64(u), true
	case ok && !neg && u <= uint64(most):
		return int64(u), true
	}
	d.fail("%.40q is no whole number from %d to %d", text, -most-1, most)
	return 0, false
}

// whole returns the absolute value of a number that is whole in any spelling,
// as 12, 12.0 and 1.2e1 are.
func whole(text []byte) (uint64, bool) {
	if text[0] == '-' {
		text = text[1:]
	}
	if n, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != math.Trunc(f) || f >= 1<<53 {
		return 0, false
	}
	return uint64(f), true
}

// millis reads a number of milliseconds. null is NoRTT.
func (d *decoder) millis() time.Duration {
	// The common case: what appendMillis writes.
	i, b := d.i, d.b
	var ms, us uint64
	for i < len(b) && b[i]-'0' <= 9 && i-d.i < 13 {
		ms = ms*10 + uint64(b[i]-'0')
		i++
	}
	if i > d.i && ms < maxMillis && (b[d.i] != '0' || i == d.i+1) && i < len(b) && b[i] == '.' {
		i++
		from := i
		for unit := uint64(100); i < len(b) && b[i]-'0' <= 9; i++ {
			us += unit * uint64(b[i]-'0')
			unit /= 10
		}
		if n := i - from; n >= 1 && n <= 3 && i < len(b) && (b[i] == ',' || b[i] == '}') {
			d.i = i
			return time.Duration(ms*1e6 + us*1e3)
		}
	}
	if d.null() {
		return NoRTT
	}
	text := d.number()
	if d.err != nil {
		return NoRTT
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < 0 || f >= maxMillis {
		d.fail("%.40q is no number of milliseconds", text)
		return NoRTT
	}
	return time.Duration(math.Round(f * 1e6))
}

// maxMillis is the number of milliseconds in the longest Duration, rounded down.
const maxMillis = math.MaxInt64 / 1_000_000

// float32 reads a number. null is NaN.
func (d *decoder) float32() float32 {
	// The common case: what appendFloat writes, which is often all digits of a
	// binary fraction. With k digits behind the point it is a multiple of 2⁻ᵏ if the
	// number that they make is one of 5ᵏ.
	i, b := d.i, d.b
	negative := i < len(b) && b[i] == '-'
	if negative {
		i++
	}
	start := i
	var whole, part uint64
	for i < len(b) && b[i]-'0' <= 9 && i-start < 10 {
		whole = whole*10 + uint64(b[i]-'0')
		i++
	}
	if i > start && (b[start] != '0' || i == start+1) && i < len(b) && b[i] == '.' {
		i++
		point := i
		for i < len(b) && b[i]-'0' <= 9 && i-point < maxPlaces {
			part = part*10 + uint64(b[i]-'0')
			i++
		}
		places := i - point
		if places > 0 && i < len(b) && (b[i] == ',' || b[i] == '}') && part%powersOf5[places] == 0 {
			f := float64(whole) + float64(part/powersOf5[places])/float64(uint64(1)<<places)
			if float64(float32(f)) == f {
				d.i = i
				if negative {
					f = -f
				}
				return float32(f)
			}
		}
	}
	if d.null() {
		return float32(math.NaN())
	}
	text := d.number()
	if d.err != nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(text), 32)
	if err != nil {
		d.fail("%.40q is no 32-bit number", text)
		return 0
	}
	return float32(f)
}

// time reads a time of RFC 3339. null is the zero time.
func (d *decoder) time() time.Time {
	const form = len(`"2006-01-02T15:04:05.000000Z"`)
	if len(d.b)-d.i > form {
		if t, ok := parseTime(d.b[d.i+1 : d.i+form-1]); ok && d.b[d.i] == '"' && d.b[d.i+form-1] == '"' {
			d.i += form
			return t
		}
	}
	if d.null() {
		return time.Time{}
	}
	text := d.bytes()
	if d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		d.fail("%.40q is no time of RFC 3339", text)
		return time.Time{}
	}
	return t.UTC()
}

// parseTime reads what appendTime writes, without the quotation marks. It
// returns false for some valid times, such as February 29.
func parseTime(b []byte) (time.Time, bool) {
	const form = "0000-00-00T00:00:00.000000Z"
	for i, c := range []byte(form) {
		if c == '0' && b[i]-'0' > 9 || c != '0' && b[i] != c {
			return time.Time{}, false
		}
	}
	two := func(i int) int { return int(b[i]-'0')*10 + int(b[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, sec := two(11), two(14), two(17)
	if month < 1 || month > 12 || day < 1 || day > 28 && (month == 2 || day > 30) || hour > 23 || minute > 59 || sec > 59 {
		return time.Time{}, false
	}
	us := (two(20)*100+two(22))*100 + two(24)
	return time.Date(year, time.Month(month), day, hour, minute, sec, us*1000, time.UTC), true
}

// id reads a string that holds a 64-bit number. null is 0 and false.
func (d *decoder) id() (n uint64, there bool) {
	if d.null() {
		return 0, false
	}
	text := d.bytes()
	if d.err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		d.fail("%.40q is no 64-bit number", text)
		return 0, false
	}
	return n, true
}

// maxDepth bounds nested values, as encoding/json does.
const maxDepth = 10000

// skip reads any value.
func (d *decoder) skip() {
	switch c := d.peek(); c {
	case '"':
		start, end, escaped := d.span()
		if escaped && d.err == nil {
			d.checkEscapes(d.b[start:end])
		}
	case '{':
		d.object()
	case '[':
		if d.nested() {
			for first := true; d.element(first); first = false {
				d.skip()
			}
			d.depth--
		}
	case 't', 'f', 'n':
		d.bool()
	default:
		d.number()
	}
}

// object skips an object.
func (d *decoder) object() {
	if !d.nested() {
		return
	}
	for first := true; d.anyMember(noKeys, first) != noMoreKeys; first = false {
		d.skip()
	}
	d.depth--
}

// entries skips an array whose content does not matter, and returns the number of objects
// in it. It checks only that strings and brackets are closed, which is several times faster
// than skip.
func (d *decoder) entries() (n int) {
	if d.peek() != '[' {
		d.skip()
		return 0
	}
	depth, i, b := 0, d.i, d.b
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i+1); i >= len(b) {
				d.i = i
				d.fail("unexpected end in a string")
				return 0
			}
		case '{', '[':
			if depth++; depth == 2 && b[i] == '{' {
				n++
			}
		case '}', ']':
			if depth--; depth == 0 {
				d.i = i + 1
				return n
			}
		}
		i++
	}
	d.i = i
	d.fail("%s", d.unexpected("']'"))
	return 0
}

// plainEntries is entries for an array that begins with open and ends before end, as
// AppendJSON spells it. No string of JSON can contain either: a quotation mark in it has a
// backslash before it. It returns false, and reads nothing, for any other spelling.
func (d *decoder) plainEntries(open, end []byte) (n int, ok bool) {
	rest := d.b[d.i:]
	if len(rest) < 2 || rest[0] != '[' {
		return 0, false
	}
	i := bytes.Index(rest, end)
	if i < 0 || i > 1 && !bytes.HasPrefix(rest[1:], open) {
		return 0, false
	}
	if n = bytes.Count(rest[:i], open); n == 0 && i > 1 {
		return 0, false
	}
	d.i += i + 1
	return n, true
}

// stringEnd returns the place of the quotation mark that ends a string whose content
// begins at i, or at least len(b) if there is none.
func stringEnd(b []byte, i int) int {
	for {
		for ; i+8 <= len(b); i += 8 {
			if m := stops8(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
		}
		switch {
		case i >= len(b) || b[i] == '"':
			return i
		case b[i] == '\\':
			i += 2
		default:
			i++
		}
	}
}

// nested counts a level of nesting.
func (d *decoder) nested() bool {
	if d.depth++; d.depth > maxDepth {
		d.fail("too deeply nested")
		return false
	}
	return true
}

var noKeys = newKeySet()
