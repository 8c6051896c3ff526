package output

import (
	"bytes"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A disk that fills up in the middle of a batch: the file ends with the last
// whole batch or frame. A limit on the size of files stands for the disk.
func TestSinkCutsPartialWrite(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)) }()

	for c, name := range endings {
		path := filepath.Join(t.TempDir(), name)
		s, err := OpenSink(path, SinkOptions{})
		require.NoError(t, err)
		require.NoError(t, s.WriteLines(lines(0, 20)))
		committed, err := s.Sync()
		require.NoError(t, err)

		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(committed) + 10, Max: limit.Max}))
		err = failAfter(t, s)
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))

		require.ErrorIs(t, err, syscall.EFBIG)
		b := readFile(t, path)
		require.Len(t, b, int(committed), c)
		require.Equal(t, string(lines(0, 20)), string(unpack(t, c, b)))
	}
}

// What a Writer counts is what the file holds, also where the disk fills up between
// the parts of a large buffer.
func TestWriterCountsWhatIsInTheFile(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)) }()

	for c, name := range endings {
		path := filepath.Join(t.TempDir(), name)
		s, err := OpenSink(path, SinkOptions{})
		require.NoError(t, err)
		// Each byte becomes so many lines that two are more than one part.
		part := lines(0, encodeSize/len(lines(0, 1)))
		w := NewWriter(s, WriterOptions{Encode: func(dst, src []byte, _ int) (_, rest []byte) {
			return append(dst, part...), src[1:]
		}})
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(len(part))*5/2 + 10, Max: limit.Max}))
		b := w.Take()
		b.B = append(b.B, make([]byte, 5000)...)
		w.Put(b)
		err = w.Close()
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
		require.ErrorIs(t, err, syscall.EFBIG)
		var found int64
		if b := readFile(t, path); len(b) > 0 {
			found = int64(bytes.Count(unpack(t, c, b), []byte{'\n'}))
		}
		require.Equal(t, w.Stats().Records, found, c)
		require.EqualValues(t, len(readFile(t, path)), w.Stats().Committed, c)
	}
}
