package linewriter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/output/dataset"
)

// A fakeSink keeps lines in memory, as slowly and as badly as its fields say.
type fakeSink struct {
	mu              sync.Mutex
	written, synced []byte
	syncs, closes   int
	delay           time.Duration // of each WriteLines
	block           chan struct{} // WriteLines waits for it to be closed
	writeErr        error
	syncErr         error
	closeErr        error
}

func (s *fakeSink) WriteLines(p []byte) error {
	if s.block != nil {
		<-s.block
	}
	time.Sleep(s.delay)
	if s.writeErr != nil {
		return s.writeErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = append(s.written, p...)
	return nil
}

func (s *fakeSink) Sync() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs++
	if s.syncErr != nil {
		return int64(len(s.synced)), s.syncErr
	}
	s.synced = bytes.Clone(s.written)
	return int64(len(s.synced)), nil
}

func (s *fakeSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closes++
	return s.closeErr
}

// state returns the lines that the sink has got.
func (s *fakeSink) state() (written, synced string, syncs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.written), string(s.synced), s.syncs
}

func put(t *testing.T, w *Writer, p []byte) {
	t.Helper()
	b, ok := w.Free()
	require.True(t, ok)
	require.Empty(t, b.B)
	b.B = append(b.B, p...)
	w.Put(b)
}

func TestFirstLines(t *testing.T) {
	for _, c := range []struct {
		p    string
		most int
		want string
	}{
		{"a\nb\n", 4, "a\nb\n"}, {"a\nb\n", 3, "a\n"}, {"a\nb\n", 2, "a\n"}, {"a\nb\n", 1, "a\n"},
		{"long\nb\n", 3, "long\n"}, {"long", 3, "long"}, {"", 3, ""},
	} {
		require.Equal(t, c.want, string(firstLines([]byte(c.p), c.most)), "%q %d", c.p, c.most)
	}
}

func TestWriterSyncsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{}
		w := New(s, Options{})
		time.Sleep(time.Minute)
		_, _, syncs := s.state()
		require.Zero(t, syncs, "nothing written, nothing synced")

		put(t, w, lines(0, 2))
		synctest.Wait()
		written, _, syncs := s.state()
		require.Equal(t, string(lines(0, 2)), written, "written at once")
		require.Zero(t, syncs)
		require.Zero(t, w.Stats(), "with the sink, not yet in the file")
		time.Sleep(600 * time.Millisecond)
		put(t, w, lines(2, 1))
		time.Sleep(399 * time.Millisecond)
		synctest.Wait()
		_, _, syncs = s.state()
		require.Zero(t, syncs)
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		_, synced, syncs := s.state()
		require.Equal(t, 1, syncs, "a second after the first line, not the last")
		require.Equal(t, string(lines(0, 3)), synced)
		require.Equal(t, Stats{Records: 3, Bytes: int64(len(synced)), Committed: int64(len(synced))}, w.Stats())

		time.Sleep(time.Minute)
		_, _, syncs = s.state()
		require.Equal(t, 1, syncs)
		put(t, w, lines(3, 1))
		require.NoError(t, w.Close())
		require.Equal(t, string(lines(0, 4)), string(s.synced))
		require.EqualValues(t, 4, w.Stats().Records)
		require.Equal(t, 1, s.closes)
	})
}

// A sink that is always busy is synced all the same.
func TestWriterSyncsWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{delay: 10 * time.Millisecond}
		w := New(s, Options{Buffers: 4})
		start := time.Now()
		for range 1000 {
			b := w.Take()
			b.B = append(b.B, lines(0, 1)...)
			w.Put(b)
		}
		require.NoError(t, w.Close())
		seconds := int(time.Since(start) / time.Second)
		require.Equal(t, 10, seconds)
		require.GreaterOrEqual(t, s.syncs, seconds/2)
		require.EqualValues(t, 1000, w.Stats().Records)
	})
}

