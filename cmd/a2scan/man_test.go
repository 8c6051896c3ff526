package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each command has a page with all of its flags, and mandoc has nothing to remark.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man1")
	status, stderr := inProcess("man", "--dir", dir)
	require.Zero(t, status, stderr)
	pages := []string{filepath.Join(dir, "a2scan.1")}
	for _, c := range commands() {
		page := filepath.Join(dir, "a2scan-"+c.name+".1")
		text := string(readFile(t, page))
		fs := newFlagSet(c.name)
		c.new(fs)
		for _, name := range fs.names() {
			require.Contains(t, text, `\fB`+strings.ReplaceAll("--"+name, "-", `\-`)+`\fR`, c.name)
		}
		pages = append(pages, page)
	}
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, list, len(pages))

	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("there is no mandoc to lint them")
	}
	out, err := exec.Command(mandoc, append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestManUsage(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"man"}, 0, ""},
		{[]string{"man", "scan"}, 0, ""},
		{[]string{"man", "scna"}, 2, "did you mean a2scan scan?"},
		{[]string{"man", "scan", "demo"}, 2, "man takes one command"},
		{[]string{"man", "--dir", "x", "scan"}, 2, "man --dir writes every page"},
	} {
		status, stderr := inProcess(c.args...)
		require.Equal(t, c.status, status, c.args)
		require.Contains(t, stderr, c.stderr)
	}
}

func TestRoff(t *testing.T) {
	require.Equal(t, `\&.TH \e(bu \-\-raw \(aqx\(aq`, roffLine(`.TH \(bu --raw 'x'`))
}
