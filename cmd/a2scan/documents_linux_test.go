package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// shellBlock matches a block of commands and the mark before it.
var shellBlock = regexp.MustCompile("(?ms)(?:^<!-- (not run|run by): ([^>]+) -->\n)?^```(?:sh|shell|console)\n(.*?)^```$")

// TestDocumentedCommandsRun runs each block of shell of the README and of docs/, page by
// page, as it is printed. A page's commands have a network of their own, in which only
// simulated servers are: names and addresses that are reserved for documentation are
// replaced by theirs. A block that is not run has a mark before it:
//
//	<!-- not run: it needs a cluster -->
//	<!-- run by: TestTutorial -->
func TestDocumentedCommandsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("the commands take a minute, and expect a machine that answers in time")
	}
	t.Parallel()
	if out, err := exec.Command("unshare", "--net", "--map-root-user", "true").CombinedOutput(); err != nil {
		t.Skipf("no right to make a network: %v %s", err, out)
	}
	for _, tool := range []string{"jq", "zstdcat", "sqlite3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s", tool)
		}
	}
	for name, text := range documents(t) {
		if name != "README.md" && !strings.HasPrefix(name, "docs/") || name == "docs/tutorial.md" || name == "docs/recipes.md" {
			continue // TestTutorial, TestRecipes and TestRecipesOfTools run these
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var commands strings.Builder
			for _, m := range shellBlock.FindAllStringSubmatch(text, -1) {
				if m[1] == "" {
					fmt.Fprintf(&commands, "echo $SECONDS s\ncat << 'BLOCK'\n--- %sBLOCK\n%[1]s", m[3])
				}
			}
			if commands.Len() > 0 {
				runDocumented(t, commands.String())
			}
		})
	}
}

// TestDocumentMarks: a mark names a reason or a test that exists.
func TestDocumentMarks(t *testing.T) {
	tests := ""
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, f := range files {
		tests += string(readFile(t, f))
	}
	for name, text := range documents(t) {
		for _, m := range shellBlock.FindAllStringSubmatch(text, -1) {
			by, _, _ := strings.Cut(m[2], ",")
			switch {
			case m[1] != "run by":
			case strings.HasPrefix(by, "Test"):
				require.Contains(t, tests, "func "+by+"(", name)
			default:
				_, err := os.Stat(filepath.Join(root, by))
				require.NoError(t, err, name)
			}
		}
	}
}

// runDocumented runs commands in a folder with the files that the documents name.
func runDocumented(t *testing.T, commands string) {
	dir := t.TempDir()
	file := func(name, text string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o777))
	}
	file("servers.txt", "127.0.1.0/25\n")
	file("blocklist.txt", "127.0.3.16/28\n")
	file("night.conf", "rate = 500\n")
	monday := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for i, name := range []string{"yesterday", "today", "monday", "tuesday", "scan", "shard-0", "shard-1", "parts/part-0", "parts/part-1"} {
		file(name+".ndjson.zst", "")
		writeRecords(t, filepath.Join(dir, name+".ndjson.zst"), 1, 100+i, monday, 0)
	}
	out, err := exec.Command("zstd", "-dcq", filepath.Join(dir, "today.ndjson.zst")).Output()
	require.NoError(t, err)
	for _, name := range []string{"old", "new", "scan", "out"} {
		file(name+".ndjson", string(out))
	}
	file(".zfunc/_old", "")
	file(".config/fish/completions/old.fish", "")

	a2scan, err := exec.LookPath("a2scan")
	require.NoError(t, err)
	file("bin/a2scan", `#!/bin/bash
# a2scan among simulated servers.
args=() more=() limit=()
for a; do
	a=${a//gs1.example.net/127.0.1.7} a=${a//master.example.net:27011/127.0.0.1:27011} a=${a//\[2001:db8::7\]/127.0.5.7}
	a=${a//192.0.2./127.0.2.} a=${a//198.51.100./127.0.3.} a=${a//203.0.113./127.0.4.} a=${a//\/usr\/local/$HOME}
	args+=("$a")
done
case " $* " in " scan"*" --steam "* | " watch"*" --steam "* | " steam "*) more+=(--api-url http://127.0.0.1:27080) ;; esac
case "$1 $2" in
watch*)
	more+=(--rounds 1)
	[[ " $* " == *" --interval "* ]] || more+=(--interval 1s)
	;;
"query --watch") limit=(timeout -s INT 3) ;;
esac
"${limit[@]}" "$A2SCAN" "${args[@]}" "${more[@]}"
status=$?
[ ${#limit[@]} -eq 0 ] || [ $status -ne 124 ] || exit 0
exit $status
`)
	cmd := exec.Command("unshare", "--net", "--map-root-user", "bash", "-c", `
		loopback-up || exit
		"$A2SCAN" farm -q --ports 27015-27020 --steam-api 27080 --master 27011 --listed 2000 &
		farm=$!
		trap 'kill $farm' EXIT
		until "$A2SCAN" query --timeout 200ms 127.0.0.9 > /dev/null 2>&1; do sleep 0.1; done
		PATH=$HOME/bin:$PATH
		set -eo pipefail
		`+commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "A2SCAN="+a2scan, "STEAM_API_KEY=any", "PATH="+os.Getenv("PATH"))
	cmd.WaitDelay = time.Minute
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
}

// loopbackUp starts the loopback interface of a new network.
func loopbackUp() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		var request *unix.Ifreq
		if request, err = unix.NewIfreq("lo"); err == nil {
			request.SetUint16(unix.IFF_UP)
			err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loopback-up:", err)
		os.Exit(1)
	}
}

func init() { commandsOfTests["loopback-up"] = loopbackUp }
