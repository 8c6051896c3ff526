package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

func TestRewriteLeavesOut(t *testing.T) {
	for _, name := range []string{"a.ndjson", "a.ndjson.zst", "a.ndjson.gz"} {
		path := filepath.Join(t.TempDir(), name)
		sink, err := OpenSink(path, SinkOptions{})
		require.NoError(t, err)
		for i := range 1000 {
			status := "success"
			if i >= 900 {
				status = "aborted"
			}
			require.NoError(t, sink.WriteLines(fmt.Appendf(nil, `{"seq":%d,"status":"%s"}`+"\n", i, status)))
			if i%300 == 0 {
				_, err := sink.Sync()
				require.NoError(t, err)
			}
		}
		require.NoError(t, sink.Close())
		require.NoError(t, os.Chmod(path, 0o640))

		kept, err := Rewrite(path, func(l []byte) bool { return !strings.Contains(string(l), "aborted") })
		require.NoError(t, err)
		require.EqualValues(t, 900, kept.Lines)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, info.Size(), kept.Size)
		require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
		again, err := Recover(path, func(l []byte) error {
			require.NotContains(t, string(l), "aborted")
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, kept.Lines, again.Lines)
		require.Equal(t, kept.Bytes, again.Bytes)
		list, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, list, 1, "no file is left beside it")
	}
}

func TestRewriteOfAFileThatIsNotThere(t *testing.T) {
	_, err := Rewrite(filepath.Join(t.TempDir(), "none"), func([]byte) bool { return true })
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A link to the file stays one, and what a process that was killed has left is
// taken away.
func TestRewriteBehindALink(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	path, link := filepath.Join(dir, "r.ndjson"), filepath.Join(other, "link")
	require.NoError(t, os.WriteFile(path, lines(0, 4), 0o600))
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	rest := filepath.Join(dir, ".r.ndjson.resume")
	require.NoError(t, os.WriteFile(rest, lines(0, 1), 0o644))

	kept, err := Rewrite(link, func(l []byte) bool { seq, _ := output.Seq(l); return seq != 2 })
	require.NoError(t, err)
	require.EqualValues(t, 3, kept.Lines)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	require.Equal(t, string(lines(0, 2))+string(lines(3, 1)), string(readFile(t, path)))
	require.NoFileExists(t, rest)

	require.NoError(t, os.WriteFile(rest, lines(0, 1), 0o644))
	require.NoError(t, RemoveRest(link))
	require.NoFileExists(t, rest)
	require.NoError(t, RemoveRest(link))
	list, err := os.ReadDir(other)
	require.NoError(t, err)
	require.Len(t, list, 1)
}
