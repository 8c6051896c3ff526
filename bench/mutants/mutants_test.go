package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// Each change still fits the code, and is one that the compiler would look at.
func TestMutantsFit(t *testing.T) {
	seen := map[string]bool{}
	for i := range mutants {
		m := &mutants[i]
		require.False(t, seen[m.what], "%s: twice", m.what)
		seen[m.what] = true
		src, err := m.broken(root)
		require.NoError(t, err, m.what)
		require.NotEqual(t, m.old, m.new, m.what)
		_, err = parser.ParseFile(token.NewFileSet(), m.file, src, parser.SkipObjectResolution)
		require.NoError(t, err, m.what)
		pkg, name, ok := m.testName()
		require.True(t, ok, m.what)
		files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
		require.NoError(t, err)
		found := false
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			found = found || strings.Contains(string(b), "\nfunc "+name+"(")
		}
		require.True(t, found, "%s: there is no %s", m.what, m.test)
	}
}

// The page lists them all, in their order.
func TestPageListsTheMutants(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/reliability.md"))
	require.NoError(t, err)
	var want strings.Builder
	want.WriteString("| change | a test that fails |\n|---|---|\n")
	for _, m := range mutants {
		fmt.Fprintf(&want, "| %s | `%s` |\n", m.what, m.test)
	}
	_, table, _ := strings.Cut(string(page), "\n| change | ")
	table, _, _ = strings.Cut(table, "\n\n")
	require.Equal(t, want.String(), "| change | "+table+"\n")
}

// A test that hangs is a test that fails, and code that does not compile is not
// noticed by anybody.
func TestFailures(t *testing.T) {
	out := "=== RUN TestA\n--- FAIL: TestA (0.01s)\n    --- FAIL: TestA/sub (0.01s)\npanic: test timed out after 1m0s\n\trunning tests:\n\t\tTestB (59.9s)\nFAIL\n"
	var names []string
	for _, f := range failure.FindAllStringSubmatch(out, -1) {
		names = append(names, f[1]+f[2])
	}
	require.Equal(t, []string{"TestA", "TestB"}, names)
	require.Empty(t, failure.FindAllString("# pkg [pkg.test]\nx.go:7:2: \"hash/crc32\" imported and not used\nFAIL\tpkg [build failed]\n", -1))
}
