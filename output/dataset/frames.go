package dataset

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A source counts the bytes that are read from a file, so that the end of a frame has
// an offset.
type source struct {
	*bufio.Reader
	raw countedReader
}

type countedReader struct {
	r io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func newSource(r io.Reader) *source {
	s := &source{raw: countedReader{r: r}}
	s.Reader = bufio.NewReaderSize(&s.raw, 64<<10)
	return s
}

// offset is the offset of the next byte.
func (s *source) offset() int64 { return s.raw.n - int64(s.Buffered()) }

// A frameReader reads a file frame by frame. A plain file is one frame.
type frameReader interface {
	// next returns the content of the next frame, or io.EOF at the end of the file. It
	// is called after the last one was read to its io.EOF. If the file ends inside a
	// frame, reading that frame returns errCut.
	next() (io.Reader, error)
}

// errCut means that the file ends inside a frame or line.
var errCut = errors.New("the file ends in the middle")

// The first bytes of a frame.
var (
	zstdMagic = []byte{0x28, 0xB5, 0x2F, 0xFD} // RFC 8878, 3.1.1
	gzipMagic = []byte{0x1F, 0x8B}             // RFC 1952, 2.3.1
)

// detect returns how the file is compressed, by its first bytes. One byte of a magic
// number is enough, in case the file was cut there: no line begins so.
func detect(s *source) (Compression, error) {
	head, err := s.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	begins := func(magic []byte) bool {
		n := min(len(head), len(magic))
		return n > 0 && string(head[:n]) == string(magic[:n])
	}
	switch {
	case begins(zstdMagic), len(head) == 4 && isSkippable(head):
		return CompressZstd, nil
	case begins(gzipMagic):
		return CompressGzip, nil
	}
	return CompressNone, nil
}

// newFrameReader returns the reader for c.
func newFrameReader(s *source, c Compression) (frameReader, error) {
	switch c {
	case CompressZstd:
		// The zstd command decodes windows up to 128 MiB by default.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return &zstdFrames{frame: zstdFrame{src: s}, dec: d}, nil
	case CompressGzip:
		return &gzipFrames{src: s}, nil
	}
	return &plainFrames{src: s}, nil
}

// plainFrames is a file that is not compressed.
type plainFrames struct {
	src  *source
	done bool
}

func (f *plainFrames) next() (io.Reader, error) {
	if f.done {
		return nil, io.EOF
	}
	f.done = true
	return f.src, nil
}

// gzipFrames reads the members of a gzip file.
type gzipFrames struct {
	src *source
	dec *gzip.Reader
}

func (f *gzipFrames) next() (io.Reader, error) {
	if _, err := f.src.Peek(1); err != nil {
		return nil, err
	}
	var err error
	if f.dec == nil {
		f.dec, err = gzip.NewReader(f.src)
	} else {
		err = f.dec.Reset(f.src)
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errCut
		}
		return nil, gzipError(err)
	}
	f.dec.Multistream(false)
	return f, nil
}

// Read reads the contents of the member.
func (f *gzipFrames) Read(p []byte) (int, error) {
	n, err := f.dec.Read(p)
	return n, gzipError(err)
}

func gzipError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}

// zstdFrames reads the frames of a zstd file, skippable ones included.
type zstdFrames struct {
	frame zstdFrame
	dec   *zstd.Decoder
}

func (f *zstdFrames) next() (io.Reader, error) {
	if _, err := f.frame.src.Peek(1); err != nil {
		return nil, err
	}
	f.frame.begin()
	if err := f.dec.Reset(&f.frame); err != nil {
		return nil, err
	}
	return f, nil
}

// Read reads the content of the frame. The decoder has several errors for a frame that
// is cut off; f.frame has one.
func (f *zstdFrames) Read(p []byte) (int, error) {
	n, err := f.dec.Read(p)
	if err != nil && f.frame.err != nil {
		err = f.frame.err
	}
	return n, err
}

