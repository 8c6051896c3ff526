package dataset

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/a2scan/a2scan/internal/osfile"
)

// maxLineLength bounds the lines that are accepted, so that a file without a newline
// does not fill the memory. The longest records are some megabytes: all rules and
// players of a hostile server, in base64, with its raw datagrams.
const maxLineLength = 64 << 20

// Lines returns the lines of a dataset without their newlines; "-" is standard input. A
// line is valid until the next iteration. The first bytes of the file say whether it is
// plain, zstd or gzip. An error ends the iteration: a *[CutError] if the file ends in the
// middle of a line or frame, and others if it is damaged or cannot be read. The last line
// needs no newline if it is valid JSON, since other programs leave the newline out.
func Lines(path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r, err := openLines(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.Close()
		for {
			line, err := r.Next()
			if errors.Is(err, io.EOF) || !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// A lineScanner reads a dataset line by line, over any number of frames.
type lineScanner struct {
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

// A CutError means that a file ends in the middle of a line or frame, as after a kill of
// its writer. All lines before were read.
type CutError struct {
	Lines  int64 // whole lines before the cut
	Bytes  int64 // their length, before compression
	Offset int64 // the end of the last whole frame; of a plain file, line
}

// Error returns, for example, "cut off after 12 records, at byte 3120".
func (e *CutError) Error() string {
	return fmt.Sprintf("cut off after %d records, at byte %d", e.Lines, e.Offset)
}

// openLines opens a dataset for [Lines].
func openLines(path string) (*lineScanner, error) {
	if path == "-" {
		return scanLines(osfile.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := scanLines(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

// scanLines returns the lines of r. It reads ahead.
func scanLines(r io.Reader) (*lineScanner, error) {
	src := newSource(r)
	c, err := detect(src)
	if err != nil {
		return nil, err
	}
	return newLineScanner(src, c)
}

// newLineScanner returns the lines of a file that is compressed by c.
func newLineScanner(src *source, c Compression) (*lineScanner, error) {
	frames, err := newFrameReader(src, c)
	if err != nil {
		return nil, err
	}
	out := &lineScanner{compression: c, maxLine: maxLineLength, content: content{src: src, frames: frames}}
	out.buf = bufio.NewReaderSize(&out.content, 256<<10)
	return out, nil
}

// Next returns the next line as [Lines] does, and io.EOF after the last one.
func (r *lineScanner) Next() ([]byte, error) {
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

// next is Next for lines with a newline only. With a *CutError it returns the bytes
// behind the last newline.
func (r *lineScanner) next() ([]byte, error) {
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

// readLong reads the rest of a line that begins with head.
func (r *lineScanner) readLong(head []byte) ([]byte, error) {
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

// ending returns the error that ends reading: err occurred after the last line and rest.
func (r *lineScanner) ending(rest []byte, err error) error {
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
func (r *lineScanner) Lines() int64 { return r.lines }

// Bytes returns the length of the lines read, before compression.
func (r *lineScanner) Bytes() int64 { return r.bytes }

// Compression returns how the file is compressed; an empty file is plain.
func (r *lineScanner) Compression() Compression { return r.compression }

// Close closes the file that openLines opened.
func (r *lineScanner) Close() error {
	if z, ok := r.content.frames.(*zstdFrames); ok {
		z.close()
	}
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// content is the content of all frames of a file.
type content struct {
	src    *source
	frames frameReader
	frame  io.Reader // being read
	mid    bool      // the last byte was not a newline
	border int64     // end of the last frame that ended with a line
	ended  bool      // the file ended with a frame
}

// Read reads across the borders of frames.
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
