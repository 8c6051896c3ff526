package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A source is one Go file of the repository, for any system.
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
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "dist"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		all = append(all, source{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), f})
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// mayBeUnsafe are the packages that may import unsafe: mux for system calls, reply for
// strings that share the memory of a reply.
var mayBeUnsafe = []string{"mux", "internal/reply"}

// TestUnsafe: only these packages and tests import unsafe, and nothing links to names of
// other packages.
func TestUnsafe(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || slices.Contains(mayBeUnsafe, s.dir) {
			continue
		}
		for _, i := range s.ast.Imports {
			if i.Path.Value == `"unsafe"` {
				t.Errorf("%s imports unsafe; only %v may", s.path, mayBeUnsafe)
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

// TestProtocolIsAFunction: the protocol depends on bytes and on the time that it is
// given, so that a million conversations can run in virtual time and a failure can be
// replayed. It reads no clock, draws no random numbers, starts no goroutine and does no
// I/O.
func TestProtocolIsAFunction(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.dir != "proto" && !strings.HasPrefix(s.dir, "proto/") {
			continue
		}
		for _, v := range impure(s.ast) {
			t.Errorf("%s uses %s", s.path, v)
		}
	}
	bad, err := parser.ParseFile(token.NewFileSet(), "bad.go", `package x
import (
	t "time"
	"os"
)
var d t.Duration = 3 * t.Second
func f(c chan int) { go f(); _ = t.Now(); println(); select {} }`, parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Equal(t, []string{"os", "a channel", "a goroutine", "time.Now", "println", "a select"}, impure(bad))
}

// impure returns every use of something other than the file's arguments.
func impure(file *ast.File) (found []string) {
	clock := ""
	for _, i := range file.Imports {
		switch name, _ := strconv.Unquote(i.Path.Value); name {
		case "net", "os", "os/exec", "os/signal", "log", "log/slog", "syscall", "context", "sync/atomic",
			"math/rand", "math/rand/v2", "crypto/rand":
			found = append(found, name)
		case "time":
			if clock = "time"; i.Name != nil {
				clock = i.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "a goroutine")
		case *ast.SelectStmt:
			found = append(found, "a select")
		case *ast.ChanType:
			found = append(found, "a channel")
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || clock == "" || x.Name != clock {
				break
			}
			switch n.Sel.Name {
			case "Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour":
			default:
				found = append(found, "time."+n.Sel.Name)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				found = append(found, f.Name)
			}
		}
		return true
	})
	return found
}

// doors are the functions that foreign bytes enter first: datagrams of servers and
// masters, control messages of the kernel, files and settings of the user. A test file
// with a fuzz target of their package calls each of them.
var doors = map[string]string{
	"proto":            "Info.Decode PlayerList.Decode RuleList.Decode Conversation.Receive Client.HandleDatagram",
	"proto/a3sb":       "Decode",
	"proto/master":     "Session.HandleDatagram",
	"proto/prototest":  "World.Answer NewReplay",
	"mux":              "findControl localKey parseExtendedErr",
	"scanner":          "engine.HandlePacket",
	"scanner/targets":  "parseLine cutPlain AddrSet.AddFile parsePorts openText newJSONReader newCSVReader",
	"output":           "AppendJSON Unmarshal",
	"output/dataset":   "scanLines ReadFrom File.Load ReadMetadata",
	"bench/farm":       "Verify ParseListen",
	"bench/run":        "ReadReport",
	"internal/pcap":    "Reader.Next UDP",
	"internal/weblist": "readRows readWords",
	"cmd/a2scan":       "flagSet.applyConfig clean cell app.decodeStdin decodeDatagrams parseHexdump parseEscaped readCapture scanRun.loadEarlier",
}

// TestDoorsAreFuzzed: a door that is renamed or removed is renamed or removed in the
// table too.
func TestDoorsAreFuzzed(t *testing.T) {
	declared := map[string]bool{}
	fuzzed := map[string]bool{} // names used in test files that have a fuzz target
	for _, s := range sources(t) {
		target := false
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			declared[s.dir+" "+receiverOf(f)+f.Name.Name] = true
			target = target || s.test && strings.HasPrefix(f.Name.Name, "Fuzz")
		}
		if target {
			ast.Inspect(s.ast, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					fuzzed[s.dir+" "+id.Name] = true
				}
				return true
			})
		}
	}
	for dir, names := range doors {
		for _, name := range strings.Fields(names) {
			if !declared[dir+" "+name] {
				t.Errorf("%s has no %s: correct the table of doors in internal/arch/sources_test.go", dir, name)
			}
			if !fuzzed[dir+" "+name[strings.LastIndexByte(name, '.')+1:]] {
				t.Errorf("%s: no test file with a fuzz target calls %s", dir, name)
			}
		}
	}
}

// receiverOf returns the type of f's receiver and a dot, or nothing.
func receiverOf(f *ast.FuncDecl) (name string) {
	if f.Recv == nil {
		return ""
	}
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name + "."
		}
		return name == ""
	})
	return name
}

// TestCorpora: go test runs all inputs in testdata/fuzz, so they stay small, and each
// folder of them belongs to a target.
func TestCorpora(t *testing.T) {
	const mostBytes, mostInAll = 4 << 10, 1 << 20
	targets := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && strings.HasPrefix(f.Name.Name, "Fuzz") {
				targets[s.dir+"/testdata/fuzz/"+f.Name.Name] = true
			}
		}
	}
	all := int64(0)
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(name, "/testdata/fuzz/") {
			return err
		}
		info, err := d.Info()
		require.NoError(t, err)
		all += info.Size()
		if info.Size() > mostBytes {
			t.Errorf("%s: %d bytes; the most is %d", name, info.Size(), mostBytes)
		}
		if !targets[path.Dir(name)] {
			t.Errorf("%s: an input of no fuzz target", name)
		}
		return nil
	})
	require.NoError(t, err)
	require.LessOrEqual(t, all, int64(mostInAll))
}
