package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMarkdown(t *testing.T) {
	text := string(sampleReport().Markdown("figures"))
	require.True(t, strings.HasPrefix(text, markdownBegin+"\n"))
	require.True(t, strings.HasSuffix(text, markdownEnd+"\n"))
	require.Contains(t, text, "Measured on 22 November 2026: Processor \\| &lt;of> \"names\", 2 processors, 8 GiB, a virtual machine, linux 6.18, go1.26.")
	require.Contains(t, text, "![Servers per second](figures/throughput.svg)")
	require.Contains(t, text, "`net.core.rmem_max=4194304`")
	require.NotContains(t, text, "ended early")
	require.NotContains(t, text, "NaN")
	columns := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if columns == 0 {
			columns = n
		}
		require.Equal(t, columns, n, line)
	}
	require.NotContains(t, string(sampleReport().Markdown("")), "![", "no figures were written")
}

func TestWriteMarkdownKeepsTheDocument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	r := sampleReport()
	require.NoError(t, r.WriteMarkdown(file, ""))
	fresh, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(fresh), "# Benchmark\n\n"+markdownBegin))

	document := "# How fast\n\nWords before.\n\n" + markdownBegin + "\nold\n" + markdownEnd + "\n\n## How to read it\n\nWords behind.\n"
	require.NoError(t, os.WriteFile(file, []byte(document), 0o600))
	for range 2 { // the second time replaces the first report
		require.NoError(t, r.WriteMarkdown(file, ""))
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(got), "# How fast\n\nWords before.\n\n"+markdownBegin+"\n\nMeasured on"))
		require.True(t, strings.HasSuffix(string(got), markdownEnd+"\n\n## How to read it\n\nWords behind.\n"))
		require.NotContains(t, string(got), "\nold\n")
		require.Equal(t, 1, strings.Count(string(got), markdownBegin))
	}

	require.NoError(t, os.WriteFile(file, []byte("# Somebody's notes\n"), 0o600))
	require.ErrorIs(t, r.WriteMarkdown(file, ""), errNoPart)
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "# Somebody's notes\n", string(got), "what is not ours stays")
}

func TestWriteText(t *testing.T) {
	r := sampleReport()
	r.Problems = []Problem{{Workload: "info", Variant: "scan", Text: "it is slow"}}
	var b strings.Builder
	require.NoError(t, r.WriteText(&b))
	for _, want := range []string{"THROUGHPUT", "SCALE", "RATE", "MEMORY", "INFO, no challenge: 5,000 targets, 5 runs each",
		"since it retries silent servers", "CPU vs bare is the", "PROBLEM: info, scan: it is slow", "--rate 2000"} {
		require.Contains(t, b.String(), want)
	}
	require.NotContains(t, b.String(), "NaN")
	for line := range strings.Lines(b.String()) {
		require.Less(t, len([]rune(line)), 200, line)
	}
}
