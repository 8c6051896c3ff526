package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// faults are those that docs/reliability.md must answer for, in its order.
var faults = strings.Fields("L1 L2 L3 L4 L5 L6 L7 C1 C2 C3 S1 S2 S3 S4 P1 P2 I1 I2 N1 N2 N3 N4 N5 N6 N7 T1 T2 T3 " +
	"O1 O2 O3 O4 R1 R2 R3 M1 M2 B1 B2 B3 B4 G1")

var (
	faultRow = regexp.MustCompile(`(?m)^\| ([A-Z][0-9]) \|(.*)\|$`)
	testName = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")
)

// TestReliability holds the page about faults to the tests: each fault has a row,
// each row has tests, and all tests that the page names exist.
func TestReliability(t *testing.T) {
	page, err := os.ReadFile("../../docs/reliability.md")
	require.NoError(t, err)
	var rows []string
	for _, row := range faultRow.FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, row[1])
		cells := strings.Split(row[2], " | ")
		require.Len(t, cells, 3, "row %s", row[1])
		named := testName.FindAllStringSubmatch(cells[2], -1)
		require.NotEmpty(t, named, "row %s names no test", row[1])
		require.Equal(t, len(strings.Fields(cells[2])), len(named), "row %s names something that is no test", row[1])
		for _, name := range named {
			require.True(t, hasTest(t, name[1], name[2]), "row %s: %s has no %s", row[1], name[1], name[2])
		}
	}
	require.Equal(t, faults, rows)
	for _, name := range testName.FindAllStringSubmatch(string(page), -1) {
		require.True(t, hasTest(t, name[1], name[2]), "%s has no %s", name[1], name[2])
	}
}

// hasTest reports whether a test of that name stands in a package's folder.
func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	require.NoError(t, err)
	for _, f := range files {
		src, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.Contains(string(src), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

// A test that is not there must not be found.
func TestReliabilityCanFail(t *testing.T) {
	require.True(t, hasTest(t, "internal/arch", "TestReliability"))
	require.False(t, hasTest(t, "internal/arch", "TestReliab"))
	require.False(t, hasTest(t, "scanner", "TestReliability"))
}
