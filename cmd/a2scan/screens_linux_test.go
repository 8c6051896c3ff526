package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/screen"
)

// A viewer is the terminal or pipe that shows the output of a2scan.
type viewer struct {
	name          string
	columns, rows int // 0: a pipe
	env           []string
}

var viewers = []viewer{
	{"80x24", 80, 24, nil},
	{"200x50", 200, 50, nil},
	{"40x24", 40, 24, nil},
	{"nocolor", 80, 24, []string{"NO_COLOR=1"}},
	{"dumb", 80, 24, []string{"TERM=dumb"}},
	{"pipe", 0, 0, nil},
}

// look runs a2scan in a folder and returns the text that is shown at the end, without what
// differs between two runs, and the bytes that made it.
func (v viewer) look(t *testing.T, dir string, args ...string) (shown, raw string) {
	t.Helper()
	cmd := exec.Command("a2scan", args...)
	cmd.Dir = dir
	if v.columns == 0 {
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Run(), stderr.String())
		raw = stdout.String() + stderr.String()
		return inOrder(aRecord.ReplaceAllString(withoutTimes(raw), `{"schema":1,…}`)), raw
	}
	raw = commandOnTerminal(t, v.columns, v.rows, v.env, cmd)
	s := screen.New(v.columns, v.rows)
	_, err := s.Write([]byte(withoutTimes(raw))) // how long they are moves line ends
	require.NoError(t, err, "%q", raw)
	return inOrder(s.String()), raw
}

// Servers follow from their address and port, so the screens need the same ports each time:
// ports that freePort never returns.
const (
	screenPort = "31015"
	demoPort   = "31016"
)

// startFarmAt starts a farm on a port, if need be after another run of the tests has left it.
func startFarmAt(t *testing.T, port string, flags ...string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		farm := exec.Command("a2scan", append([]string{"farm", "--ports", port}, flags...)...)
		stderr, err := farm.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, farm.Start())
		first := make([]byte, 1000)
		n, _ := stderr.Read(first)
		if bytes.Contains(first[:n], []byte("serving")) {
			t.Cleanup(func() { _ = farm.Process.Kill(); _ = farm.Wait() })
			return
		}
		_ = farm.Wait()
		if !bytes.Contains(first[:n], []byte("already in use")) || time.Now().After(deadline) {
			t.Fatalf("no farm: %s", first[:n])
		}
	}
}

var (
	duration = regexp.MustCompile(` *\b[\d,.]+ (?:ms|s|pps|kpps|KB)\b`)
	clock    = regexp.MustCompile(`\d\d:\d\d:\d\d`)
	aRecord  = regexp.MustCompile(`(?m)^\{"schema":1,.*`)
	aServer  = regexp.MustCompile(`^127\.\d+\.\d+\.\d+:`)
	lateLine = regexp.MustCompile(`(?m)^(a2scan: )?round \d+ took .*\n`)
)

// withoutTimes writes 0 for each duration, rate, size and time of day, and leaves out that a
// round was late.
func withoutTimes(text string) string {
	text = duration.ReplaceAllStringFunc(text, func(s string) string {
		unit := s[strings.LastIndexByte(s, ' '):]
		if strings.HasPrefix(s, "   ") { // a column
			return strings.Repeat(" ", len(s)-1-len(unit)) + "0" + unit
		}
		return s[:len(s)-len(strings.TrimLeft(s, " "))] + "0" + unit
	})
	return clock.ReplaceAllString(lateLine.ReplaceAllString(text, ""), "00:00:00")
}

// inOrder sorts the lines of servers, which come as they answer.
func inOrder(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for begin := 0; begin < len(lines); begin++ {
		end := begin
		for end < len(lines) && aServer.MatchString(lines[end]) {
			end++
		}
		slices.Sort(lines[begin:end])
		begin = max(begin, end)
	}
	return strings.Join(lines, "")
}

