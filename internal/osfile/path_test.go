package osfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "real", "sub"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "real", "file"), nil, 0o666))
	for link, to := range map[string]string{
		"folder":        filepath.Join("real", "sub"),
		"link":          filepath.Join("real", "file"),
		"chain":         "link",
		"dangling":      filepath.Join("real", "none"),
		"loop":          "loop",
		"real/sub/up":   filepath.Join("..", "new"), // from real/sub, by whatever name that is reached
		"real/sub/here": "new",
	} {
		if err := os.Symlink(to, filepath.Join(dir, filepath.FromSlash(link))); err != nil {
			t.Skip("no links: ", err)
		}
	}
	for path, want := range map[string]string{
		"real/file":   "real/file",
		"real/none":   "real/none",
		"none/none":   "none/none",
		"link":        "real/file",
		"chain":       "real/file",
		"dangling":    "real/none",
		"folder":      "real/sub",
		"folder/none": "real/sub/none",
		"folder/up":   "real/new",
		"folder/here": "real/sub/new",
		"loop":        "loop",
	} {
		require.Equal(t, filepath.Join(dir, filepath.FromSlash(want)), Resolve(filepath.Join(dir, filepath.FromSlash(path))), path)
	}
}

func TestIsOpenName(t *testing.T) {
	for path, want := range map[string]bool{
		"/dev/stdout": true, "/dev/fd/3": true, "/proc/self/fd/4": true, "/dev/./stderr": true,
		"/dev/null": false, "/dev/stdout.meta.json": false, "/dev/stdout/x": false, "records.ndjson": false, "/dev/fd": false,
	} {
		require.Equal(t, want, IsOpenName(path), path)
	}
	link := filepath.Join(t.TempDir(), "link")
	if os.Symlink("/dev/fd/9", link) == nil {
		require.True(t, IsOpenName(link))
	}
}
