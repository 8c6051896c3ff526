package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/a2scan/a2scan/internal/osfile"
)

// A survey describes the whole part of a file whose writer may have been killed. A partial
// last line or frame, and the zeros that a power cut may leave at the end, are not.
type survey struct {
	path        string
	compression Compression
	size        int64 // of the file
	limit       int64 // its end, without zeros
	border      int64 // the end of its whole frames, or lines

	lines, bytes     int64    // whole lines and their length, before compression
	drops, dropBytes int64    // of these, to be dropped
	dropped          []uint64 // a bit per line: it is to be dropped
}

// newSurvey reads the file and calls keep with each whole line.
func newSurvey(path string, keep func(line []byte) (bool, error)) (*survey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	end, err := withoutZeros(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &survey{path: path, size: size, limit: size}
	if size-end >= sureZeros {
		s.limit = end
	}
	var unwanted error
	err = s.read(f, func(l []byte) (bool, error) {
		keeps, err := keep(l)
		unwanted = err
		return keeps, err
	})
	if err != nil && unwanted == nil && end < s.limit {
		// The few zeros belong to the last frame, or they are in place of its end.
		// Without them the same lines may come out.
		cut := &survey{path: path, size: size, limit: end}
		if cut.read(f, func([]byte) (bool, error) { return true, nil }) == nil && cut.lines == s.lines {
			s.border, s.limit, err = cut.border, cut.limit, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// sureZeros is how many zeros in a row end no line and no frame. A gzip member may end
// with three zeros of its length, or with nine if it is empty; a zstd frame with a
// checksum of four bytes.
const sureZeros = 10

// withoutZeros returns the place of the zeros at the end of f. After a power cut a
// file may have its length already, but not its content.
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

// read reads f up to the limit and finds the end of its whole part.
func (s *survey) read(f io.ReaderAt, keep func([]byte) (bool, error)) error {
	r, err := scanLines(io.NewSectionReader(f, 0, s.limit))
	if err != nil {
		return err
	}
	defer r.Close()
	s.compression = r.compression
	for {
		line, err := r.next()
		s.lines, s.bytes = r.lines, r.bytes
		if err == nil {
			var keeps bool
			if keeps, err = keep(line); err == nil && !keeps {
				s.drop(int64(len(line)) + 1)
			}
		}
		if err == nil {
			continue
		}
		var cut *CutError
		switch {
		case errors.Is(err, io.EOF):
			s.border = s.limit
		case errors.As(err, &cut):
			s.border = cut.Offset
			if s.lines == 0 && !isCutFrom(line, recordPrefix) && !isCutFrom(line, eventPrefix) {
				return ErrNoRecords
			}
		default:
			return err
		}
		return nil
	}
}

// recordPrefix and eventPrefix are how every record and every event begins.
var (
	recordPrefix = []byte(`{"schema":1,"seq":`)
	eventPrefix  = []byte(`{"schema":1,"event":`)
)

// isCutFrom reports whether b begins with want, or is the beginning of it.
func isCutFrom(b, want []byte) bool {
	n := min(len(b), len(want))
	return string(b[:n]) == string(want[:n])
}

// drop marks the last line that was read.
func (s *survey) drop(length int64) {
	i := s.lines - 1
	for int64(len(s.dropped)) <= i/64 {
		s.dropped = append(s.dropped, 0)
	}
	s.dropped[i/64] |= 1 << (i % 64)
	s.drops++
	s.dropBytes += length
}

func (s *survey) isDropped(line int64) bool {
	return line/64 < int64(len(s.dropped)) && s.dropped[line/64]>>(line%64)&1 != 0
}

// empty reports whether the file holds nothing, not even an empty frame.
func (s *survey) empty() bool { return s.border == 0 && s.lines == 0 }

// mend removes the torn tail and the dropped lines, so that lines can be appended. The
// file must be as it was when it was read.
func (s *survey) mend(out *osfile.File) error {
	if s.border < s.size {
		again, err := s.repack()
		if err != nil {
			return err
		}
		// If the system stops in between, the next resume finds fewer records and asks
		// those servers again.
		if err := out.OS().Truncate(s.border); err != nil {
			return err
		}
		if len(again) > 0 {
			if _, err := out.OS().Seek(0, io.SeekEnd); err != nil {
				return err
			}
			if _, err := out.Write(again); err != nil {
				return err
			}
		}
	}
	if s.drops == 0 {
		return nil
	}
	return out.Rewrite(func(w io.Writer) error { return s.copyLines(out.OS().Name(), w) })
}

// repack returns the whole lines of the torn frame as a frame of their own; nothing if
// there is none.
func (s *survey) repack() ([]byte, error) {
	if s.compression == CompressNone {
		return nil, nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := newLineScanner(newSource(io.NewSectionReader(f, s.border, s.limit-s.border)), s.compression)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var packed bytes.Buffer
	enc, err := newEncoder(s.compression)
	if err != nil {
		return nil, err
	}
	enc.Reset(&packed)
	for {
		line, err := r.next()
		if err != nil {
			break // the end that read found
		}
		if _, err := enc.Write(line[:len(line)+1]); err != nil { // with its newline
			return nil, err
		}
	}
	if r.lines == 0 {
		return nil, nil
	}
	err = enc.Close()
	return packed.Bytes(), err
}

// copyLines writes the lines of the file that are not dropped to w.
func (s *survey) copyLines(path string, w io.Writer) error {
	r, err := openLines(path)
	if err != nil {
		return err
	}
	defer r.Close()
	buf := bufio.NewWriterSize(w, 64<<10)
	var dst io.Writer = buf
	var enc frameEncoder
	if s.compression != CompressNone {
		if enc, err = newEncoder(s.compression); err != nil {
			return err
		}
		enc.Reset(buf)
		dst = enc
	}
	for i := int64(0); i < s.lines; i++ {
		line, err := r.next()
		if err != nil {
			return fmt.Errorf("cannot copy records: %w", err)
		}
		if s.isDropped(i) {
			continue
		}
		if _, err := dst.Write(line[:len(line)+1]); err != nil {
			return err
		}
	}
	if enc != nil {
		if err := enc.Close(); err != nil {
			return err
		}
	}
	return buf.Flush()
}
