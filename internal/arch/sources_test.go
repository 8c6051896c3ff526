package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
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

// TestUnsafe: system calls need unsafe, and they all stand in mux. A test may
// ask for a size with it.
func TestUnsafe(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "mux" || s.test {
			continue
		}
		for _, i := range s.ast.Imports {
			if i.Path.Value == `"unsafe"` {
				t.Errorf("%s imports unsafe; only mux may", s.path)
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

// foreign matches the names of exported functions that take apart what others wrote.
var foreign = regexp.MustCompile(`^(Parse|Decode|Assemble|Unescape|HandleDatagram|HandlePacket)`)

// exempt are the functions that TestFuzzed lets pass, each with its reason.
var exempt = map[string]string{
	"master.ParseRegion":   "looks a word of the command line up in a table",
	"output.ParseStatus":   "looks a word up in a table",
	"scanner.HandlePacket": "hands the bytes to proto, where they are fuzzed",
	"vector.Parse":         "reads the vectors of this repository",
}

// TestFuzzed: an exported function or method that takes apart foreign bytes,
// told by its name and by a parameter of bytes or text, is called by the code of
// a test file of its package that holds a fuzz target.
func TestFuzzed(t *testing.T) {
	called := map[string]map[string]bool{} // folder → names used in files with fuzz targets
	all := sources(t)
	for _, s := range all {
		if !s.test || !hasFuzz(s.ast) {
			continue
		}
		if called[s.dir] == nil {
			called[s.dir] = map[string]bool{}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				called[s.dir][id.Name] = true
			}
			return true
		})
	}
	n := 0
	for _, s := range all {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !foreign.MatchString(f.Name.Name) || !takesBytes(f) {
				continue
			}
			n++
			if !called[s.dir][f.Name.Name] && exempt[s.ast.Name.Name+"."+f.Name.Name] == "" {
				t.Errorf("%s: %s reads foreign bytes and no fuzz target of its package calls it", s.path, f.Name.Name)
			}
		}
	}
	t.Logf("%d functions read foreign bytes", n)
}

func hasFuzz(file *ast.File) bool {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Fuzz") && f.Recv == nil {
			return true
		}
	}
	return false
}

// takesBytes reports whether f has a parameter of []byte, string, *Packet or RuleList.
func takesBytes(f *ast.FuncDecl) bool {
	for _, p := range f.Type.Params.List {
		found := false
		ast.Inspect(p.Type, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ArrayType:
				if id, ok := n.Elt.(*ast.Ident); ok && id.Name == "byte" {
					found = true
				}
			case *ast.Ident:
				switch n.Name {
				case "string", "Packet", "Rule", "RuleList", "Reader":
					found = true
				}
			}
			return !found
		})
		if found {
			return true
		}
	}
	return false
}
