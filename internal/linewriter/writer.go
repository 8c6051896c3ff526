// Package linewriter writes the lines of a scan on a goroutine of its own, so that a
// slow disk slows the scan but never makes it use more memory, and the scan's loop
// never waits for the disk.
//
//	loop ── lines ──► Buffer ── Put ──► Writer ──► Sink ──► FILE, FILE.zst, FILE.gz
//	  ▲                                   │
//	  └────────────── Free ◄──────────────┘
package linewriter

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a2scan/a2scan/output/dataset"
)

// BufferSize is how many bytes of lines are handed over at a time. It is large
// enough that the hand-over, about 200 ns, is nothing against a hundred records,
// and small enough for the second level of cache.
const BufferSize = 64 << 10

// Implementation constants.
const (
	defaultBuffers   = 16
	defaultOverflow  = 64 << 20
	defaultSyncEvery = time.Second
	// watchEvery is how often a Writer that has nothing to write looks whether somebody
	// still wants it.
	watchEvery = time.Second / 4
	// keepCapacity is how far a buffer may have grown, for a record that did
	// not fit, and still be used again.
	keepCapacity = 4 * BufferSize
	// encodeSize is how many bytes of lines Encode makes before they are written:
	// fewer system calls than with 64 KiB, and still in the second level of cache.
	encodeSize = 128 << 10
)

// A Buffer holds lines, or what Options.Encode makes lines of, on their way to
// the file. Between Free and Put it belongs to whoever took it, alone.
type Buffer struct {
	// B holds whole lines. Append to it, and let it grow where one does not fit.
	B []byte

	overflow bool // beyond the pool: dropped when written
}

// Full reports whether the Buffer should be handed over before the next record.
func (b *Buffer) Full() bool { return len(b.B) >= BufferSize-fullSlack }

// fullSlack leaves room for one more record of the common size without growing.
const fullSlack = 2 << 10

// Options size a Writer. The zero value asks for the defaults.
type Options struct {
	Buffers  int // pooled buffers of BufferSize, at least 2; 16
	Overflow int // bytes of buffers beyond the pool, taken only while it is empty; 64 MiB, none if negative

	// SyncEvery is how long lines may stay in the compressor before it ends
	// its frame; 1 s. Sinks that keep nothing back are synced after each buffer.
	SyncEvery time.Duration

	// Encode makes lines of what the Buffers hold, on the Writer's goroutine, so
	// that whoever fills them need not: it appends lines to dst until that is longer than
	// enough, and returns what of src is left. It is given that again, and src must
	// not be kept. nil: the Buffers hold lines.
	Encode func(dst, src []byte, enough int) (lines, rest []byte)

	// Wake is called whenever a buffer has come back and when the Sink has
	// failed, from the Writer's goroutine: it is how a loop that waits for
	// packets learns that there is room again. It must not block. It may be nil.
	Wake func()
}

// Stats count what went through a Writer.
type Stats struct {
	// Records, and Bytes before compression, are those that are in the file:
	// what a failing Sink cut off again is not among them.
	Records int64
	Bytes   int64
	// Committed is the length of the file up to the last whole line or frame,
	// with what it held before the run.
	Committed int64
}

// A Writer takes filled Buffers from the loop of a scan and gives them to a
// Sink, in order, from a goroutine of its own.
//
// Free, Put, Room, Take and Close are for one goroutine, the owner. None of them
// but Take and Close ever waits. The others may be called by anybody.
type Writer struct {
	sink      dataset.Sink
	syncEvery time.Duration // 0: after each buffer
	reader    *dataset.File // a pipe or socket whose reader may leave; nil: none
	piece     int           // bytes to write at most at a time, if lines are no longer; 0: any number
	encode    func(dst, src []byte, enough int) (lines, rest []byte)
	wake      func()

	free        chan *Buffer // the pool
	full        chan *Buffer // has room for every Buffer there can be, so that Put never waits
	waiting     atomic.Int64 // bytes put and not yet written
	overflow    atomic.Int32 // Buffers beyond the pool that are in use
	maxOverflow int32

	failed    chan struct{} // closed after err is set
	err       error
	done      chan struct{} // closed when the goroutine has ended
	closeOnce sync.Once

	// Of the goroutine.
	lines                        []byte // that Encode has made
	pendingRecords, pendingBytes int64  // with the Sink, not yet synced

	records, bytes, committed atomic.Int64
}