// While the sink hangs the loop gets buffers up to the pool and the overflow,
// never waits, and sees that it should stop adding work.
func TestWriterBoundsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{block: make(chan struct{})}
		var wakes atomic.Int32
		w := New(s, Options{Buffers: 4, Overflow: 3*BufferSize + 1, Wake: func() { wakes.Add(1) }})
		require.Equal(t, 4, w.Room())
		for i := range 7 {
			put(t, w, lines(i, 1))
			require.Equal(t, max(0, 3-i), w.Room())
		}
		_, ok := w.Free()
		require.False(t, ok)
		synctest.Wait()
		require.Zero(t, wakes.Load())

		time.AfterFunc(time.Hour, func() { close(s.block) })
		start := time.Now()
		b := w.Take()
		require.Equal(t, time.Hour, time.Since(start), "Take waits")
		require.Empty(t, b.B)
		w.Put(b)
		synctest.Wait()
		require.Equal(t, 4, w.Room(), "the overflow is gone again")
		require.Zero(t, w.overflow.Load())
		require.EqualValues(t, 8, wakes.Load())
		require.NoError(t, w.Close())
		require.Equal(t, string(lines(0, 7)), string(s.synced), "in order")
	})
}

func TestWriterFailure(t *testing.T) {
	broken := errors.New("broken")
	for name, s := range map[string]*fakeSink{
		"write": {writeErr: broken, closeErr: errors.New("not this one")},
		"sync":  {syncErr: broken, closeErr: errors.New("not this one")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen error
				var w *Writer
				w = New(s, Options{Buffers: 2, Overflow: -1, Wake: func() {
					if seen == nil {
						seen = w.Err()
					}
				}})
				require.NoError(t, w.Err())
				put(t, w, lines(0, 1))
				<-w.Failed()
				synctest.Wait()
				require.Equal(t, broken, seen, "Wake comes after the error can be seen")
				require.Equal(t, broken, w.Err())
				for range 100 {
					b := w.Take() // buffers are free although the file is lost
					b.B = append(b.B, lines(1, 1)...)
					w.Put(b)
				}
				require.Equal(t, broken, w.Close())
				require.Equal(t, broken, w.Close())
				require.Equal(t, 1, s.closes)
				require.Zero(t, w.Stats().Records)
			})
		})
	}
}

func TestWriterCloseError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		s := &fakeSink{closeErr: broken}
		w := New(s, Options{})
		put(t, w, lines(0, 1))
		require.NoError(t, w.Err())
		require.Equal(t, broken, w.Close())
		require.Equal(t, broken, w.Close())
		require.Equal(t, 1, s.closes)
	})
}

// A record that does not fit makes its buffer grow; the pool stays the size it
// was planned at.
func TestWriterShrinksBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{}
		w := New(s, Options{Buffers: 2})
		put(t, w, append(bytes.Repeat([]byte{'x'}, 20*BufferSize), '\n'))
		put(t, w, append(bytes.Repeat([]byte{'y'}, 2*BufferSize), '\n'))
		synctest.Wait()
		for range 2 {
			require.LessOrEqual(t, cap(w.Take().B), keepCapacity)
		}
		require.NoError(t, w.Close())
		require.Len(t, s.synced, 22*BufferSize+2)
	})
}

func TestBufferFull(t *testing.T) {
	b := Buffer{B: make([]byte, BufferSize-fullSlack-1)}
	require.False(t, b.Full())
	b.B = append(b.B, 0)
	require.True(t, b.Full())
}

// Into a plain file lines go as soon as they are handed over.
func TestWriterPlainFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.ndjson")
	s, err := dataset.Create(path, dataset.CompressAuto)
	require.NoError(t, err)
	woken := make(chan struct{}, 1)
	w := New(s, Options{Wake: func() { woken <- struct{}{} }})
	put(t, w, lines(0, 3))
	<-woken
	require.Equal(t, string(lines(0, 3)), string(readFile(t, path)))
	require.EqualValues(t, 3, w.Stats().Records)
	require.NoError(t, w.Close())
}

