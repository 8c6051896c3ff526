package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

const root = "../.."

// documents returns the pages that people read, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			rel, err := filepath.Rel(root, f)
			require.NoError(t, err)
			docs[filepath.ToSlash(rel)] = string(b)
		}
	}
	require.Contains(t, docs, "README.md")
	return docs
}

var (
	fence   = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	called  = regexp.MustCompile(`(?:^|\| *|\$ )(?:a2scan|go run \./cmd/a2scan) ([^|>&#]*)`)
	link    = regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	flagTag = regexp.MustCompile("`(--?[a-zA-Z][a-z-]*)")
)

// TestDocumentedCommands parses every command line that the documents and the
// help show, so that no page promises a flag that there is not.
func TestDocumentedCommands(t *testing.T) {
	check := func(where, line string) {
		for _, m := range called.FindAllStringSubmatch(line, -1) {
			words := strings.Fields(strings.NewReplacer("'", "", "{}", "0").Replace(m[1]))
			if i := indexOf(words, "<"); i >= 0 {
				words = words[:i]
			}
			require.NotEmpty(t, words, "%s: %s", where, line)
			if words[0] == "help" {
				for _, w := range words[1:] {
					require.NotNil(t, lookup(w), "%s: %s", where, line)
				}
				continue
			}
			c := lookup(words[0])
			require.NotNil(t, c, "%s: %s", where, line)
			fs := newFlagSet(c.name)
			c.new(fs)
			require.NoError(t, fs.parse(words[1:]), "%s: %s", where, line)
		}
	}
	for name, text := range documents(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			if block[1] != "sh" {
				continue
			}
			for line := range strings.Lines(block[2]) {
				check(name, strings.TrimSpace(line))
			}
		}
	}
	for _, c := range commands() {
		for _, e := range c.examples {
			check("help "+c.name, e)
		}
	}
}

func indexOf(words []string, word string) int {
	for i, w := range words {
		if w == word {
			return i
		}
	}
	return -1
}

// TestDocumentedFlags: what the README and the usage page write like a flag is one.
func TestDocumentedFlags(t *testing.T) {
	known := map[string]bool{"--help": true, "--version": true, "-V": true}
	for _, c := range commands() {
		fs := newFlagSet(c.name)
		c.new(fs)
		for _, name := range fs.names() {
			known["--"+name] = true
			known["-"+fs.Lookup(name).Shorthand] = true
		}
	}
	for _, page := range []string{"README.md", "docs/usage.md", "docs/records.md"} {
		for _, m := range flagTag.FindAllStringSubmatch(documents(t)[page], -1) {
			require.True(t, known[m[1]], "%s writes of %s", page, m[1])
		}
	}
}

// TestDocumentLinks: files that the pages link to are there.
func TestDocumentLinks(t *testing.T) {
	for name, text := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1]))
			require.NotErrorIs(t, err, fs.ErrNotExist, "%s links to %s", name, m[1])
		}
	}
}

// TestShownRecord holds the record of docs/records.md to the keys of real ones, in their
// order.
func TestShownRecord(t *testing.T) {
	shown := ""
	for _, block := range fence.FindAllStringSubmatch(documents(t)["docs/records.md"], -1) {
		if block[1] == "json" && shown == "" {
			shown = block[2]
		}
	}
	var line bytes.Buffer
	require.NoError(t, json.Compact(&line, []byte(shown)))
	require.NoError(t, output.Unmarshal(line.Bytes(), new(output.Record)))

	empty := output.AppendJSON(nil, &output.Record{Info: &output.Info{}})
	require.Equal(t, keys(empty), keys([]byte(shown)))
}

var key = regexp.MustCompile(`"([a-z0-9_]+)":`)

func keys(b []byte) (names []string) {
	for _, m := range key.FindAllSubmatch(b, -1) {
		names = append(names, string(m[1]))
	}
	return names
}
