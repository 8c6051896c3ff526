package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../..", name))
	require.NoError(t, err)
	return string(b)
}

func findAll(re, in string) (found []string) {
	for _, m := range regexp.MustCompile(re).FindAllStringSubmatch(in, -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return found
}

// documented returns the modules in the rows of docs/dependencies.md below a heading,
// or on the whole page.
func documented(t *testing.T, heading string) []string {
	t.Helper()
	page := read(t, "docs/dependencies.md")
	if heading != "" {
		_, below, found := strings.Cut(page, heading+"\n")
		require.True(t, found, heading)
		page, _, _ = strings.Cut(below, "\n## ")
	}
	return findAll("(?m)^\\| `([^`]+)` \\|", page)
}

// TestDependencies: docs/dependencies.md has a row for each module of go.mod, and no
// other.
func TestDependencies(t *testing.T) {
	require.Equal(t, findAll(`(?m)^\t(\S+) v\S+`, read(t, "go.mod")), documented(t, ""))
}

// TestReliability: every test that docs/reliability.md names exists.
func TestReliability(t *testing.T) {
	names := regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(read(t, "docs/reliability.md"), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		files, err := filepath.Glob(filepath.Join("../..", name[1], "*_test.go"))
		require.NoError(t, err)
		exists := slices.ContainsFunc(files, func(file string) bool {
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			return strings.Contains(string(src), "\nfunc "+name[2]+"(")
		})
		if !exists {
			t.Errorf("docs/reliability.md names %s.%s, which does not exist", name[1], name[2])
		}
	}
}
