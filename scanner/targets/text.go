package targets

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// openText returns a list as lines of UTF-8 in the forms that parseLine reads. What
// the list is follows from its first bytes, never from a name: gzip and zstd are
// decompressed, UTF-16 is decoded, and JSON arrays, whole Steam responses and CSV
// become one line per target. The error says that r is no text.
//
// openText reads no further than it must to decide, so a list that comes slowly
// flows line by line.
func openText(r io.Reader) (io.ReadCloser, error) {
	s, err := unpack(r)
	if err != nil {
		return nil, err
	}
	t, err := s.decode()
	if err != nil {
		s.close()
		return nil, err
	}
	text := textReader{t, s.close}
	switch f, cols := t.form(); f {
	case formJSON:
		text.Reader = newJSONReader(t)
	case formCSV:
		text.Reader = newCSVReader(t, cols)
	}
	return text, nil
}

type textReader struct {
	io.Reader
	close func()
}

func (t textReader) Close() error { t.close(); return nil }

// unpack returns a list without its compression.
func unpack(r io.Reader) (*sniffer, error) {
	s := &sniffer{r: r}
	switch s.magic() {
	case magicGzip:
		z, err := gzip.NewReader(s)
		if err != nil {
			return nil, err
		}
		return &sniffer{r: z}, nil
	case magicZstd:
		z, err := zstd.NewReader(s, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return &sniffer{r: z, closer: z.Close}, nil
	}
	return s, nil
}

// readPlain returns all of a list that has one entry per line.
func readPlain(r io.Reader) ([]byte, error) {
	s, err := unpack(r)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if s, err = s.decode(); err != nil {
		return nil, err
	}
	return io.ReadAll(s)
}

// maxWindow is the largest zstd window that is decompressed: that of zstd --ultra -22.
const maxWindow = 128 << 20

// A sniffer reads from r, and remembers what was looked at.
type sniffer struct {
	r   io.Reader
	buf []byte
	err error // of r, met while looking

	closer func() // nil: there is nothing to close
}

func (s *sniffer) close() {
	if s.closer != nil {
		s.closer()
	}
}

// sniffMost is how much of a list is looked at to find its form.
const sniffMost = 64 << 10

func (s *sniffer) Read(p []byte) (int, error) {
	if len(s.buf) > 0 {
		n := copy(p, s.buf)
		s.buf = s.buf[n:]
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	s.buf = nil
	return s.r.Read(p)
}

// more looks at further bytes, and reports whether there were any.
func (s *sniffer) more() bool {
	if s.err != nil || len(s.buf) >= sniffMost {
		return false
	}
	for range 100 {
		var n int
		from := len(s.buf)
		s.buf = append(s.buf, make([]byte, 4<<10)...)
		n, s.err = s.r.Read(s.buf[from:])
		s.buf = s.buf[:from+n]
		if n > 0 {
			return true
		}
		if s.err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

type magic uint8

const (
	magicNone magic = iota
	magicGzip
	magicZstd
)

// magic reports how the list is compressed. It looks at one byte of most lists, and at
// four of few.
func (s *sniffer) magic() magic {
	for {
		b := s.buf
		switch {
		case len(b) > 0 && b[0] != 0x1F && b[0] != 0x28 && b[0]>>4 != 5:
			return magicNone
		case len(b) >= 2 && b[0] == 0x1F:
			if b[1] == 0x8B {
				return magicGzip
			}
			return magicNone
		case len(b) >= 2 && b[1] != 0xB5 && b[1] != 0x2A:
			return magicNone
		case len(b) >= 4:
			frame := bytes.HasPrefix(b, []byte{0x28, 0xB5, 0x2F, 0xFD})
			skippable := b[0]>>4 == 5 && bytes.HasPrefix(b[1:], []byte{0x2A, 0x4D, 0x18})
			if frame || skippable {
				return magicZstd
			}
			return magicNone
		}
		if !s.more() {
			return magicNone
		}
	}
}

// decode returns the list as UTF-8 without a byte order mark, or an error if it is no
// text.
func (s *sniffer) decode() (*sniffer, error) {
	for len(s.buf) < 4 && mayBeMark(s.buf) && s.more() {
	}
	switch {
	case bytes.HasPrefix(s.buf, byteOrderMark):
		s.buf = s.buf[len(byteOrderMark):]
	case bytes.HasPrefix(s.buf, []byte{0xFF, 0xFE, 0, 0}), bytes.HasPrefix(s.buf, []byte{0, 0, 0xFE, 0xFF}):
		return nil, errors.New("this is UTF-32; save it as UTF-8")
	case bytes.HasPrefix(s.buf, []byte{0xFF, 0xFE}), bytes.HasPrefix(s.buf, []byte{0xFE, 0xFF}):
		big := s.buf[0] == 0xFE
		s.buf = s.buf[2:]
		s = &sniffer{r: &utf16Reader{r: bufio.NewReader(s), big: big}}
	}
	if len(s.buf) == 0 {
		s.more()
	}
	if len(s.buf) == 0 && s.err != nil && !errors.Is(s.err, io.EOF) {
		return nil, s.err
	}
	return s, checkText(s.buf)
}

// mayBeMark reports whether b may be the beginning of a byte order mark.
func mayBeMark(b []byte) bool {
	for _, mark := range []string{"\xEF\xBB\xBF", "\xFF\xFE\x00\x00", "\xFE\xFF", "\x00\x00\xFE\xFF"} {
		if len(b) < len(mark) && string(b) == mark[:len(b)] {
			return true
		}
	}
	return false
}

// known are formats that are no lists, by their first bytes.
var known = []struct{ magic, name string }{
	{"\xFD7zXZ\x00", "xz data; decompress it first"},
	{"BZh", "bzip2 data; decompress it first"},
	{"PK\x03\x04", "a zip archive; unpack it first"},
	{"7z\xBC\xAF\x27\x1C", "a 7z archive; unpack it first"},
	{"\x04\x22\x4D\x18", "lz4 data; decompress it first"},
	{"PAR1", "a Parquet file; export it as CSV first"},
	{"SQLite format 3\x00", "an SQLite database; export a table as CSV first"},
	{"\xD4\xC3\xB2\xA1", "a packet capture"},
	{"\xA1\xB2\xC3\xD4", "a packet capture"},
	{"\x0A\x0D\x0D\x0A", "a packet capture"},
	{"\x7FELF", "a program"},
	{"%PDF-", "a PDF document"},
}

// checkText returns an error if a list that begins with b is no text. Single control
// characters are left to parseLine, which refuses their lines.
func checkText(b []byte) error {
	for _, k := range known {
		if bytes.HasPrefix(b, []byte(k.magic)) {
			return errors.New("this is " + k.name)
		}
	}
	b = b[:min(len(b), 4<<10)]
	zeros, controls := 0, 0
	for _, c := range b {
		switch {
		case c == 0:
			zeros++
			controls++
		case c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\v' && c != 0x1B, c == 0x7F:
			controls++
		}
	}
	switch {
	case zeros > len(b)/4:
		return errors.New("this is binary data, or UTF-16 without a byte order mark; save it as UTF-8")
	case controls > len(b)/32 && controls > 1, controls > len(b)/4:
		return errors.New("this is binary data, not a list")
	}
	return nil
}

type form uint8

const (
	formLines form = iota
	formJSON       // elements that are not one per line
	formCSV
)

// form finds out what the first line that is not a comment looks like. cols are the
// columns of CSV.
func (s *sniffer) form() (f form, cols *columns) {
	at := 0 // the beginning of a line
	for {
		for at < len(s.buf) && isBlank(s.buf[at]) {
			at++
		}
		end := bytes.IndexByte(s.buf[at:], '\n')
		switch {
		case at == len(s.buf):
		case s.buf[at] == '#' || s.buf[at] == ';':
			if end >= 0 {
				at += end
				continue
			}
		case s.buf[at] == '[':
			if i := skipBlanks(s.buf, at+1); i < len(s.buf) {
				if c := s.buf[i]; c == '{' || c == '[' || c == ']' {
					return formJSON, nil
				}
				return formLines, nil // an IPv6 address
			}
		case s.buf[at] == '{':
			if f, ok := objectForm(s.buf[at:]); ok {
				return f, nil
			}
		case end >= 0:
			if cols = csvColumns(s.buf[at : at+end]); cols != nil {
				return formCSV, cols
			}
			return formLines, nil
		}
		if s.more() {
			continue
		}
		if s.err != nil && at < len(s.buf) && s.buf[at] != '{' && s.buf[at] != '[' { // one line without an end
			if cols = csvColumns(s.buf[at:]); cols != nil {
				return formCSV, cols
			}
		}
		return formLines, nil
	}
}

// objectForm decides what text that begins with an object is: lines if each line is an
// object. ok is false if more of it is needed.
func objectForm(b []byte) (f form, ok bool) {
	i := skipBlanks(b, 1)
	if i == len(b) {
		return 0, false
	}
	if rest := b[i:]; len(rest) >= len(responseKey) && string(rest[:len(responseKey)]) == responseKey {
		return formJSON, true
	}
	line, next, whole := bytes.Cut(b, []byte{'\n'})
	end, closed := objectEnd(line)
	switch {
	case closed:
		// More objects on this line are for the reader that can tell them apart.
		if i := skipBlanks(line, end); i < len(line) && (line[i] == '{' || line[i] == ',') {
			return formJSON, true
		}
		return formLines, whole
	case !whole || len(next) == 0:
		return 0, false
	case next[0] == '{': // the first line is damaged
		return formLines, true
	}
	return formJSON, true
}

// objectEnd returns where the object that b begins with ends.
func objectEnd(b []byte) (end int, ok bool) {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
	}
	return 0, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func skipBlanks(b []byte, i int) int {
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	return i
}

// A utf16Reader decodes UTF-16 without its byte order mark. Half characters become
// U+FFFD.
type utf16Reader struct {
	r    *bufio.Reader
	big  bool
	unit rune // read ahead; 0: none
	out  []byte
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if err := u.decode(); err != nil {
			return 0, err
		}
	}
	n := copy(p, u.out)
	u.out = u.out[:copy(u.out, u.out[n:])]
	return n, nil
}

// decode appends what is at hand to out: at least one character.
func (u *utf16Reader) decode() error {
	for len(u.out) == 0 || len(u.out) < 4<<10 && u.r.Buffered() >= 4 {
		c, err := u.next()
		if err != nil {
			if len(u.out) > 0 {
				return nil // it comes again
			}
			return err
		}
		if utf16.IsSurrogate(c) {
			low, err := u.next()
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			pair := utf16.DecodeRune(c, low)
			if c = pair; pair == utf8.RuneError && err == nil {
				u.unit = low
			}
		}
		u.out = utf8.AppendRune(u.out, c)
	}
	return nil
}

func (u *utf16Reader) next() (rune, error) {
	if c := u.unit; c != 0 {
		u.unit = 0
		return c, nil
	}
	var b [2]byte
	if _, err := io.ReadFull(u.r, b[:]); err != nil {
		return 0, err
	}
	if u.big {
		return rune(b[0])<<8 | rune(b[1]), nil
	}
	return rune(b[1])<<8 | rune(b[0]), nil
}
