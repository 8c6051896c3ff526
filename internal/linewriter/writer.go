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

// BufferSize is the size of a Buffer. A hand-over takes about 200 ns, which is little
// against a hundred records, and the Buffer fits the second level of cache.
const BufferSize = 64 << 10

// Implementation constants.
const (
	defaultBuffers   = 16
	defaultOverflow  = 64 << 20
	defaultSyncEvery = time.Second
	// watchEvery is how often an idle Writer checks whether the reader of its pipe has
	// left.
	watchEvery = time.Second / 4
	// keepCapacity is the largest buffer that is used again. Buffers grow for a record
	// that does not fit.
	keepCapacity = 4 * BufferSize
	// encodeSize is the length of lines that Encode makes before they are written: fewer
	// system calls than with 64 KiB, and still in the second level of cache.
	encodeSize = 128 << 10
)

// A Buffer holds lines, or the input of Options.Encode, on their way to the file. Between
// Free and Put it belongs to its owner alone.
type Buffer struct {
	// B holds whole lines. Append to it; it may grow.
	B []byte

	overflow bool // beyond the pool: dropped when written
}

// Full reports whether the Buffer should be handed over before the next record.
func (b *Buffer) Full() bool { return len(b.B) >= BufferSize-fullSlack }

// fullSlack is the space for one more record of common size.
const fullSlack = 2 << 10

// Options configure a Writer. The zero value has the defaults.
type Options struct {
	Buffers  int // pooled buffers of BufferSize, at least 2; 16
	Overflow int // bytes of buffers beyond the pool, taken only while it is empty; 64 MiB, none if negative

	// SyncEvery is the longest time that lines stay in the compressor before it ends its
	// frame; 1 s. Plain files are synced after each buffer.
	SyncEvery time.Duration

	// Encode makes lines from the content of the Buffers, on the Writer's goroutine. It
	// appends lines to dst until that is longer than enough, and returns the rest of src,
	// which is passed to the next call. It must not keep src. nil: the Buffers hold lines.
	Encode func(dst, src []byte, enough int) (lines, rest []byte)

	// KeepOpen leaves the Sink open at the end: Close only syncs it.
	KeepOpen bool

	// Wake is called on the Writer's goroutine when a buffer is free again and when the
	// Sink has failed. It must not block. It may be nil.
	Wake func()
}

// Stats count what went through a Writer.
type Stats struct {
	// Records and Bytes (before compression) are in the file. Those that a failing Sink
	// cut off again do not count.
	Records int64
	Bytes   int64
	// Committed is the length of the file up to the last whole line or frame, with the
	// content of before the run.
	Committed int64
}

// A Writer takes filled Buffers from the loop of a scan and passes them to a Sink, in
// order, on a goroutine of its own.
//
// Free, Put, Room, Take and Close are for one goroutine, the owner. Only Take and Close
// wait. Any goroutine may call the other methods.
type Writer struct {
	sink      dataset.Sink
	syncEvery time.Duration // 0: after each buffer
	reader    *dataset.File // a pipe or socket whose reader may leave; nil: none
	keepOpen  bool          // Close does not close sink
	piece     int           // most bytes per write, unless a line is longer; 0: any number
	encode    func(dst, src []byte, enough int) (lines, rest []byte)
	wake      func()

	free        chan *Buffer // the pool
	full        chan *Buffer // its capacity is the number of Buffers, so that Put never waits
	waiting     atomic.Int64 // bytes put and not yet written
	overflow    atomic.Int32 // Buffers beyond the pool that are in use
	maxOverflow int32

	failed    chan struct{} // closed after err is set
	err       error
	done      chan struct{} // closed when the goroutine has ended
	closeOnce sync.Once

	// Owned by the goroutine.
	lines                        []byte // that Encode has made
	pendingRecords, pendingBytes int64  // with the Sink, not yet synced

	records, bytes, committed atomic.Int64
}

// New returns a Writer to sink and starts its goroutine, which ends with
// Close. The Writer closes the sink, unless o.KeepOpen is set.
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
		keepOpen:    o.KeepOpen,
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

// Free returns an empty Buffer, from the pool or, if that is empty, beyond it. It returns
// false if the overflow is used up too.
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

// Take is Free that waits. The owner must not hold all Buffers of the pool.
func (w *Writer) Take() *Buffer {
	if b, ok := w.Free(); ok {
		return b
	}
	return <-w.free
}

// Room returns the number of free Buffers in the pool. The owner should add no work if
// few are left, so that the answers to earlier work still find space.
func (w *Writer) Room() int { return len(w.free) }

// Put passes b on, full or not. Its lines are written soon, or when the compressor's
// frame ends. b must come from Free or Take and must not be used again. Put after Close
// panics.
func (w *Writer) Put(b *Buffer) {
	w.waiting.Add(int64(len(b.B)))
	w.full <- b
}

// Waiting returns the number of bytes in Buffers that were put and are not written yet.
func (w *Writer) Waiting() int { return int(w.waiting.Load()) }

// Failed is closed when the Sink has failed. Later Buffers are dropped.
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

// Close writes all Buffers, closes the Sink and returns the first error. Further calls
// return it again.
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

// write passes b to the Sink, unless that has failed.
func (w *Writer) write(b *Buffer) {
	if w.encode == nil {
		w.writeLines(b.B)
		return
	}
	for rest := b.B; len(rest) > 0 && w.Err() == nil; {
		w.lines, rest = w.encode(w.lines[:0], rest, encodeSize)
		w.writeLines(w.lines)
		if w.syncEvery == 0 { // they are in the file, even if the next write fails
			w.sync()
		}
		if cap(w.lines) > 2*encodeSize+keepCapacity {
			w.lines = nil
		}
	}
}

// atomicWrite is the most that is written to a pipe at a time: PIPE_BUF of Linux. A longer
// write can block in its middle, and a scan that ends meanwhile would leave half a line.
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
			w.sync() // they are in the pipe, even if the next write fails
		}
	}
}

// firstLines returns the whole lines at the beginning of p that fit into most bytes, but
// at least one line.
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

// fail records the first error.
func (w *Writer) fail(err error) {
	w.pendingRecords, w.pendingBytes = 0, 0
	w.err = err
	close(w.failed)
	w.wake()
}

// finish syncs and closes the Sink.
func (w *Writer) finish() {
	w.sync()
	if w.keepOpen {
		return
	}
	if err := w.sink.Close(); err != nil && w.Err() == nil {
		w.fail(err)
	}
}
