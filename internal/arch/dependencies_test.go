package arch

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDependencies holds docs/dependencies.md to go.mod: a row for each module,
// and no row without one.
func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/dependencies.md")
	require.NoError(t, err)
	all := func(re, in string) (names []string) {
		for _, m := range regexp.MustCompile(re).FindAllStringSubmatch(in, -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		return names
	}
	required := all(`(?m)^\t(\S+) v\S+`, string(mod))
	require.NotEmpty(t, required)
	require.Equal(t, required, all("(?m)^\\| `([^`]+)` \\|", string(page)))
}
