package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exampleBlock matches the mark of an example and the block after it.
var exampleBlock = regexp.MustCompile("(?ms)^<!-- example: (\\S+) (\\S+) -->\n(?:```go\n.*?^```\n)?")

// TestLibraryExamples compares the code of docs/library.md with the examples of the
// packages, which go test compiles and runs. To write it again:
//
//	go test ./cmd/a2scan -run TestLibraryExamples -update
func TestLibraryExamples(t *testing.T) {
	path := filepath.Join(root, "docs", "library.md")
	page := strings.ReplaceAll(string(readFile(t, path)), "\r\n", "\n")
	n := 0
	want := exampleBlock.ReplaceAllStringFunc(page, func(block string) string {
		n++
		m := exampleBlock.FindStringSubmatch(block)
		return fmt.Sprintf("<!-- example: %s %s -->\n```go\n%s```\n", m[1], m[2], exampleCode(t, m[1], m[2]))
	})
	require.Greater(t, n, 5)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o666))
		return
	}
	require.Equal(t, want, page)
}

// exampleCode returns the body of an example, without the lines that start and stop its
// server, and its output as a comment.
func exampleCode(t *testing.T, pkg, name string) string {
	fset := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "example*_test.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, f)
	}
	for _, e := range doc.Examples(files...) {
		if "Example"+e.Name != name {
			continue
		}
		var b bytes.Buffer
		config := printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 8}
		require.NoError(t, config.Fprint(&b, fset, &printer.CommentedNode{Node: e.Code, Comments: commentsIn(e)}))
		code := strings.TrimSuffix(strings.TrimPrefix(b.String(), "{\n"), "}")
		code = regexp.MustCompile(`(?m)^\t\w+, stop := start\w+\(\)\n\tdefer stop\(\)\n\n?`).ReplaceAllString(code, "")
		code = regexp.MustCompile(`(?m)^\t`).ReplaceAllString(code, "")
		formatted, err := format.Source([]byte(code))
		require.NoError(t, err)
		text := strings.TrimSpace(string(formatted)) + "\n// Output:\n"
		for line := range strings.Lines(e.Output) {
			text += "// " + strings.TrimSuffix(line, "\n") + "\n"
		}
		return text
	}
	t.Fatalf("%s has no %s", pkg, name)
	return ""
}

// commentsIn returns the comments of an example, without its output.
func commentsIn(e *doc.Example) (list []*ast.CommentGroup) {
	for _, c := range e.Comments {
		if text := strings.ToLower(c.Text()); !strings.HasPrefix(text, "output:") && !strings.HasPrefix(text, "unordered output:") {
			list = append(list, c)
		}
	}
	return list
}
