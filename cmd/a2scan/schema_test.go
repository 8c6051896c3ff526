package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto/prototest"
)

// programOutput runs the program and returns its standard output.
func programOutput(t *testing.T, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(args, nil, &stdout, &stderr), "%v: %s", args, stderr.String())
	return stdout.Bytes()
}

// TestSchema validates what a scan, report and diff write.
func TestSchema(t *testing.T) {
	f := newFixtureOf(t, "127.64.0.0/24", prototest.Shares{Challenge: 50, GoldSource: 20, Split: 20, Ship: 10, Silent: 10, Truncate: 10, WrongType: 5})
	dir := t.TempDir()
	before, after, status := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "b.ndjson.zst"), filepath.Join(dir, "status")
	flags := []string{"--query", "info,players,rules", "-t", "300ms"}
	requireRun(t, append(f.args(before, "--raw", "-u", status, "--user-metadata", `{"x":1}`), flags...)...)
	requireRun(t, append(f.args(after, "-n", "100"), flags...)...)

	check := func(name string, lines []byte) {
		t.Helper()
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(programOutput(t, "schema", name)))
		require.NoError(t, err)
		c := jsonschema.NewCompiler()
		require.NoError(t, c.AddResource("a2scan.json", doc))
		s, err := c.Compile("a2scan.json")
		require.NoError(t, err)
		require.NotEmpty(t, lines, name)
		for line := range bytes.Lines(lines) {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
			require.NoError(t, err, "%s", line)
			require.NoError(t, s.Validate(v), "%s", line)
		}
	}
	check("record", readFile(t, before))
	check("metadata", readFile(t, before+".meta.json"))
	check("metadata", readFile(t, after+".meta.json"))
	check("status", readFile(t, status))
	check("report", programOutput(t, "report", "--json", before, after))
	check("event", programOutput(t, "diff", before, after))

	require.Equal(t, programOutput(t, "schema", "record"), programOutput(t, "schema"))
	for _, args := range [][]string{{"schema", "records"}, {"schema", "record", "event"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, run(args, nil, &stdout, &stderr))
		require.Empty(t, stdout.String())
	}
}
