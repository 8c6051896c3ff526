package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecipes runs each recipe with jq of the documents and of the help on records of
// servers with hostile names. What it prints acts on no terminal.
func TestRecipes(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "jq", "zstdcat", "zcat"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s", tool)
		}
	}
	dir := t.TempDir()
	server := startNasty(t)
	for _, name := range []string{"out.ndjson", "today.ndjson.zst", "today.ndjson.gz"} {
		status, stderr := inProcess("scan", "-q", "--query", "info,players,rules", "--timeout", "300ms", "--retries", "0", "--icmp", "off",
			"-o", filepath.Join(dir, name), server, "127.0.0.1:9")
		require.Zero(t, status, stderr)
	}
	run := func(line string) []byte {
		cmd := exec.Command("bash", "-c", line)
		cmd.Dir = dir
		out, err := cmd.Output()
		require.NoError(t, err, line)
		return out
	}
	requireInert := func(line string) {
		out := run(line)
		if !strings.Contains(line, " -o ") {
			requirePlain(t, line, []byte(strings.ReplaceAll(string(out), "\t", "")))
		}
	}

	// The check itself: without care the bytes of a server come through.
	require.Contains(t, string(run(`jq -r 'select(.info.name) | .info.name' out.ndjson`)), "\x1b")

	n := 0
	for name, text := range documents(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(block[2]) {
				line = strings.TrimSpace(line)
				if block[1] != "sh" || !strings.Contains(line, "jq ") && name != "docs/recipes.md" {
					continue
				}
				if !strings.Contains(line, "out.ndjson") && !strings.Contains(line, "today.ndjson") {
					require.Regexp(t, `jq -a|jq -r \.status`, line, "%s: it prints what servers say", name)
					continue
				}
				requireInert(line)
				n++
			}
		}
	}
	for _, c := range commands() {
		for _, e := range c.examples {
			if strings.Contains(e, "jq ") && !strings.Contains(e, "select(.status") {
				require.Regexp(t, `jq -a|jq -r \.status`, e, "help %s: it prints what servers say", c.name)
			}
		}
	}
	require.GreaterOrEqual(t, n, 10)
}

// TestRecipesInPython runs the recipes in Python whose modules are installed.
func TestRecipesInPython(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"today.ndjson.zst", "today.ndjson.gz"} {
		status, stderr := inProcess("scan", "-q", "--per-ip-rate", "20", "-o", filepath.Join(dir, name), "127.0.0.1:1-40")
		require.Zero(t, status, stderr)
	}
	ran := 0
	for _, block := range fence.FindAllStringSubmatch(documents(t)["docs/recipes.md"], -1) {
		if block[1] != "python" {
			continue
		}
		python := "/usr/bin/python3"
		if _, err := os.Stat(python); err != nil {
			t.Skip("there is no Python")
		}
		imports, _, _ := strings.Cut(block[2], "\n\n")
		if exec.Command(python, "-c", imports).Run() != nil {
			continue
		}
		program := strings.ReplaceAll(block[2], "record = json.loads(line)", "record = json.loads(line); count += 1")
		cmd := exec.Command(python, "-c", "count = 0\n"+program+"\nprint(count)")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, "40\n", string(out), block[2])
		ran++
	}
	require.Positive(t, ran)
}
