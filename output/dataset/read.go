package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// MaxLine bounds the length of a line that a Reader takes. The longest record is
// some megabytes (every rule and player of a server that lies, in base64, with
// its raw datagrams); a file without a newline must not fill the memory.
const MaxLine = 64 << 20

// A Reader reads a dataset line by line: plain, zstd or gzip, told apart by their
// first bytes, in any number of frames.
type Reader struct {
	file        io.Closer
	compression Compression
	content     content
	buf         *bufio.Reader
	long        []byte // a line longer than buf
	maxLine     int
	lines       int64
	bytes       int64 // of the lines, newlines included
	err         error
}

// A CutError says that a file ends in the middle of a line or frame, as one does
// whose writer was killed. All lines before were read.
type CutError struct {
	Lines  int64 // whole lines before the cut
	Bytes  int64 // their length, before compression
	Offset int64 // where the last whole frame (of a plain file: line) ends in the file
}

// Error returns, for example, "cut off after 12 records, at byte 3120".
func (e *CutError) Error() string {
	return fmt.Sprintf("cut off after %d records, at byte %d", e.Lines, e.Offset)
}

// OpenReader opens a dataset; "-" is standard input.
func OpenReader(path string) (*Reader, error) {
	if path == "-" {
		return NewReader(os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

// NewReader returns a Reader of what r holds. It reads ahead.
func NewReader(r io.Reader) (*Reader, error) {
	src := newSource(r)
	c, err := detect(src)
	if err != nil {
		return nil, err
	}
	return newReader(src, c)
}

// newReader returns a Reader of what is known to be packed by c.
func newReader(src *source, c Compression) (*Reader, error) {
	frames, err := newFrameReader(src, c)
	if err != nil {
		return nil, err
	}
	out := &Reader{compression: c, maxLine: MaxLine, content: content{src: src, frames: frames}}
	out.buf = bufio.NewReaderSize(&out.content, 256<<10)
	return out, nil
}

// Next returns the next line without its newline; it stays valid until the next
// call. After the last line it returns io.EOF or, where the file ends in the
// middle of a line or frame, a *[CutError]; another error where the file is
// damaged or cannot be read. A last line that is whole but for its newline is a
// line: other programs leave it out.
func (r *Reader) Next() ([]byte, error) {
	line, err := r.next()
	if err == nil {
		return line, nil
	}
	var cut *CutError
	if len(line) > 0 && errors.As(err, &cut) && r.content.ended && json.Valid(line) {
		r.lines++
		r.bytes += int64(len(line))
		r.err = io.EOF
		return line, nil
	}
	return nil, err
}

// next is Next that takes lines with a newline only. With a *CutError it returns
// what stands behind the last one.
func (r *Reader) next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	line, err := r.buf.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.readLong(line)
	}
	if err != nil {
		r.err = r.ending(line, err)
		return line, r.err
	}
	r.lines++
	r.bytes += int64(len(line))
	return line[:len(line)-1], nil
}

// readLong goes on with a line that began with head.
func (r *Reader) readLong(head []byte) ([]byte, error) {
	r.long = append(r.long[:0], head...)
	for {
		more, err := r.buf.ReadSlice('\n')
		r.long = append(r.long, more...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r.long, err
		}
		if len(r.long) > r.maxLine {
			return nil, fmt.Errorf("a line is longer than %d bytes", r.maxLine)
		}
	}
}

// ending is the error with which reading stops: err came after the last line,
// with rest between them.
func (r *Reader) ending(rest []byte, err error) error {
	switch {
	case errors.Is(err, io.EOF) && len(rest) == 0:
		return io.EOF
	case errors.Is(err, io.EOF) || errors.Is(err, errCut):
		cut := &CutError{Lines: r.lines, Bytes: r.bytes, Offset: r.content.border}
		if r.compression == CompressNone {
			cut.Offset = r.bytes
		}
		return cut
	}
	return fmt.Errorf("after %d records, near byte %d: %w", r.lines, r.content.src.offset(), err)
}

// Lines returns the number of lines read.
func (r *Reader) Lines() int64 { return r.lines }

// Bytes returns the length of the lines read, before compression.
func (r *Reader) Bytes() int64 { return r.bytes }

// Compression returns how the file is packed; an empty file is plain.
func (r *Reader) Compression() Compression { return r.compression }

// Close closes the file that OpenReader opened.
func (r *Reader) Close() error {
	if z, ok := r.content.frames.(*zstdFrames); ok {
		z.close()
	}
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// content is what all frames of a file hold, one after the other.
type content struct {
	src    *source
	frames frameReader
	frame  io.Reader // being read
	mid    bool      // the last byte was not a newline
	border int64     // end of the last frame that ended with a line
	ended  bool      // the file ended with a frame
}

// Read reads on, over the borders of frames.
func (c *content) Read(p []byte) (int, error) {
	for {
		if c.frame == nil {
			f, err := c.frames.next()
			if err != nil {
				c.ended = errors.Is(err, io.EOF)
				return 0, err
			}
			c.frame = f
		}
		n, err := c.frame.Read(p)
		if n > 0 {
			c.mid = p[n-1] != '\n'
		}
		if errors.Is(err, io.EOF) {
			c.frame, err = nil, nil
			if !c.mid {
				c.border = c.src.offset()
			}
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Kept is what Recover left in a file.
type Kept struct {
	Compression Compression
	Lines       int64
	Bytes       int64 // of the lines, before compression
	Size        int64 // of the file
	Removed     int64 // bytes by which the file was shortened; negative where it grew
}

// Recover makes a file of records, whose writer may have been killed, one that
// can be appended to: it cuts off a partial last line or frame, and the zeros that
// a power cut may leave at the end. Whole lines in a partial frame are written
// again, as a frame of their own. line is called with each line that the file
// then holds, in order, valid during the call; an error of it ends Recover, as
// does a file that is damaged elsewhere, or has no whole line and is not the
// beginning of what a [Sink] writes, and the file stays as it was.
func Recover(path string, line func([]byte) error) (Kept, error) {
	s, err := NewSurvey(path, line)
	if err != nil {
		return Kept{}, err
	}
	return s.Mend()
}

// A Survey is the first half of [Recover]: what is whole in a file, which is as
// it was.
type Survey struct {
	path   string
	kept   Kept  // Size is that of the file as it is
	border int64 // where its whole frames, or lines, end
	limit  int64 // where it ends, but for zeros
}

// NewSurvey reads the file and tells line of each line that Mend will keep.
func NewSurvey(path string, line func([]byte) error) (*Survey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := info.Size()
	end, err := withoutZeros(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &Survey{path: path, limit: size}
	if size-end >= sureZeros {
		s.limit = end
	}
	var unwanted error
	err = s.read(f, func(l []byte) error {
		unwanted = line(l)
		return unwanted
	})
	if err != nil && unwanted == nil && end < s.limit {
		// The few zeros may be the frame's own, or stand where its end was, or that
		// of the first line. In the second case what is before them is the beginning
		// of a frame, or line, with the same lines.
		cut := &Survey{path: path, limit: end}
		if cut.read(f, func([]byte) error { return nil }) == nil && cut.kept.Lines == s.kept.Lines {
			s, err = cut, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.kept.Size = size
	return s, nil
}

// sureZeros is how many zeros in a row end no line and no frame: a gzip member may
// end with those of its length, less than four, or, where it is empty, with nine, and a
// zstd frame with a checksum of four bytes.
const sureZeros = 10

// withoutZeros returns where the zeros begin with which f ends. After a power cut
// a file may have its length already, and not its contents.
func withoutZeros(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		b := buf[:min(size, int64(len(buf)))]
		if _, err := f.ReadAt(b, size-int64(len(b))); err != nil {
			return 0, err
		}
		rest := bytes.TrimRight(b, "\x00")
		size -= int64(len(b) - len(rest))
		if len(rest) > 0 {
			break
		}
	}
	return size, nil
}

// read reads f up to the limit and finds where its whole part ends.
func (s *Survey) read(f io.ReaderAt, line func([]byte) error) error {
	r, err := NewReader(io.NewSectionReader(f, 0, s.limit))
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		l, err := r.next()
		if err == nil {
			err = line(l)
		}
		if err == nil {
			continue
		}
		s.kept = Kept{Compression: r.compression, Lines: r.lines, Bytes: r.bytes}
		var cut *CutError
		switch {
		case errors.Is(err, io.EOF):
			s.border = s.limit
		case errors.As(err, &cut):
			s.border = cut.Offset
			if s.kept.Lines == 0 && (s.border == 0 || len(l) > 0) {
				return s.checkBeginning(f, r, l)
			}
		default:
			return err
		}
		return nil
	}
}

// checkBeginning returns an error where a file without a whole line, and with that
// rest, is something else than a dataset that was cut.
func (s *Survey) checkBeginning(f io.ReaderAt, r *Reader, rest []byte) error {
	head, err := readHead(f, s.limit)
	if err != nil {
		return err
	}
	b := beginning{compression: r.compression, head: head, line: rest}
	if !b.isOurs() {
		return errNoRecord
	}
	return nil
}

// Whole reports whether Mend has nothing to do.
func (s *Survey) Whole() bool { return s.border == s.kept.Size }

// Empty reports whether Mend will leave nothing, not even an empty frame.
func (s *Survey) Empty() bool { return s.border == 0 && s.kept.Lines == 0 }

// Kept returns what Mend will keep, and of what size the file is before.
func (s *Survey) Kept() Kept { return s.kept }

// Mend is the second half of [Recover]: it makes the file one that can be appended
// to. Nobody may have written to it since.
func (s *Survey) Mend() (Kept, error) {
	if s.Whole() {
		return s.kept, nil
	}
	var again []byte
	if s.kept.Compression != CompressNone {
		var err error
		if again, err = s.repack(); err != nil {
			return Kept{}, err
		}
	}
	if err := replaceTail(s.path, s.border, again); err != nil {
		return Kept{}, err
	}
	kept := s.kept
	kept.Size = s.border + int64(len(again))
	kept.Removed = s.kept.Size - kept.Size
	return kept, nil
}

// repack returns the whole lines behind border as a frame, or nothing where
// there is none.
func (s *Survey) repack() ([]byte, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := newReader(newSource(io.NewSectionReader(f, s.border, s.limit-s.border)), s.kept.Compression)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var packed bytes.Buffer
	enc, err := newEncoder(s.kept.Compression)
	if err != nil {
		return nil, err
	}
	enc.Reset(&packed)
	for {
		l, err := r.next()
		if err != nil {
			break // the end that read found
		}
		// l is followed by its newline.
		if _, err := enc.Write(l[:len(l)+1]); err != nil {
			return nil, err
		}
	}
	if r.lines == 0 {
		return nil, nil
	}
	err = enc.Close()
	return packed.Bytes(), err
}

// replaceTail puts b in the place of all that follows border. Should the system
// stop before it is on the disk, the next Recover finds less to keep, and the
// scan asks those servers again.
func replaceTail(path string, border int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(border)
	if err == nil {
		_, err = f.WriteAt(b, border)
	}
	return errors.Join(err, f.Close())
}
