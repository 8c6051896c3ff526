package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output/dataset"
)

// Only one scan at a time writes a file, whether it begins or resumes one.
func TestTwoScansOfOneFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "127.64.0.0/23")
	for name, file := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), file)
			p := start(t, f.args(path, "-r", "40")...) // for twenty seconds, unless it is interrupted
			awaitContent(t, path)
			meta := readFile(t, path+".meta.json")
			link := filepath.Join(filepath.Dir(path), "link-"+file)
			require.NoError(t, os.Symlink(path, link))
			for _, args := range [][]string{f.args(path), f.args(path, "--resume"), f.args(link, "-m", link+".meta.json")} {
				status, stderr := inProcess(args...)
				require.Equal(t, 1, status, stderr)
				require.Contains(t, stderr, ": another scan writes this file\na2scan: hint: wait until the other scan has ended, or write to another file\n")
			}
			require.Equal(t, meta, readFile(t, path+".meta.json"))
			require.NoError(t, p.Process.Signal(syscall.SIGINT))
			status, _ := p.end(t)
			require.Equal(t, 130, status, p.stderr.String())
			requireRun(t, f.args(path, "--resume")...)
			f.requireTruth(t, path)
		})
	}

	// A scan that was killed has no lock.
	path := filepath.Join(t.TempDir(), "out.ndjson")
	killAfter(t, 300*time.Millisecond, f.args(path, "-r", "400")...)
	requireRun(t, f.args(path, "--resume")...)
	f.requireTruth(t, path)

	file, err := dataset.Open(path, dataset.CompressAuto)
	require.NoError(t, err)
	status, stderr := inProcess(f.args(path, "--resume")...)
	require.Equal(t, 1, status, stderr)
	require.Contains(t, stderr, "another scan writes this file")
	require.NoError(t, file.Discard())
}
