package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// changingServer answers INFO on a loopback port with a map that changes with each answer
// count that step divides.
func changingServer(t *testing.T, mapOf func() string) (addr string) {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			_, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(prototest.AppendInfo(nil, &proto.Info{
				Protocol: 17, Name: []byte("one"), Map: []byte(mapOf()), Folder: []byte("cstrike"), Game: []byte("Counter-Strike"),
				AppID16: 240, Players: 3, MaxPlayers: 32, ServerType: 'd', OS: 'l', VACKnown: true, Version: []byte("1.0"),
			}), from)
		}
	}()
	return c.LocalAddr().String()
}

// TestWatchKilled kills a watch with SIGKILL at random moments and starts it again. With a
// state and a file of events, each change is written once. A2SCAN_KILLS is the number of kills.
func TestWatchKilled(t *testing.T) {
	t.Parallel()
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("A2SCAN_KILLS")); err == nil {
		kills = n
	}
	begin := time.Now()
	const step = 3 * time.Second // several rounds
	addr := changingServer(t, func() string { return fmt.Sprintf("map_%d", time.Since(begin)/step) })
	port := freePort(t)
	farm := exec.Command("a2scan", "farm", "-q", "--ports", strconv.Itoa(port))
	require.NoError(t, farm.Start())
	t.Cleanup(func() { _ = farm.Process.Kill(); _ = farm.Wait() })
	for _, name := range []string{"events.ndjson", "events.ndjson.zst"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			events := filepath.Join(dir, name)
			args := []string{"watch", "-q", "--interval", "300ms", "--timeout", "100ms", "--retries", "0", "--metrics", "off", "-p", strconv.Itoa(port),
				"-o", events, "--state", filepath.Join(dir, "state"), "127.64.0.0/26", addr}
			random := rand.New(rand.NewPCG(rand.Uint64(), 0))
			for range kills {
				cmd := exec.Command("a2scan", args...)
				require.NoError(t, cmd.Start())
				time.Sleep(100*time.Millisecond + time.Duration(random.Int64N(int64(900*time.Millisecond))))
				require.NoError(t, cmd.Process.Kill())
				_ = cmd.Wait()
			}
			requireRun(t, append(args, "--rounds", "1")...)
			out, err := exec.Command("sh", "-c", `case "$0" in *.zst) exec zstd -dc "$0";; *) exec cat "$0";; esac`, events).Output()
			if strings.HasSuffix(name, ".zst") && err != nil {
				t.Skipf("there is no zstd: %v", err)
			}
			require.NoError(t, err)
			appeared := map[string]int{}
			round, lastMap := 0, ""
			for line := range bytes.Lines(out) {
				var e struct {
					Event   string
					IP      string
					Port    int
					Round   int
					Changes map[string][]string
				}
				require.NoError(t, json.Unmarshal(line, &e), "%s", line)
				switch e.Event {
				case "round":
					require.Equal(t, round+1, e.Round, "each round ends once")
					round = e.Round
				case "appeared":
					appeared[fmt.Sprintf("%s:%d", e.IP, e.Port)]++
				case "changed":
					require.NotEqual(t, lastMap, e.Changes["map"][1], "a change is written once")
					if lastMap != "" {
						require.Equal(t, lastMap, e.Changes["map"][0], "no change is lost")
					}
					lastMap = e.Changes["map"][1]
				}
			}
			require.NotZero(t, round)
			require.Len(t, appeared, 65)
			for addr, n := range appeared {
				require.Equal(t, 1, n, addr)
			}
		})
	}
}

// TestWatchReads: a hang-up makes a watch read its list again, and the metrics follow.
func TestWatchReads(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	farm := exec.Command("a2scan", "farm", "-q", "--ports", strconv.Itoa(port))
	require.NoError(t, farm.Start())
	t.Cleanup(func() { _ = farm.Process.Kill(); _ = farm.Wait() })
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	write := func(n int) {
		require.NoError(t, os.WriteFile(list, []byte(fmt.Sprintf("127.64.0.1-127.64.0.%d\n", n)), 0o666))
	}
	write(10)
	metricsPort := freePort(t)
	base := fmt.Sprintf("http://127.0.0.1:%d", metricsPort)
	cmd := exec.Command("a2scan", "watch", "-q", "--interval", "400ms", "--timeout", "100ms", "--retries", "0", "-p", strconv.Itoa(port),
		"--refresh", "1h", "--metrics", strings.TrimPrefix(base, "http://"), "-f", list)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	get := func(path string) (int, string) {
		res, err := http.Get(base + path)
		if err != nil {
			return 0, ""
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	targets := regexp.MustCompile(`(?m)^a2scan_targets (\d+)$`)
	await := func(n string) {
		t.Helper()
		require.Eventually(t, func() bool {
			_, text := get("/metrics")
			m := targets.FindStringSubmatch(text)
			return m != nil && m[1] == n
		}, time.Minute, 50*time.Millisecond)
	}
	await("10")
	write(100)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	await("100")
	write(10)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	await("10")
	require.NoError(t, os.Remove(list))
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	status, health := get("/healthz")
	require.Equal(t, http.StatusOK, status, health)
	_, text := get("/metrics")
	require.Equal(t, 10, strings.Count(text, "\na2scan_server_up{"))
	if _, err := exec.LookPath("promtool"); err == nil {
		check := exec.Command("promtool", "check", "metrics")
		check.Stdin = strings.NewReader(text)
		out, err := check.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, string(out))
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 143, exit.ExitCode())
}

// On a terminal a watch shows a table, the fullest servers first, that fits the screen.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	farm := exec.Command("a2scan", "farm", "-q", "--ports", strconv.Itoa(port))
	require.NoError(t, farm.Start())
	t.Cleanup(func() { _ = farm.Process.Kill(); _ = farm.Wait() })
	watch := func(columns, rows int, env []string, more ...string) string {
		return onTerminal(t, columns, rows, env, append([]string{"watch", "--interval", "600ms", "--timeout", "100ms", "--retries", "0",
			"--rounds", "2", "--metrics", "off", "-p", strconv.Itoa(port), "127.64.0.0/26"}, more...)...)
	}
	for _, size := range [][2]int{{80, 24}, {40, 12}, {200, 50}, {60, 6}} {
		screen := watch(size[0], size[1], nil)
		tables := strings.Split(screen, "\x1b[H\x1b[2J")
		require.GreaterOrEqual(t, len(tables), 3)
		last := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(tables[len(tables)-1], "")
		lines := strings.Split(strings.TrimSuffix(last, "\n"), "\n")
		require.Less(t, len(lines), size[1], "it fits: %s", last)
		require.Contains(t, lines[0], "round 2")
		require.Contains(t, lines[1], "ADDRESS")
		require.Contains(t, last, " servers, ")
		for _, line := range lines {
			require.LessOrEqual(t, width(line), size[0], line)
		}
	}
	require.NotContains(t, watch(80, 24, []string{"NO_COLOR=1"}), "\x1b[1m")
	require.NotContains(t, watch(80, 24, []string{"TERM=dumb"}), "\x1b")
	require.Contains(t, watch(80, 24, nil, "-o", "-"), `{"schema":1,"event":"round"`)
}
