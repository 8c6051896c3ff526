package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func unitFile(t *testing.T, name string) string {
	t.Helper()
	return string(readFile(t, filepath.Join(root, "deploy", "systemd", name)))
}

// The unit takes every privilege away, and systemd understands both files.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	unit := unitFile(t, "a2scan.service")
	for _, line := range []string{"DynamicUser=yes", "CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes", "ProtectSystem=strict", "KillSignal=SIGINT"} {
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(line)+`$`, unit)
	}
	require.Contains(t, unitFile(t, "a2scan.timer"), "\nWantedBy=timers.target\n")
	for _, line := range []string{"DynamicUser=yes", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict", "Restart=always"} {
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(line)+`$`, unitFile(t, "a2scan-watch.service"))
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	dir := t.TempDir() // systemd-analyze reads nothing else of the system from here
	var files []string
	for _, name := range []string{"a2scan.service", "a2scan.timer", "a2scan-watch.service"} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(unitFile(t, name)), 0o666))
		files = append(files, file)
	}
	var out bytes.Buffer
	cmd := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && !strings.Contains(out.String(), "a2scan.") {
		t.Skipf("systemd-analyze does not work here: %s", out.String())
	}
	for line := range strings.Lines(out.String()) {
		require.NotContains(t, line, "a2scan.", "%s", out.String())
	}
}

// The command of the unit scans once per day: today's file is resumed or left alone, and
// tomorrow has another.
func TestSystemdUnitScansEachDay(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd")
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/bin/sh -c '(.*)'$`).FindStringSubmatch(unitFile(t, "a2scan.service"))
	require.NotNil(t, start)
	dir := t.TempDir()
	state, bin := filepath.Join(dir, "state"), filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(state, 0o777))
	require.NoError(t, os.Mkdir(bin, 0o777))
	list := filepath.Join(dir, "targets")
	require.NoError(t, os.WriteFile(list, []byte("127.0.0.1:9\n127.0.0.2:9\n"), 0o666))
	command := strings.NewReplacer("%%", "%", "$$", "$", "/etc/a2scan/targets", list).Replace(start[1])
	scanOn := func(day string) {
		// A clock that can be set: a program of the name date.
		script := "#!/bin/sh\n[ \"$*\" = '-u +%Y-%m-%d' ] && echo " + day + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(bin, "date"), []byte(script), 0o777))
		cmd := exec.Command("/bin/sh", "-c", command)
		cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+state, "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, out)
	}
	files := func() (names []string) {
		list, err := filepath.Glob(filepath.Join(state, "*.zst"))
		require.NoError(t, err)
		for _, f := range list {
			names = append(names, filepath.Base(f))
		}
		return names
	}
	scanOn("2026-12-01")
	first := readFile(t, filepath.Join(state, "2026-12-01.ndjson.zst"))
	require.NotEmpty(t, first)
	scanOn("2026-12-01")
	require.Equal(t, first, readFile(t, filepath.Join(state, "2026-12-01.ndjson.zst")), "it is complete")
	scanOn("2026-12-02")
	require.Equal(t, []string{"2026-12-01.ndjson.zst", "2026-12-02.ndjson.zst"}, files())
}

// The command of the unit of watch does what its comment says.
func TestWatchUnit(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd")
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/env (.*)$`).FindStringSubmatch(unitFile(t, "a2scan-watch.service"))
	require.NotNil(t, start)
	dir := t.TempDir()
	list := filepath.Join(dir, "targets")
	require.NoError(t, os.WriteFile(list, []byte("127.0.0.1:9\n"), 0o666))
	command := strings.NewReplacer("%%", "%", "/etc/a2scan/targets", list).Replace(start[1])
	command += " --rounds 1 --interval 200ms --timeout 100ms --retries 0 --metrics off"
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(readFile(t, filepath.Join(dir, "events.ndjson"))), `"event":"round"`)
	require.FileExists(t, filepath.Join(dir, "state"))
	records, err := filepath.Glob(filepath.Join(dir, "records-*.ndjson.zst"))
	require.NoError(t, err)
	require.Len(t, records, 1)
}