// New returns a Writer to sink and starts its goroutine, which ends with
// Close. The Writer closes the sink.
func New(sink dataset.Sink, o Options) *Writer {
	if o.Buffers == 0 {
		o.Buffers = defaultBuffers
	}
	o.Buffers = max(o.Buffers, 2)
	if o.Overflow == 0 {
		o.Overflow = defaultOverflow
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = defaultSyncEvery
	}
	piece := 0
	var reader *dataset.File
	if f, ok := sink.(*dataset.File); ok {
		pipe, mayLeave := f.Stream()
		if mayLeave {
			reader = f
		}
		if f.Compression() == dataset.CompressNone {
			o.SyncEvery = 0
			if pipe {
				piece = atomicWrite
			}
		}
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	overflow := max(o.Overflow, 0) / BufferSize
	w := &Writer{
		sink:        sink,
		reader:      reader,
		syncEvery:   o.SyncEvery,
		piece:       piece,
		encode:      o.Encode,
		wake:        o.Wake,
		free:        make(chan *Buffer, o.Buffers),
		full:        make(chan *Buffer, o.Buffers+overflow),
		maxOverflow: int32(overflow),
		failed:      make(chan struct{}),
		done:        make(chan struct{}),
	}
	for range o.Buffers {
		w.free <- &Buffer{B: make([]byte, 0, BufferSize)}
	}
	go w.run()
	return w
}

// Free returns an empty Buffer, first from the pool and then beyond it. It
// returns false where the overflow is used up too.
func (w *Writer) Free() (*Buffer, bool) {
	select {
	case b := <-w.free:
		return b, true
	default:
	}
	if w.overflow.Load() >= w.maxOverflow {
		return nil, false
	}
	w.overflow.Add(1)
	return &Buffer{B: make([]byte, 0, BufferSize), overflow: true}, true
}

// Take is Free that waits. The owner must have put back at least one pooled
// Buffer of those it took.
func (w *Writer) Take() *Buffer {
	if b, ok := w.Free(); ok {
		return b
	}
	return <-w.free
}

// Room returns how many Buffers are free in the pool, those beyond it not
// counted. Who adds work should stop at a few, so that the answers to the work
// that is out still find room.
func (w *Writer) Room() int { return len(w.free) }

// Put hands b over, full or not: lines are written soon after, or when the
// compressor's frame ends. b must come from Free or Take and must not be touched
// again. Put after Close panics.
func (w *Writer) Put(b *Buffer) {
	w.waiting.Add(int64(len(b.B)))
	w.full <- b
}

// Waiting returns how many bytes of Buffers were put and are not written yet. A
// Buffer may hold much more than BufferSize, and their number says little then.
func (w *Writer) Waiting() int { return int(w.waiting.Load()) }

// Failed is closed when the Sink has failed. Buffers are still taken then, and
// thrown away, so that nobody has to hurry.
func (w *Writer) Failed() <-chan struct{} { return w.failed }

// Err returns the Sink's first error, or nil.
func (w *Writer) Err() error {
	select {
	case <-w.failed:
		return w.err
	default:
		return nil
	}
}

// Stats returns the counts so far.
func (w *Writer) Stats() Stats {
	return Stats{Records: w.records.Load(), Bytes: w.bytes.Load(), Committed: w.committed.Load()}
}

// Close writes what was put, closes the Sink and returns the first error there
// was. Further calls return it again.
func (w *Writer) Close() error {
	w.closeOnce.Do(func() { close(w.full) })
	<-w.done
	return w.Err()
}

// run is the goroutine.
func (w *Writer) run() {
	defer close(w.done)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	var look <-chan time.Time
	if w.reader != nil {
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case b, ok := <-w.full:
			if !ok {
				w.finish()
				return
			}
			wasClean := w.pendingRecords == 0
			w.write(b)
			switch {
			case w.pendingRecords == 0:
			case w.syncEvery == 0:
				w.sync()
			case wasClean:
				timer.Reset(w.syncEvery)
			}
			w.waiting.Add(-int64(len(b.B)))
			w.giveBack(b)
			w.wake()
		case <-timer.C:
			w.sync()
		case <-look:
			if err := w.reader.Look(); err != nil && w.Err() == nil {
				w.fail(err)
			}
		}
	}
}

