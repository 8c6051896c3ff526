package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
)

// TestCutFiles: the whole records of a file that is cut anywhere are used, and the line
// of the cut is named.
func TestCutFiles(t *testing.T) {
	m := recordtest.New(1)
	var lines []byte
	for range 200 {
		lines = output.AppendJSON(lines, m.Next())
	}
	var zipped, packed bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	gz.Write(lines)
	require.NoError(t, gz.Close())
	zs, err := zstd.NewWriter(&packed)
	require.NoError(t, err)
	zs.Write(lines)
	require.NoError(t, zs.Close())
	for name, data := range map[string][]byte{"plain": lines, "gzip": zipped.Bytes(), "zstd": packed.Bytes()} {
		for _, part := range []int{100, 90, 50} {
			cut := data[:len(data)*part/100]
			var stderr bytes.Buffer
			a := &app{stdin: bytes.NewReader(cut), ui: newUI(&stderr)}
			n := 0
			files, err := readRecords(a, []string{"-"}, output.Unmarshal, func(r *output.Record) error { n++; return nil })
			if part == 100 {
				require.NoError(t, err)
				require.Equal(t, 200, n)
				require.Empty(t, stderr.String())
				continue
			}
			require.True(t, files[0].cut, "%s %d", name, part)
			require.Regexp(t, `^a2scan: standard input:\d+: `, stderr.String())
			if name == "plain" {
				require.NoError(t, err)
				require.Equal(t, bytes.Count(cut, []byte("\n")), n)
			}
		}
	}
}

// TestManyBadLines: a file of noise gets a bounded number of messages.
func TestManyBadLines(t *testing.T) {
	file := t.TempDir() + "/x"
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("noise\n"), 1000), 0o600))
	var stderr bytes.Buffer
	a := &app{ui: newUI(&stderr)}
	_, err := readRecords(a, []string{file}, output.Unmarshal, func(*output.Record) error { return nil })
	require.ErrorContains(t, err, "holds no records")
	require.Equal(t, maxBadLines+1, bytes.Count(stderr.Bytes(), []byte("\n")))
	require.Contains(t, stderr.String(), "1000 lines are no records")
}