func TestWriterCompressedFile(t *testing.T) {
	for c, name := range endings {
		path := filepath.Join(t.TempDir(), name)
		s, err := dataset.Create(path, dataset.CompressAuto)
		require.NoError(t, err)
		w := New(s, Options{})
		some := lines(0, 200)
		for range 40 {
			b := w.Take()
			for !b.Full() {
				b.B = append(b.B, some...)
			}
			w.Put(b)
		}
		require.NoError(t, w.Close())
		b := readFile(t, path)
		got := unpack(t, c, b)
		st := w.Stats()
		require.EqualValues(t, len(b), st.Committed)
		require.EqualValues(t, len(got), st.Bytes)
		require.EqualValues(t, bytes.Count(got, []byte{'\n'}), st.Records)
	}
}

func TestWriterEmptyRun(t *testing.T) {
	for c, name := range endings {
		path := filepath.Join(t.TempDir(), name)
		s, err := dataset.Create(path, dataset.CompressAuto)
		require.NoError(t, err)
		w := New(s, Options{})
		require.NoError(t, w.Close())
		require.Equal(t, Stats{Committed: int64(len(readFile(t, path)))}, w.Stats(), c)
	}
}

func TestWriterAllocs(t *testing.T) {
	w := New(&nullSink{}, Options{})
	line := lines(3, 1)
	require.Zero(t, testing.AllocsPerRun(500, func() {
		b := w.Take()
		b.B = append(b.B, line...)
		w.Put(b)
		for w.Room() < 4 { // let the goroutine keep up, so that the pool does
			time.Sleep(time.Microsecond)
		}
	}))
	require.NoError(t, w.Close())
}

// A nullSink takes everything.
type nullSink struct{}

func (nullSink) WriteLines([]byte) error { return nil }
func (nullSink) Sync() (int64, error)    { return 0, nil }
func (nullSink) Close() error            { return nil }

// BenchmarkWriterHandOver measures the cost of a buffer for the loop, without its bytes.
func BenchmarkWriterHandOver(b *testing.B) {
	w := New(&nullSink{}, Options{Overflow: -1})
	b.ReportAllocs()
	for b.Loop() {
		buf := w.Take()
		buf.B = append(buf.B, '\n')
		w.Put(buf)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// endings has a file name for each compression.
var endings = map[dataset.Compression]string{dataset.CompressNone: "r.ndjson", dataset.CompressZstd: "r.ndjson.zst", dataset.CompressGzip: "r.ndjson.gz"}

// lines returns n lines of various lengths that end in their number.
func lines(from, n int) []byte {
	var b []byte
	for i := from; i < from+n; i++ {
		b = fmt.Appendf(b, "{\"schema\":1,\"seq\":%d,\"x\":%q}\n", i, strings.Repeat("ab", i*7%50))
	}
	return b
}

// unpack returns the content of b, read by the readers of the libraries.
func unpack(t *testing.T, c dataset.Compression, b []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	switch c {
	case dataset.CompressZstd:
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		require.NoError(t, err)
		defer d.Close()
		r = d
	case dataset.CompressGzip:
		g, err := gzip.NewReader(r)
		require.NoError(t, err)
		r = g
	}
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return out
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// pipeSink returns a File that writes to a pipe, and the other end of the pipe.
func pipeSink(t *testing.T, c dataset.Compression) (reader *os.File, s dataset.Sink) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	f, err := dataset.Create(fmt.Sprintf("/dev/fd/%d", w.Fd()), c)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return r, f
}

// That a reader has left is seen without a record to write.
func TestWriterSeesTheReaderLeave(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there the next write tells")
	}
	for c := range endings {
		for _, written := range []bool{false, true} {
			r, s := pipeSink(t, c)
			writer := New(s, Options{})
			if written {
				b := writer.Take()
				b.B = append(b.B, lines(0, 3)...)
				writer.Put(b)
			}
			time.Sleep(2 * watchEvery)
			require.NoError(t, writer.Err(), "it is still there")
			require.NoError(t, r.Close())
			select {
			case <-writer.Failed():
			case <-time.After(time.Minute):
				require.Fail(t, "it was not seen")
			}
			require.True(t, osfile.IsBrokenPipe(writer.Err()), "%v", writer.Err())
			require.Equal(t, writer.Err(), writer.Close())
		}
	}
}
