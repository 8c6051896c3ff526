package proto_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file is the fence around the package and those below it: the protocol is
// a function of bytes and of the time it is told. It opens no socket, reads no
// clock, starts no goroutine and writes no log, so that a million conversations
// can be run in virtual time, and a failure replayed.

const modulePath = "github.com/a2scan/a2scan"

// forbidden are packages that none of ours here may import itself. What the
// standard library imports in turn is its own affair (fmt needs os), but for net.
var forbidden = []string{
	"net", "os", "os/exec", "os/signal", "log", "log/slog", "syscall", "unsafe",
	"math/rand", "math/rand/v2", "crypto/rand",
}

// ofTime are the only names of package time that may be used: it may measure,
// and may not look.
var ofTime = []string{
	"Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour",
}

// netip is a type for addresses; the master-server protocol has them on the wire.
const netipAllowedIn = modulePath + "/proto/master"

func TestImportsStandardLibraryOnly(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("NOT RUN: no go command")
	}
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports", "./...")
	out, err := cmd.Output()
	require.NoError(t, err)
	ours := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Standard   bool
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NotEqual(t, "net", p.ImportPath, "something here depends on the network")
		if p.Standard {
			continue
		}
		ours++
		require.True(t, strings.HasPrefix(p.ImportPath, modulePath+"/proto") || p.ImportPath == modulePath+"/internal/arena",
			"proto depends on %s", p.ImportPath)
		for _, imp := range p.Imports {
			require.NotContains(t, forbidden, imp, "%s imports %s", p.ImportPath, imp)
			require.False(t, imp == "net/netip" && p.ImportPath != netipAllowedIn &&
				!strings.HasPrefix(p.ImportPath, modulePath+"/proto/prototest"), "%s imports %s", p.ImportPath, imp)
		}
	}
	require.GreaterOrEqual(t, ours, 3, "proto, proto/a3sb, proto/master")
}

func TestSourcesReadNoClockAndStartNothing(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, v := range violations(file) {
			t.Errorf("%s: %s", set.Position(v.pos), v.what)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 15)
}

type violation struct {
	pos  token.Pos
	what string
}

// violations looks for what may not stand in a source file.
func violations(file *ast.File) (found []violation) {
	timeName := ""
	for _, imp := range file.Imports {
		if path, _ := strconv.Unquote(imp.Path.Value); path == "time" {
			timeName = "time"
			if imp.Name != nil {
				timeName = imp.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, violation{n.Pos(), "a goroutine"})
		case *ast.SelectStmt:
			found = append(found, violation{n.Pos(), "a select"})
		case *ast.ChanType:
			found = append(found, violation{n.Pos(), "a channel"})
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && !slices.Contains(ofTime, n.Sel.Name) {
				found = append(found, violation{n.Pos(), "time." + n.Sel.Name})
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				found = append(found, violation{n.Pos(), f.Name})
			}
		}
		return true
	})
	return found
}

// TestViolationsAreFound keeps the fence from rotting.
func TestViolationsAreFound(t *testing.T) {
	const bad = `package x
import t "time"
var d t.Duration = 3 * t.Second
func f() {
	go f()
	_ = t.Now()
	<-t.After(d)
	println("here")
	select {}
	var c chan int
	_ = c
}`
	file, err := parser.ParseFile(token.NewFileSet(), "bad.go", bad, parser.SkipObjectResolution)
	require.NoError(t, err)
	var what []string
	for _, v := range violations(file) {
		what = append(what, v.what)
	}
	require.Equal(t, []string{"a goroutine", "time.Now", "time.After", "println", "a select", "a channel"}, what)
}
