package osfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Open changes nothing, and writes append, also after the file was cut.
func TestOpenAppends(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(path, []byte("old\n"), 0o644))
	f, err := Open(path)
	require.NoError(t, err)
	require.True(t, f.Owned())
	require.Equal(t, "old\n", readFile(t, path))
	_, err = f.Write([]byte("new\n"))
	require.NoError(t, err)
	require.Equal(t, "old\nnew\n", readFile(t, path))
	require.NoError(t, f.Empty())
	require.Empty(t, readFile(t, path))
	_, err = f.Write([]byte("first\n"))
	require.NoError(t, err)
	require.Equal(t, "first\n", readFile(t, path))
	require.NoError(t, f.Close())

	_, err = Open(dir)
	require.Error(t, err)
	_, err = Open(filepath.Join(dir, "none", "f"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Discard removes a file that Open created and that is empty; any other stays.
func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	f, err := Open(path)
	require.NoError(t, err)
	require.FileExists(t, path)
	require.NoError(t, f.Discard())
	require.NoFileExists(t, path)

	f, err = Open(path)
	require.NoError(t, err)
	_, err = f.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, f.Discard())
	require.FileExists(t, path)

	require.NoError(t, os.WriteFile(path, nil, 0o644))
	f, err = Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Discard())
	require.FileExists(t, path)

	f, err = Open(os.DevNull)
	require.NoError(t, err)
	require.False(t, f.Owned())
	require.NoError(t, f.Empty())
	require.NoError(t, f.Discard())
}

func replace(f *File, b string) error {
	r, err := f.Prepare([]byte(b))
	if err != nil {
		return err
	}
	return r.Commit()
}

// The old content stays until Commit. A link stays a link, and no temporary file stays.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if os.Symlink("target", path) != nil {
		path = filepath.Join(dir, "target")
	}
	f, err := Open(path)
	require.NoError(t, err)
	before := names(t, dir)
	for _, text := range []string{"a longer text", "short", ""} {
		old := readFile(t, path)
		r, err := f.Prepare([]byte(text))
		require.NoError(t, err)
		require.Equal(t, old, readFile(t, path))
		r.Discard()
		require.Equal(t, old, readFile(t, path))
		require.NoError(t, replace(f, text))
		require.Equal(t, text, readFile(t, path))
		require.Equal(t, before, names(t, dir))
	}
	require.NoError(t, f.Close())
}

// A temporary file that a killed process left does no harm, nor does anything else of
// that name.
func TestReplaceBesideOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	f, err := Open(path)
	require.NoError(t, err)
	tmp, err := f.temp()
	require.NoError(t, err)
	_, err = tmp.WriteString("left behind")
	require.NoError(t, err)
	require.NoError(t, tmp.Close())
	require.NoError(t, replace(f, "new"))
	require.Equal(t, "new", readFile(t, path))
	require.Equal(t, "left behind", readFile(t, tmp.Name()))
	require.NoError(t, f.Close())
}
