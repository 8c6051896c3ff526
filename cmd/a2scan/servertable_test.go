package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// screenOf is a terminal of that size without colours.
func screenOf(columns, rows int) terminal {
	return terminal{present: true, redraw: true, size: func() (int, int) { return columns, rows }}
}

func someServers() []*serverLine {
	return []*serverLine{
		{address: "192.0.2.7:27015", rtt: 41 * time.Millisecond, answered: true, game: "Counter-Strike: Source", folder: "cstrike", mapName: "de_dust2", players: 12, most: 32, name: "Dust2 24/7 | Frankfurt"},
		{address: "198.51.100.200:27016", rtt: 4700 * time.Microsecond, answered: true, game: "Rust", folder: "rust", mapName: "Procedural Map", players: 431, most: 500, name: "最後の砦 🔥 EU Main | Weekly wipes every Thursday"},
		{address: "192.0.2.9:27015", status: output.Timeout, reason: "no answer after 3 attempts", rtt: -1},
		{address: "192.0.2.10:27015", status: output.Partial, reason: "rules: 2 of 3 fragments received", rtt: -1, answered: true, game: "DayZ", folder: "dayz", mapName: "chernarusplus", players: 60, most: 60, name: "Livonia"},
		{address: "192.0.2.11:27015", status: output.Refused, reason: "refused", rtt: -1},
		{address: "[2001:db8:85a3::8a2e:370:7334]:27015", rtt: 180 * time.Millisecond, answered: true, game: "Valheim", mapName: "Midgard", players: 3, most: 10, name: "über alles éé"},
	}
}

func draw(columns int) string {
	screen := screenOf(columns, 24)
	table := serverTable{screen: &screen}
	var b []byte
	for _, s := range someServers() {
		b = table.append(b, s)
	}
	return string(b) + table.footer(7) + "\n"
}

// update writes the golden screens instead of comparing them.
var update = flag.Bool("update", false, "write the golden screens of testdata/screens")

// requireScreen compares a screen with its golden file. Look at a change of a file before
// you commit it.
func requireScreen(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
}

// requireFits requires that no line is wider than a terminal.
func requireFits(t *testing.T, columns int, screen string) {
	t.Helper()
	for line := range strings.Lines(screen) {
		require.LessOrEqual(t, width(strings.TrimSuffix(line, "\n")), columns, "%q", line)
	}
}

func TestServerTable(t *testing.T) {
	for _, columns := range []int{40, 80, 200} {
		got := draw(columns)
		requireScreen(t, fmt.Sprintf("table-%d", columns), got)
		requireFits(t, columns, got)
	}
	for columns := range 60 {
		requireFits(t, max(columns, 1), draw(max(columns, 1)))
	}
}

// Colours surround words; without them the table is the same.
func TestServerTableColors(t *testing.T) {
	screen := screenOf(80, 24)
	screen.color = true
	table := serverTable{screen: &screen}
	var b []byte
	for _, s := range someServers() {
		b = table.append(b, s)
	}
	got := string(b) + table.footer(7) + "\n"
	require.Contains(t, got, "\x1b[1mADDRESS")
	require.Contains(t, got, "\x1b[2mtimeout\x1b[0m")
	require.Contains(t, got, "\x1b[33m~ \x1b[0mLivonia")
	require.Contains(t, got, "\x1b[31mrefused\x1b[0m")
	bare := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(got, "")
	require.Equal(t, draw(80), bare)
}