// write gives b to the Sink, unless that has failed.
func (w *Writer) write(b *Buffer) {
	if w.encode == nil {
		w.writeLines(b.B)
		return
	}
	for rest := b.B; len(rest) > 0 && w.Err() == nil; {
		w.lines, rest = w.encode(w.lines[:0], rest, encodeSize)
		w.writeLines(w.lines)
		if w.syncEvery == 0 { // they are in the file, whatever becomes of the next
			w.sync()
		}
		if cap(w.lines) > 2*encodeSize+keepCapacity {
			w.lines = nil
		}
	}
}

// atomicWrite is PIPE_BUF of Linux (POSIX: at least 512): no more is written to a pipe in
// one piece. A write beyond that waits for a slow reader in its middle, and a scan that is ended
// meanwhile would leave half a line there.
const atomicWrite = 4096

func (w *Writer) writeLines(p []byte) {
	for len(p) > 0 && w.Err() == nil {
		part := p
		if w.piece > 0 {
			part = firstLines(p, w.piece)
		}
		if err := w.sink.WriteLines(part); err != nil {
			w.fail(err)
			return
		}
		w.pendingRecords += int64(bytes.Count(part, []byte{'\n'}))
		w.pendingBytes += int64(len(part))
		if p = p[len(part):]; len(p) > 0 {
			w.sync() // they are through, whatever becomes of the next
		}
	}
}

// firstLines returns the whole lines at the beginning of p that fit into most bytes, or
// the first, if that is longer.
func firstLines(p []byte, most int) []byte {
	if len(p) <= most {
		return p
	}
	if n := bytes.LastIndexByte(p[:most], '\n'); n >= 0 {
		return p[:n+1]
	}
	if n := bytes.IndexByte(p, '\n'); n >= 0 {
		return p[:n+1]
	}
	return p
}

// giveBack returns b to the pool.
func (w *Writer) giveBack(b *Buffer) {
	if b.overflow {
		w.overflow.Add(-1)
		return
	}
	if cap(b.B) > keepCapacity {
		b.B = make([]byte, 0, BufferSize)
	}
	b.B = b.B[:0]
	w.free <- b
}

// sync ends the frame.
func (w *Writer) sync() {
	if w.Err() != nil {
		return
	}
	committed, err := w.sink.Sync()
	w.committed.Store(committed)
	if err != nil {
		w.fail(err)
		return
	}
	w.records.Add(w.pendingRecords)
	w.bytes.Add(w.pendingBytes)
	w.pendingRecords, w.pendingBytes = 0, 0
}

// fail keeps the first error and tells of it.
func (w *Writer) fail(err error) {
	w.pendingRecords, w.pendingBytes = 0, 0
	w.err = err
	close(w.failed)
	w.wake()
}

// finish syncs and closes the Sink.
func (w *Writer) finish() {
	w.sync()
	if err := w.sink.Close(); err != nil && w.Err() == nil {
		w.fail(err)
	}
}