// TestScreens compares what a person sees with the files of testdata/screens, after
//
//	go test ./cmd/a2scan -run TestScreens -update
//
// wrote them. Look at them before you commit them.
func TestScreens(t *testing.T) {
	t.Parallel()
	startFarmAt(t, screenPort, "--silent", "10", "--challenge", "50")
	dir := t.TempDir()
	writeRecords(t, filepath.Join(dir, "monday.ndjson.zst"), 5, 2000, time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), 0.1)
	patience := []string{"--timeout", "5s"}
	ten := "127.0.1.0-127.0.1.9:" + screenPort
	for name, args := range map[string][]string{
		"demo":      {"demo", "-n", "16", "--loss", "0", "--ports", demoPort},
		"scan":      append([]string{"scan", "--seed", "1", ten}, patience...),
		"scan-file": append([]string{"scan", "--seed", "1", "-o", "FILE", ten}, patience...),
		"query-1":   append([]string{"query", "127.0.1.11:" + screenPort}, patience...),
		"query-10":  append([]string{"query", ten}, patience...),
		"watch":     {"watch", "--interval", "2500ms", "--rounds", "2", "--metrics", "off", "--timeout", "1500ms", "--retries", "0", "127.0.1.0/26:" + screenPort},
		"report":    {"report", "monday.ndjson.zst"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			usual := ""
			for _, v := range viewers {
				args := slices.Clone(args)
				if i := slices.Index(args, "FILE"); i >= 0 {
					args[i] = v.name + ".ndjson"
				}
				shown, raw := v.look(t, dir, args...)
				switch v.name {
				case "80x24":
					usual = shown
				case "nocolor":
					require.NotRegexp(t, "\x1b\\[[0-9]+m", raw)
				case "dumb", "pipe":
					require.NotContains(t, raw, "\x1b")
				}
				if v.name == "dumb" && name == "watch" { // one table below the other
					shown = shown[strings.LastIndex(shown, "00:00:00"):]
				}
				if v.name == "nocolor" || v.name == "dumb" {
					require.Equal(t, strings.ReplaceAll(usual, "80x24", v.name), shown)
					continue
				}
				requireScreen(t, name+"-"+v.name, shown)
			}
		})
	}
}

// Text that a terminal would obey, in each screen: it is shown, and does nothing. The screen
// fails for a sequence that is not a2scan's own; without colours there is none.
func TestHostileScreens(t *testing.T) {
	t.Parallel()
	server := startNasty(t)
	dir := t.TempDir()
	status, stderr := inProcess("scan", "-q", "--query", "info,players,rules", "-o", filepath.Join(dir, "nasty.ndjson"), server)
	require.Zero(t, status, stderr)
	for _, args := range [][]string{
		{"scan", "-v", "--query", "info,players,rules", server},
		{"query", "--rules", server},
		{"query", server, "127.0.0.1:9"},
		{"watch", "--interval", "1s", "--rounds", "1", "--metrics", "off", server},
		{"report", "nasty.ndjson"},
	} {
		for _, v := range viewers {
			shown, raw := v.look(t, dir, args...)
			requireInert(t, shown)
			if v.name == "dumb" || v.name == "pipe" {
				requireInert(t, raw)
			}
		}
	}
}

// TestTerminalFigure compares the figure of the README with the program, apart from times
// and the order of the answers. To draw it again:
//
//	go test ./cmd/a2scan -run TestTerminalFigure -update
func TestTerminalFigure(t *testing.T) {
	t.Parallel()
	v := viewer{"figure", 94, 24, nil}
	dir := t.TempDir()
	var demo, raw string
	for range 60 { // until no other test has the port
		if demo, raw = v.look(t, dir, "demo", "-n", "12"); strings.Contains(demo, ", port 27015;") {
			break
		}
		time.Sleep(time.Second)
	}
	if !strings.Contains(demo, ", port 27015;") {
		t.Skip("another program has port 27015, which the servers of the figure have")
	}
	startFarmAt(t, "27015", "--delay", "30", "--challenge", "60", "--goldsource", "10", "--split", "20", "--bzip2", "5", "--ship", "2") // as the demo's
	_, query := v.look(t, dir, "query", "127.0.1.8")
	s := screen.New(v.columns, v.rows)
	fmt.Fprintf(s, "$ \x1b[1ma2scan demo -n 12\x1b[0m\n%s\n$ \x1b[1ma2scan query 127.0.1.8\x1b[0m\n%s", raw, query)
	now := s.SVG("a2scan demo and a2scan query on a terminal")
	file := filepath.Join(root, "docs", "figures", "terminal.svg")
	if *update {
		require.NoError(t, os.WriteFile(file, now, 0o666))
	}
	require.Equal(t, wordsOf(t, now), wordsOf(t, readFile(t, file)))
}

// wordsOf returns the lines of a figure, without what differs between two runs.
func wordsOf(t *testing.T, figure []byte) string {
	var svg struct {
		Texts []struct {
			Y    int    `xml:"y,attr"`
			Text string `xml:",chardata"`
		} `xml:"g>text"`
	}
	require.NoError(t, xml.Unmarshal(figure, &svg))
	var b strings.Builder
	y := 0
	for _, text := range svg.Texts {
		if text.Y != y {
			b.WriteByte('\n')
		}
		y = text.Y
		b.WriteString(strings.Join(strings.Fields(text.Text), " ") + " ")
	}
	return inOrder(withoutTimes(b.String()))
}
