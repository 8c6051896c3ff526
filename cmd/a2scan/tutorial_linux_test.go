package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTutorial runs the commands of docs/tutorial.md in a shell, one after the other, as
// they are printed. Only the first section, which builds the program, is left out, and the
// port is one that is free.
func TestTutorial(t *testing.T) {
	t.Parallel()
	page := string(readFile(t, filepath.Join(root, "docs", "tutorial.md")))
	_, page, found := strings.Cut(page, "\n## 2. ")
	require.True(t, found)
	port := strconv.Itoa(freePort(t))
	var script strings.Builder
	script.WriteString("set -e -o pipefail\ntrap 'kill $! 2> /dev/null || true' EXIT\n")
	n := 0
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		if m[1] != "sh" {
			continue
		}
		for line := range strings.Lines(m[2]) {
			line = strings.Replace(line, "a2scan farm", "a2scan farm --ports "+port, 1)
			line = strings.Replace(line, "127.0.0.8", "127.0.0.8:"+port, 1)
			line = strings.Replace(line, "127.0.0.0/24", "127.0.0.0/24:"+port, 1)
			script.WriteString("echo; echo ----- " + strconv.Quote(strings.TrimSpace(line)) + "\n" + line)
			if strings.HasPrefix(line, "a2scan farm") { // a person is slower than a shell
				script.WriteString("until a2scan query --timeout 200ms 127.0.0.9:" + port + " > /dev/null; do sleep 0.1; done\n")
			}
			n++
		}
	}
	require.Greater(t, n, 12)
	dir := t.TempDir()
	cmd := exec.Command("bash", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.WaitDelay = time.Minute // if the shell ends and a farm does not
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "256 targets in ")
	require.Contains(t, string(out), "\n127.0.0.2:"+port+"\n")
	require.Contains(t, string(out), "256 records · complete")
	require.Contains(t, string(out), " 256 changed, 0 gone")
	require.Contains(t, string(out), `"event":"round"`)
	for _, name := range []string{"monday.html", "servers.csv", "changes.ndjson", "events.ndjson", "watch.state"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Positive(t, info.Size(), name)
	}
}
