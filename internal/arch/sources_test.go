package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A source is one Go file of the repository, whatever system it is for.
type source struct {
	path string // relative to the root, with slashes
	dir  string // of path
	test bool
	ast  *ast.File
}

// sources parses every Go file under the root.
func sources(t *testing.T) []source {
	t.Helper()
	const root = "../.."
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		dir := "."
		if i := strings.LastIndexByte(rel, '/'); i >= 0 {
			dir = rel[:i]
		}
		all = append(all, source{rel, dir, strings.HasSuffix(rel, "_test.go"), f})
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// TestUnsafe: only mux, for system calls, and internal/reply, for strings that
// share the memory of a reply, may import unsafe. Tests may.
func TestUnsafe(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "mux" || s.dir == "internal/reply" || s.test {
			continue
		}
		for _, i := range s.ast.Imports {
			if i.Path.Value == `"unsafe"` {
				t.Errorf("%s imports unsafe; only mux and internal/reply may", s.path)
			}
		}
		for _, group := range s.ast.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:linkname") {
					t.Errorf("%s uses go:linkname", s.path)
				}
			}
		}
	}
}
