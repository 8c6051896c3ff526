package linewriter

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output/dataset"
)

// fileLimit returns functions that set and remove a limit on the size of files, which
// simulates a full disk.
func fileLimit(t *testing.T) (limit func(size uint64), unlimit func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	set := func(l syscall.Rlimit) { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)) }
	signal.Ignore(syscall.SIGXFSZ)
	unlimit = func() { set(before) }
	t.Cleanup(func() {
		unlimit()
		signal.Reset(syscall.SIGXFSZ)
	})
	return func(size uint64) { set(syscall.Rlimit{Cur: size, Max: before.Max}) }, unlimit
}

// A Writer counts the records in the file, also if the disk fills up between
// the parts of a large buffer.
func TestWriterCountsWhatIsInTheFile(t *testing.T) {
	limit, unlimit := fileLimit(t)
	for c, name := range endings {
		path := filepath.Join(t.TempDir(), name)
		s, err := dataset.Create(path, dataset.CompressAuto)
		require.NoError(t, err)
		// Each byte becomes so many lines that two are more than one part.
		part := lines(0, encodeSize/len(lines(0, 1)))
		w := New(s, Options{Encode: func(dst, src []byte, _ int) (_, rest []byte) {
			return append(dst, part...), src[1:]
		}})
		limit(uint64(len(part))*5/2 + 10)
		b := w.Take()
		b.B = append(b.B, make([]byte, 5000)...)
		w.Put(b)
		err = w.Close()
		unlimit()
		require.ErrorIs(t, err, syscall.EFBIG)
		var found int64
		if b := readFile(t, path); len(b) > 0 {
			found = int64(bytes.Count(unpack(t, c, b), []byte{'\n'}))
		}
		require.Equal(t, w.Stats().Records, found, c)
		require.EqualValues(t, len(readFile(t, path)), w.Stats().Committed, c)
	}
}

// To a pipe that has a name another reader may come.
func TestWriterToANamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	s, err := dataset.Create(path, dataset.CompressAuto)
	require.NoError(t, err)
	w := New(s, Options{})
	require.NoError(t, reader.Close())
	time.Sleep(2 * watchEvery)
	reader, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	b := w.Take()
	b.B = append(b.B, lines(0, 3)...)
	w.Put(b)
	require.NoError(t, w.Close())
	got, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Equal(t, string(lines(0, 3)), string(got))
	require.NoError(t, reader.Close())
}
