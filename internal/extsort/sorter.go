// Package extsort sorts more entries than memory holds. Entries beyond a bound go
// to temporary files as sorted, compressed runs, which are merged when they are
// read.
package extsort

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

// An Entry is a key and its value. The slices are valid until the next entry.
type Entry struct{ Key, Value []byte }

// A Sorter sorts entries by the bytes of their keys. Entries with equal keys keep
// the order in which they were added.
type Sorter struct {
	memory  int // bytes of entries to keep before a run is written; half of it in each buffer
	maxRuns int // runs to merge at once
	dir     string

	buffer  *buffer // being filled
	written *buffer // being written, or empty and ready to be filled; nil: not made yet
	writing chan error
	runs    []*run
	enc     *s2.Writer
}

// A buffer keeps entries in memory.
type buffer struct {
	blocks [][]byte // entries: length of the key, key, length of the value, value
	block  int      // the block being filled
	refs   []ref
	used   int
}

// A ref finds an entry in the blocks. The first eight bytes of its key decide most
// comparisons.
type ref struct {
	prefix     uint64
	block, pos uint32
}

const (
	blockSize = 256 << 10
	refSize   = 16
	maxRuns   = 64
)

// New returns a Sorter that keeps about memory bytes in memory. Its files are made
// in dir; the empty dir is the system's folder for temporary files. Close it.
func New(dir string, memory int) *Sorter {
	return &Sorter{memory: memory, dir: dir, maxRuns: maxRuns, buffer: new(buffer)}
}

// Add adds an entry and copies its bytes. An error is one of the temporary files.
func (s *Sorter) Add(key, value []byte) error {
	size := 2*binary.MaxVarintLen32 + len(key) + len(value)
	if s.buffer.used+size+refSize > s.memory/2 && len(s.buffer.refs) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.buffer.add(key, value, size)
	return nil
}

// add adds an entry of at most size bytes.
func (s *buffer) add(key, value []byte, size int) {
	b := s.space(size)
	pos := len(*b)
	*b = binary.AppendUvarint(*b, uint64(len(key)))
	*b = append(*b, key...)
	*b = binary.AppendUvarint(*b, uint64(len(value)))
	*b = append(*b, value...)
	s.refs = append(s.refs, ref{prefix(key), uint32(s.block), uint32(pos)})
	s.used += size + refSize
}

// space returns a block with size bytes of free capacity.
func (s *buffer) space(size int) *[]byte {
	for ; s.block < len(s.blocks); s.block++ {
		if b := &s.blocks[s.block]; cap(*b)-len(*b) >= size {
			return b
		}
	}
	s.blocks = append(s.blocks, make([]byte, 0, max(size, blockSize)))
	return &s.blocks[s.block]
}

func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

func (s *buffer) entry(r ref) Entry {
	b := s.blocks[r.block][r.pos:]
	n, size := binary.Uvarint(b)
	key := b[size : size+int(n)]
	b = b[size+int(n):]
	n, size = binary.Uvarint(b)
	return Entry{key, b[size : size+int(n)]}
}

func (s *buffer) sort() {
	slices.SortFunc(s.refs, func(a, b ref) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		if c := bytes.Compare(s.entry(a).Key, s.entry(b).Key); c != 0 {
			return c
		}
		if c := cmp.Compare(a.block, b.block); c != 0 {
			return c
		}
		return cmp.Compare(a.pos, b.pos)
	})
}

// all yields the entries, which are sorted.
func (s *buffer) all(yield func(Entry, error) bool) {
	for _, r := range s.refs {
		if !yield(s.entry(r), nil) {
			return
		}
	}
}

// empty drops the entries and keeps the memory for others.
func (s *buffer) empty() {
	s.refs, s.block, s.used = s.refs[:0], 0, 0
	// Blocks of one large entry are not kept: they would add up.
	s.blocks = slices.DeleteFunc(s.blocks, func(b []byte) bool { return cap(b) > blockSize })
	for i := range s.blocks {
		s.blocks[i] = s.blocks[i][:0]
	}
}

// spill begins to write the entries in memory as a run. Meanwhile the other buffer is
// filled.
func (s *Sorter) spill() error {
	if err := s.wait(); err != nil {
		return err
	}
	if s.written == nil {
		s.written = new(buffer)
	}
	s.buffer, s.written = s.written, s.buffer
	s.writing = make(chan error, 1)
	go func() { s.writing <- s.writeRun() }()
	return nil
}

// wait waits for the run that is being written.
func (s *Sorter) wait() error {
	if s.writing == nil {
		return nil
	}
	err := <-s.writing
	s.writing = nil
	return err
}

// writeRun writes the entries of s.written as a run.
func (s *Sorter) writeRun() error {
	s.written.sort()
	r, err := s.write(s.written.all)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, r)
	s.written.empty()
	if len(s.runs) < s.maxRuns {
		return nil
	}
	merged, err := s.write(merge(s.runs, nil))
	if err != nil {
		return err
	}
	for _, r := range s.runs {
		err = errors.Join(err, r.close())
	}
	s.runs = []*run{merged}
	return err
}

// write writes sorted entries to a file of their own.
func (s *Sorter) write(entries iter.Seq2[Entry, error]) (_ *run, err error) {
	r, err := newRun(s.dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if s.enc == nil {
		s.enc = s2.NewWriter(nil, s2.WriterConcurrency(1), s2.WriterBlockSize(runBlock))
	}
	s.enc.Reset(r.file)
	w := bufio.NewWriterSize(s.enc, 64<<10)
	var head []byte
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		head = binary.AppendUvarint(head[:0], uint64(len(e.Key)))
		head = binary.AppendUvarint(head, uint64(len(e.Value)))
		w.Write(head)
		w.Write(e.Key)
		if _, err := w.Write(e.Value); err != nil { // and those before it: a bufio.Writer keeps its error
			return nil, err
		}
	}
	return r, errors.Join(w.Flush(), s.enc.Close())
}

