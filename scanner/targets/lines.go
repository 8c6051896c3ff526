package targets

import (
	"bytes"
	"errors"
	"io"
)

// A File is one list of targets, in any of the forms that docs/usage.md names. A goroutine
// of the List reads it; the caller closes it after the List. If R is an io.Seeker, and no
// pipe or device, NewList makes sure that the file has a target, and seeks back.
type File struct {
	Name string // for messages
	R    io.Reader
}

const (
	// maxLine is the longest line that is read. A record with every rule and player of
	// a server is shorter.
	maxLine = 1 << 20
	// readSize is the size of one read, and readAhead how many reads may be done before
	// they are needed.
	readSize  = 64 << 10
	readAhead = 2
)

// lines cuts files into lines. A goroutine reads them, because a read from a pipe or
// terminal can wait forever; next cuts what it has read without copying, except for lines
// that span two reads.
type lines struct {
	files []File
	open  func(io.Reader) (io.ReadCloser, error)
	full  chan block    // from the reading goroutine, closed at the end
	empty chan []byte   // back to it
	stop  chan struct{} // closed to end it

	cur     block
	rest    []byte // of cur.data, not yet cut
	carry   []byte // the beginning of a line that continues in the next block
	spent   bool   // the line last returned was carry: clear it
	tooLong bool   // the line that rest is in is being skipped
	closed  bool   // stop is
	number  int    // of the line last returned, in file cur.file, from 1
}

// A block is the result of one read. err is io.EOF at the end of a file.
type block struct {
	file int
	data []byte
	err  error
}

func newLines(files []File) *lines {
	return &lines{
		files: files,
		open:  openText,
		full:  make(chan block, readAhead),
		empty: make(chan []byte, readAhead+1),
		stop:  make(chan struct{}),
	}
}

// start starts the reading goroutine. It ends after the last file, or after close as soon
// as its read returns.
func (l *lines) start() {
	for range readAhead + 1 {
		l.empty <- make([]byte, readSize)
	}
	go l.read()
}

func (l *lines) read() {
	defer close(l.full)
	for i, f := range l.files {
		if !l.readFile(i, f) {
			return
		}
	}
}

// readFile reads one file, and reports whether the next is to be read.
func (l *lines) readFile(i int, f File) bool {
	text, err := l.open(f.R)
	if err != nil {
		select {
		case l.full <- block{file: i, err: err}:
		case <-l.stop:
		}
		return false
	}
	defer text.Close()
	for idle := 0; ; {
		var buf []byte
		select {
		case buf = <-l.empty:
		case <-l.stop:
			return false
		}
		n, err := text.Read(buf)
		if n == 0 && err == nil {
			if idle++; idle < 100 {
				l.empty <- buf
				continue
			}
			err = io.ErrNoProgress
		}
		idle = 0
		select {
		case l.full <- block{i, buf[:n], err}:
		case <-l.stop:
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// close ends the reading goroutine. It may be called before start, and again.
func (l *lines) close() {
	if !l.closed {
		l.closed = true
		close(l.stop)
	}
}

// put gives l the next block to cut. The one before is used up.
func (l *lines) put(b block) {
	if b.file != l.cur.file {
		l.number = 0
	}
	l.cur, l.rest = b, b.data
}

// name returns the name of the file that is being cut.
func (l *lines) name() string { return l.files[l.cur.file].Name }

// What next found.
type found uint8

const (
	needBlock found = iota // nothing: put another block first
	gotLine
	gotLongLine // a line that is longer than maxLine, and is not returned
)

// next returns the next line without its line feed. It is valid until the next call.
func (l *lines) next() ([]byte, found) {
	if l.spent {
		l.carry, l.spent = l.carry[:0], false
	}
	if i := bytes.IndexByte(l.rest, '\n'); i >= 0 {
		line := l.rest[:i]
		l.rest = l.rest[i+1:]
		if len(l.carry) > 0 || l.tooLong {
			l.keep(line)
			return l.carried()
		}
		return l.begin(line), gotLine
	}
	l.keep(l.rest)
	l.rest = nil
	if l.cur.data != nil {
		l.empty <- l.cur.data[:readSize]
		l.cur.data = nil
	}
	if errors.Is(l.cur.err, io.EOF) {
		l.cur.err = nil
		if len(l.carry) > 0 || l.tooLong { // no final line feed
			return l.carried()
		}
	}
	return nil, needBlock
}

// cutPlain cuts plain lines off the present block while the next line is one, and returns
// how many it put into dst.
func (l *lines) cutPlain(dst []plainLine) (n int) {
	if len(l.carry) > 0 || l.tooLong {
		return 0
	}
	for n < len(dst) {
		line, size := cutPlain(l.rest)
		if size == 0 {
			break
		}
		dst[n] = line
		l.rest = l.rest[size:]
		n++
	}
	l.number += n
	return n
}

// keep appends part to what is carried over into the next block.
func (l *lines) keep(part []byte) {
	if l.tooLong {
		return
	}
	if len(l.carry)+len(part) > maxLine {
		l.tooLong, l.carry = true, nil
		return
	}
	l.carry = append(l.carry, part...)
}

// carried returns the line that was carried over, now that it is whole.
func (l *lines) carried() ([]byte, found) {
	l.spent = true
	line := l.begin(l.carry)
	if l.tooLong {
		l.tooLong = false
		return nil, gotLongLine
	}
	return line, gotLine
}

func (l *lines) begin(line []byte) []byte {
	l.number++
	return line
}