// resync goes to the next frame after one that the decoder could not read. Sizes in
// a damaged frame are not trusted: it searches for the magic number.
func (f *zstdFrames) resync() error {
	src := f.frame.src
	for {
		head, err := src.Peek(src.Size())
		if i := bytes.Index(head, zstdMagic); i >= 0 {
			_, err = src.Discard(i)
			return err
		}
		if err != nil {
			return err
		}
		if _, err := src.Discard(len(head) - len(zstdMagic) + 1); err != nil {
			return err
		}
	}
}

// close frees the decoder.
func (f *zstdFrames) close() { f.dec.Close() }

// A zstdFrame is an io.Reader of one compressed frame. It reads exactly the bytes of the
// frame from src; the decoder alone would read ahead. It parses the format as far as
// needed to find the end (RFC 8878, 3.1):
//
//	magic u32 | descriptor u8 | [window u8] [dictionary id] [content size] | blocks | [checksum u32]
//	block: last 1 bit, type 2 bits, size 21 bits | size bytes, or one byte if the type is a run
//	skippable: magic 184D2A5x | size u32 | size bytes
type zstdFrame struct {
	src   *source
	state zstdState
	head  [18]byte // header bytes, which the decoder gets too
	ready []byte   // those that the decoder has not got yet
	left  int64    // bytes to pass through before the next state
	sum   bool     // a checksum follows the last block
	err   error    // errCut, or the reason why this is not a frame
}

type zstdState uint8

const (
	zstdHeader zstdState = iota
	zstdBlock            // a block header is next
	zstdSum              // the checksum is next, if there is one
	zstdDone
)

func isSkippable(magic []byte) bool {
	return binary.LittleEndian.Uint32(magic)&^0xF == 0x184D2A50
}

func (f *zstdFrame) begin() { *f = zstdFrame{src: f.src} }

// Read returns the next bytes of the frame.
func (f *zstdFrame) Read(p []byte) (int, error) {
	for f.err == nil {
		switch {
		case len(f.ready) > 0:
			n := copy(p, f.ready)
			f.ready = f.ready[n:]
			return n, nil
		case f.left > 0:
			n, err := f.src.Read(p[:min(int64(len(p)), f.left)])
			f.left -= int64(n)
			if errors.Is(err, io.EOF) {
				err = errCut
			}
			f.err = err
			return n, err
		case f.state == zstdDone:
			return 0, io.EOF
		default:
			f.step()
		}
	}
	return 0, f.err
}

// take reads n more bytes of the header into head.
func (f *zstdFrame) take(n int) []byte {
	if f.err != nil {
		return make([]byte, n)
	}
	had := len(f.ready)
	f.ready = f.head[:had+n]
	_, err := io.ReadFull(f.src, f.ready[had:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errCut
	}
	f.err = err
	return f.ready[had:]
}

// step reads the next header.
func (f *zstdFrame) step() {
	switch f.state {
	case zstdHeader:
		f.header()
	case zstdBlock:
		b := f.take(3)
		h := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		f.left = int64(h >> 3)
		if h>>1&3 == 1 {
			f.left = 1 // one byte, to be repeated
		}
		if h&1 != 0 {
			f.state = zstdSum
		}
	case zstdSum:
		if f.sum {
			f.left = 4
		}
		f.state = zstdDone
	}
}

// header reads the frame header.
func (f *zstdFrame) header() {
	magic := f.take(4)
	switch {
	case f.err != nil:
		return
	case isSkippable(magic):
		f.left = int64(binary.LittleEndian.Uint32(f.take(4)))
		f.state = zstdDone
		return
	case string(magic) != string(zstdMagic):
		f.err = fmt.Errorf("% x is not the beginning of a zstd frame", magic)
		return
	}
	d := f.take(1)[0]
	single := d>>5&1 == 1
	size := [4]int{0, 2, 4, 8}[d>>6]
	if single && size == 0 {
		size = 1
	}
	if !single {
		size++ // the window
	}
	f.take(size + [4]int{0, 1, 2, 4}[d&3])
	f.sum = d>>2&1 == 1
	f.state = zstdBlock
}
