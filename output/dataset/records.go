package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/output"
)

// A LineError is a problem in a dataset. The records around it are read.
type LineError struct {
	File string
	Line int64 // from 1; 0 if the problem is not a single line
	Err  error
}

// Error returns, for example, "scan.ndjson:12: byte 3: unexpected end, want ':'".
func (e *LineError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Err)
}

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

// Read returns the records of files, one file after the other, each in its order.
// "-" is standard input. Files may be plain, gzip or zstd; their content decides,
// not their names. Blank lines are skipped.
//
// A line that is no record, a damaged part of a compressed file and a file that
// cannot be opened give a *[LineError] instead of a record, and the iteration
// continues behind them. A file that ends in the middle of a line gives one that
// wraps a *[CutError], after its whole records; that is normal for a scan that is
// running or was killed.
//
// The record and its slices are valid until the next iteration; strings stay
// valid. Read uses several goroutines and about 2 MiB of memory per CPU, however
// long the files are.
func Read(files ...string) iter.Seq2[*output.Record, error] {
	return func(yield func(*output.Record, error) bool) {
		for _, name := range files {
			for r, err := range Parse(name, nil, output.Unmarshal) {
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

// ReadFrom returns the records in r, as [Read] does for a file of that name.
func ReadFrom(name string, r io.Reader) iter.Seq2[*output.Record, error] {
	return Parse(name, r, output.Unmarshal)
}

// Parse is [Read] for programs that need only a part of each record: it yields the values
// that parse sets from the lines of a file. r is the content of the file; if it is nil, the
// file of that name is opened. Several goroutines call parse, each with a line that is
// valid during the call and with a value that an earlier call may have set.
func Parse[T any](name string, r io.Reader, parse func(line []byte, v *T) error) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		read(yield, parse, func(b *blockReader[T]) {
			switch {
			case r != nil:
				b.readForeign(name, r)
				return
			case name == "-":
				b.readForeign(name, osfile.Input{File: os.Stdin})
				return
			}
			f, err := os.Open(name)
			if err != nil {
				var pe *os.PathError
				if errors.As(err, &pe) {
					err = pe.Err // the name is in the LineError
				}
				b.report(name, 0, err)
				return
			}
			b.read(name, f)
			f.Close()
		})
	}
}

// read runs fill, which reads blocks of lines, and the goroutines that parse
// the blocks, and yields the records in order.
func read[T any](yield func(*T, error) bool, parse func([]byte, *T) error, fill func(*blockReader[T])) {
	parsers := max(1, runtime.GOMAXPROCS(0)-1)
	r := &blockReader[T]{
		free:  make(chan *block[T], parsers+3),
		parse: make(chan *block[T], parsers+3), // never full: it has room for all blocks
		order: make(chan *block[T], parsers+3),
		stop:  make(chan struct{}),
		one:   parse,

		maxLine: maxLineLength,
	}
	for range cap(r.free) {
		r.free <- &block[T]{parsed: make(chan struct{}, 1)}
	}
	var running sync.WaitGroup
	running.Go(func() {
		defer close(r.order)
		defer close(r.parse)
		fill(r)
	})
	for range parsers {
		running.Go(func() {
			for b := range r.parse {
				b.unmarshal(parse)
				b.parsed <- struct{}{}
			}
		})
	}
	defer func() {
		close(r.stop)
		if !r.foreign.Load() { // a Read of standard input may never return
			running.Wait()
		}
	}()
	for b := range r.order {
		<-b.parsed
		if !b.yield(yield) {
			return
		}
		r.free <- b
	}
}

// blockSize is the length of a block, which grows for a longer line.
const blockSize = 256 << 10

// A block is a part of a file: whole lines, and the records in them. It is reused
// with its memory.
type block[T any] struct {
	file  string
	lines int64 // in the file before the block
	data  []byte
	err   error // of the file, behind the data

	parsed   chan struct{} // one value when the rest is set
	records  []T
	used     int // records of this block
	problems []problem
}

// A problem belongs behind the first n records of a block.
type problem struct {
	n   int
	err error
}

// unmarshal sets the records and problems of b.
func (b *block[T]) unmarshal(parse func([]byte, *T) error) {
	b.used, b.problems = 0, b.problems[:0]
	line := b.lines
	for data := b.data; len(data) > 0; {
		var text []byte
		n := bytes.IndexByte(data, '\n') + 1
		text, data = data[:n-1], data[n:]
		line++
		if len(text) == 0 {
			continue
		}
		if b.used == len(b.records) {
			b.records = append(b.records, *new(T))
		}
		err := parse(text, &b.records[b.used])
		switch {
		case err == nil:
			b.used++
		case len(bytes.TrimSpace(text)) > 0:
			b.problems = append(b.problems, problem{b.used, &LineError{File: b.file, Line: line, Err: err}})
		}
	}
}

// yield yields the records and problems of b, and reports whether to continue.
func (b *block[T]) yield(yield func(*T, error) bool) bool {
	problems := b.problems
	for i := 0; ; i++ {
		for len(problems) > 0 && problems[0].n == i {
			if !yield(nil, problems[0].err) {
				return false
			}
			problems = problems[1:]
		}
		if i == b.used {
			break
		}
		if !yield(&b.records[i], nil) {
			return false
		}
	}
	return b.err == nil || yield(nil, b.err)
}

// A blockReader cuts files into blocks.
type blockReader[T any] struct {
	free  chan *block[T] // blocks to fill
	parse chan *block[T] // filled, for the parsers
	order chan *block[T] // filled, for the goroutine that yields them
	stop  chan struct{}
	one   func(line []byte, v *T) error

	foreign atomic.Bool // reads a file that Read did not open
	maxLine int
}

var errLongLine = errors.New("is longer")

// errStopped ends the reading of a file whose records are no longer wanted.
var errStopped = errors.New("stopped")

// get returns an empty block, or nil after the iteration has ended.
func (r *blockReader[T]) get(file string, lines int64) *block[T] {
	select {
	case <-r.stop: // even if there is a free block
		return nil
	default:
	}
	select {
	case <-r.stop:
		return nil
	case b := <-r.free:
		if cap(b.data) != blockSize {
			b.data = make([]byte, 0, blockSize) // also gives back what a long line took
		}
		b.file, b.lines, b.data, b.err = file, lines, b.data[:0], nil
		return b
	}
}

// put hands over a block.
func (r *blockReader[T]) put(b *block[T]) {
	r.parse <- b
	r.order <- b
}

// report hands over an error.
func (r *blockReader[T]) report(file string, line int64, err error) {
	if b := r.get(file, 0); b != nil {
		b.err = &LineError{File: file, Line: line, Err: err}
		r.put(b)
	}
}

// readForeign reads a file whose Read may block for ever.
func (r *blockReader[T]) readForeign(name string, file io.Reader) {
	r.foreign.Store(true)
	r.read(name, file)
	r.foreign.Store(false)
}

// read reads one file.
func (r *blockReader[T]) read(name string, file io.Reader) {
	l := lineReader[T]{r: r, name: name}
	if l.b = r.get(name, 0); l.b == nil {
		return
	}
	err := l.read(file)
	if errors.Is(err, errStopped) {
		return
	}
	if err != nil {
		l.b.data = l.b.data[:l.whole]
		l.b.err = &LineError{File: name, Err: err}
	}
	r.put(l.b)
}

// A lineReader fills blocks with the lines of one file.
type lineReader[T any] struct {
	r     *blockReader[T]
	name  string
	b     *block[T] // being filled; its data up to whole are whole lines
	whole int
	lines int64 // in the file up to whole
	bytes int64 // likewise
}

// read reads a file. The last block is in l.b.
func (l *lineReader[T]) read(file io.Reader) error {
	src := newSource(file)
	c, err := detect(src)
	if err != nil {
		return err
	}
	frames, err := newFrameReader(src, c)
	if err != nil {
		return err
	}
	if z, ok := frames.(*zstdFrames); ok {
		defer z.close()
	}
	border := int64(0) // where the last frame that ended with a line ends in the file
	for {
		frame, err := frames.next()
		if err == nil {
			err = l.frame(frame)
		}
		switch {
		case err == nil:
			if l.whole == len(l.b.data) {
				border = src.offset() // of a block that was handed over, nothing is left
			}
		case errors.Is(err, errStopped) || errors.Is(err, errLongLine):
			return err
		case errors.Is(err, io.EOF) || errors.Is(err, errCut):
			return l.end(c, border, errors.Is(err, io.EOF))
		default:
			// A damaged frame: what was decoded stays, and the next one is tried.
			l.b.data = l.b.data[:l.whole]
			if err := l.damage(fmt.Errorf("near byte %d: %w", src.offset(), err)); err != nil {
				return err
			}
			z, ok := frames.(*zstdFrames)
			if !ok || z.resync() != nil {
				return l.end(c, border, true)
			}
		}
	}
}

// frame reads the contents of one frame.
func (l *lineReader[T]) frame(frame io.Reader) error {
	for {
		if len(l.b.data) == cap(l.b.data) {
			if err := l.next(); err != nil {
				return err
			}
		}
		b := l.b
		room := cap(b.data) - len(b.data)
		n, err := frame.Read(b.data[len(b.data):cap(b.data)])
		if i := bytes.LastIndexByte(b.data[len(b.data):len(b.data)+n], '\n'); i >= 0 {
			whole := len(b.data) + i + 1
			l.lines += int64(bytes.Count(b.data[l.whole:whole], newline))
			l.bytes += int64(whole - l.whole)
			l.whole = whole
		}
		b.data = b.data[:len(b.data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n < room && l.whole > 0: // a pipe, perhaps, that has no more now
			if err := l.next(); err != nil {
				return err
			}
		}
	}
}

var newline = []byte{'\n'}

// next hands over the whole lines of the block and continues with another one.
func (l *lineReader[T]) next() error {
	if l.whole == 0 {
		if len(l.b.data) >= l.r.maxLine {
			return fmt.Errorf("line %d %w than %d bytes", l.lines+1, errLongLine, l.r.maxLine)
		}
		l.b.data = append(make([]byte, 0, 2*cap(l.b.data)), l.b.data...)
		return nil
	}
	b := l.r.get(l.name, l.lines)
	if b == nil {
		return errStopped
	}
	b.data = append(b.data, l.b.data[l.whole:]...)
	l.b.data = l.b.data[:l.whole]
	l.r.put(l.b)
	l.b, l.whole = b, 0
	return nil
}

// damage hands over the whole lines of the block and err behind them.
func (l *lineReader[T]) damage(err error) error {
	b := l.r.get(l.name, l.lines)
	if b == nil {
		return errStopped
	}
	l.b.err = &LineError{File: l.name, Err: fmt.Errorf("behind line %d, %w", l.lines, err)}
	l.r.put(l.b)
	l.b, l.whole = b, 0
	return nil
}

// end completes the last block. whole reports that the last frame is whole.
func (l *lineReader[T]) end(c Compression, border int64, whole bool) error {
	b := l.b
	rest := b.data[l.whole:]
	if whole && len(bytes.TrimSpace(rest)) == 0 {
		b.data = b.data[:l.whole]
		return nil
	}
	if whole && l.r.one(rest, new(T)) == nil {
		b.data = append(b.data, '\n') // other programs leave out the last one
		l.whole = len(b.data)
		return nil
	}
	b.data = b.data[:l.whole]
	if c == CompressNone {
		border = l.bytes
	}
	return &CutError{Lines: l.lines, Bytes: l.bytes, Offset: border}
}
