package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// recovered is the result of Load and Start.
type recovered struct {
	Compression   Compression
	Lines, Bytes  int64
	Size, Removed int64
	wholeBefore   bool
}

// recoverFile loads a file in whatever compression it has, and starts and closes it
// without a line more. If that fails, the file must be as it was.
func recoverFile(path string, line func([]byte) error) (k recovered, err error) {
	before, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	f, err := Open(path, CompressNone)
	if err != nil {
		return k, err
	}
	load := func() error { return f.Load(func(l []byte) (bool, error) { return true, line(l) }) }
	quiet := f.Load(func(l []byte) (bool, error) { return true, nil })
	if errors.Is(quiet, ErrCompression) { // f.compression is what the file has now
		quiet = nil
	}
	if quiet != nil {
		_ = load()
		return k, errors.Join(quiet, f.Discard())
	}
	if err := load(); err != nil {
		return k, errors.Join(err, f.Discard())
	}
	k.Compression, k.wholeBefore = f.held.compression, f.held.border == f.held.size
	if err := f.held.mend(f.out); err != nil {
		return k, err
	}
	k.Lines, k.Bytes = f.Held()
	if k.Size, err = f.out.Size(); err != nil {
		return k, err
	}
	k.Removed = int64(len(before)) - k.Size
	return k, f.Discard()
}

func TestOpenLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.ndjson")
	f, err := Create(path, CompressAuto)
	require.NoError(t, err)
	if _, err = Open(path, CompressAuto); err == nil && runtime.GOOS == "windows" {
		t.Skip("files cannot be locked here")
	}
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, path)
	require.NoError(t, f.WriteLines(lines(0, 3)))
	require.NoError(t, f.Close())

	// The lock stays when the file is rewritten.
	f, err = Open(path, CompressAuto)
	require.NoError(t, err)
	require.NoError(t, f.Load(func(l []byte) (bool, error) { seq, _ := seqOf(l); return seq != 1, nil }))
	require.NoError(t, f.Start())
	_, err = Open(path, CompressAuto)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, f.Close())
	f, err = Open(path, CompressAuto)
	require.NoError(t, err)
	require.NoError(t, f.Discard())
	require.FileExists(t, path)
}

// Open changes no file. One that it created goes again if nothing was written.
func TestOpenChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r")
	f, err := Open(path, CompressAuto)
	require.NoError(t, err)
	require.FileExists(t, path)
	require.NoError(t, f.Discard())
	require.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, lines(0, 1), 0o644))
	f, err = Open(path, CompressAuto)
	require.NoError(t, err)
	require.NoError(t, f.Discard())
	require.Equal(t, lines(0, 1), readFile(t, path))

	_, err = Open(filepath.Join(dir, "none", "r"), CompressAuto)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(dir, CompressAuto)
	require.Error(t, err)
}

// Lines that are not kept are dropped, in every compression, through links, and with
// a torn tail. Mode stays; the rest of the file can be appended to.
func TestLoadDropsLines(t *testing.T) {
	for c, name := range endings {
		t.Run(c.String(), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			whole, _ := pack(t, c, lines(0, 70), lines(70, 3))
			require.NoError(t, os.WriteFile(path, whole[:len(whole)-2], 0o600))
			if os.Symlink(name, filepath.Join(dir, "link")) == nil {
				path = filepath.Join(dir, "link")
			}
			f, err := Open(path, c)
			require.NoError(t, err)
			var want []byte
			require.NoError(t, f.Load(func(l []byte) (bool, error) {
				seq, ok := seqOf(l)
				require.True(t, ok)
				if seq%3 == 0 {
					return false, nil
				}
				want = append(append(want, l...), '\n')
				return true, nil
			}))
			require.NoError(t, f.Start())
			records, bytes := f.Held()
			require.EqualValues(t, len(split(want)), records)
			require.EqualValues(t, len(want), bytes)
			require.NoError(t, f.WriteLines(lines(100, 2)))
			require.NoError(t, f.Close())
			require.Equal(t, string(want)+string(lines(100, 2)), string(unpack(t, c, readFile(t, path))))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.LessOrEqual(t, len(entries), 2, "no temporary file stays")
		})
	}
}

// Load refuses files that are compressed in another way, and devices.
func TestLoadRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.ndjson")
	require.NoError(t, os.WriteFile(path, lines(0, 2), 0o644))
	f, err := Open(path, CompressZstd)
	require.NoError(t, err)
	all := func([]byte) (bool, error) { return true, nil }
	err = f.Load(all)
	require.ErrorIs(t, err, ErrCompression)
	require.ErrorContains(t, err, "it is none, and this run would write zstd")
	require.Equal(t, CompressNone, f.Compression())
	require.NoError(t, f.Discard())
	require.Equal(t, lines(0, 2), readFile(t, path))

	f, err = Open(os.DevNull, CompressNone)
	require.NoError(t, err)
	require.ErrorIs(t, f.Load(all), ErrNotRegular)
	require.NoError(t, f.Discard())
}