// All returns the entries in order. Call it once, after the last Add.
func (s *Sorter) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := s.wait(); err != nil {
			yield(Entry{}, err)
			return
		}
		s.buffer.sort()
		if len(s.runs) == 0 {
			s.buffer.all(yield)
			return
		}
		ahead(merge(s.runs, s.buffer), yield)
	}
}

// ahead yields the entries that merged yields in a goroutine of its own, so that the
// program uses one entry while the next ones are read.
func ahead(merged iter.Seq2[Entry, error], yield func(Entry, error) bool) {
	type batch struct {
		bytes []byte
		ends  []int // of each key and each value
		err   error
	}
	free, full := make(chan *batch, 2), make(chan *batch, 2)
	free <- new(batch)
	free <- new(batch)
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(full)
		b := <-free
		for e, err := range merged {
			if err != nil {
				b.err = err
				break
			}
			b.bytes = append(b.bytes, e.Key...)
			b.ends = append(b.ends, len(b.bytes))
			b.bytes = append(b.bytes, e.Value...)
			b.ends = append(b.ends, len(b.bytes))
			if len(b.bytes) < batchSize {
				continue
			}
			full <- b
			select {
			case b = <-free:
			case <-stop:
				return
			}
		}
		full <- b
	})
	defer reading.Wait()
	defer close(stop)
	for b := range full {
		from := 0
		for i := 0; i < len(b.ends); i += 2 {
			key, end := b.ends[i], b.ends[i+1]
			if !yield(Entry{b.bytes[from:key], b.bytes[key:end]}, nil) {
				return
			}
			from = end
		}
		if b.err != nil {
			yield(Entry{}, b.err)
			return
		}
		b.bytes, b.ends = b.bytes[:0], b.ends[:0]
		free <- b
	}
}

// Close removes the temporary files.
func (s *Sorter) Close() error {
	errs := []error{s.wait()}
	for _, r := range s.runs {
		errs = append(errs, r.close())
	}
	s.runs, s.buffer, s.written = nil, new(buffer), nil
	return errors.Join(errs...)
}

const (
	runBlock  = 64 << 10  // bytes that a run compresses at once: the memory of each open run
	batchSize = 128 << 10 // bytes that are merged ahead
)

// A run is a file of sorted entries.
type run struct {
	file *os.File
	name string // empty: removed already
}

// newRun makes a file that is gone when the process ends, if the system can
// remove files that are open.
func newRun(dir string) (*run, error) {
	f, err := os.CreateTemp(dir, "a2scan-sort-*")
	if err != nil {
		return nil, err
	}
	r := &run{file: f}
	if os.Remove(f.Name()) != nil {
		r.name = f.Name()
	}
	return r, nil
}

func (r *run) close() error {
	err := r.file.Close()
	if r.name != "" {
		err = errors.Join(err, os.Remove(r.name))
	}
	return err
}

// A cursor walks through one sorted sequence.
type cursor struct {
	order int // of the sequence: entries of earlier ones come first
	entry Entry
	next  func() (Entry, error) // io.EOF after the last
}

func (r *run) cursor(order int) (*cursor, error) {
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	dec := s2.NewReader(r.file, s2.ReaderMaxBlockSize(runBlock))
	in := bufio.NewReaderSize(dec, 32<<10)
	var buf []byte
	next := func() (Entry, error) {
		keyLen, err := binary.ReadUvarint(in)
		if err != nil {
			return Entry{}, err
		}
		valueLen, err := binary.ReadUvarint(in)
		if err != nil {
			return Entry{}, io.ErrUnexpectedEOF
		}
		buf = slices.Grow(buf[:0], int(keyLen+valueLen))[:keyLen+valueLen]
		if _, err := io.ReadFull(in, buf); err != nil {
			return Entry{}, io.ErrUnexpectedEOF
		}
		return Entry{buf[:keyLen], buf[keyLen:]}, nil
	}
	return &cursor{order: order, next: next}, nil
}

// cursor walks through the sorted entries in memory.
func (s *buffer) cursor(order int) *cursor {
	i := 0
	return &cursor{order: order, next: func() (Entry, error) {
		if i == len(s.refs) {
			return Entry{}, io.EOF
		}
		i++
		return s.entry(s.refs[i-1]), nil
	}}
}

type cursors []*cursor

func (c cursors) Len() int { return len(c) }
func (c cursors) Less(i, j int) bool {
	if n := bytes.Compare(c[i].entry.Key, c[j].entry.Key); n != 0 {
		return n < 0
	}
	return c[i].order < c[j].order
}
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)   { *c = append(*c, x.(*cursor)) }
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// merge returns the entries of runs, and then of those in memory, in order.
func merge(runs []*run, memory *buffer) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var open cursors
		var all []*cursor
		for i, r := range runs {
			c, err := r.cursor(i)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			all = append(all, c)
		}
		if memory != nil {
			all = append(all, memory.cursor(len(runs)))
		}
		for _, c := range all {
			e, err := c.next()
			if errors.Is(err, io.EOF) {
				continue
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			c.entry = e
			open = append(open, c)
		}
		heap.Init(&open)
		for len(open) > 0 {
			c := open[0]
			if !yield(c.entry, nil) {
				return
			}
			e, err := c.next()
			switch {
			case errors.Is(err, io.EOF):
				heap.Pop(&open)
			case err != nil:
				yield(Entry{}, err)
				return
			default:
				c.entry = e
				heap.Fix(&open, 0)
			}
		}
	}
}
