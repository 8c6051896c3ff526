package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
)

// A shortPipe is standard output whose reader has left.
type shortPipe struct{}

func (shortPipe) Write([]byte) (int, error) { return 0, &os.PathError{Op: "write", Err: syscall.EPIPE} }

// If the reader of a list has enough, the list still ends with its line and its metadata.
func TestListWithoutReader(t *testing.T) {
	t.Setenv(keyVariable, testKey)
	url := startAPI(t, &farm.API{Servers: listing(5000), Key: testKey})
	meta := filepath.Join(t.TempDir(), "meta.json")
	runInto := func(out io.Writer, args ...string) (int, string) {
		var errs bytes.Buffer
		status := run(args, strings.NewReader(""), out, &errs)
		return status, errs.String()
	}
	status, stderr := runInto(shortPipe{}, "steam", "--api-url", url, "-m", meta, "appid=440")
	require.Equal(t, exitFail, status)
	require.Regexp(t, `^(a2scan: incomplete: .*broken pipe\n)?a2scan: [0-9,]+ servers? from [0-9,]+ rows? in 1 call \(.*\): the list (is complete|may lack servers)\n$`, stderr)
	b, err := os.ReadFile(meta)
	require.NoError(t, err)
	var sum listSummary
	require.NoError(t, json.Unmarshal(b, &sum))
	require.Positive(t, sum.Servers)

	// A dry run does not blame the list.
	master := startMaster(t, &farm.Master{Servers: masterListing(300)})
	status, stderr = runInto(shortPipe{}, "scan", "-d", "--master", master)
	require.Equal(t, exitFail, status)
	require.Empty(t, stderr)
	var lines bytes.Buffer
	status, stderr = runInto(&lines, "scan", "-d", "--master", master)
	require.Zero(t, status)
	require.Equal(t, 300, strings.Count(lines.String(), "\n"))
	require.Contains(t, stderr, "the list is complete")
}
