package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/scanner/targets"
)

func TestValues(t *testing.T) {
	var v struct {
		d    time.Duration
		n    int
		big  uint64
		f    float64
		bits float64
		size int
		word string
	}
	v.d, v.size, v.word = time.Minute, 8<<20, "auto"
	fs := newFlagSet("test")
	fs.group("All", func() {
		fs.duration(&v.d, "wait", "", "D", "")
		fs.count(&v.n, "count", "n", "N", "")
		fs.count64(&v.big, "big", "", "N", "")
		fs.number(&v.f, "rate", "r", "N", "")
		fs.rate(&v.bits, "bandwidth", "B", "N", "")
		fs.size(&v.size, "buffer", "", "N", "")
		fs.choice(&v.word, "word", "", "W", "", "auto", "none")
	})
	require.Equal(t, "1m", fs.Lookup("wait").DefValue)
	require.Equal(t, "8M", fs.Lookup("buffer").DefValue)

	require.NoError(t, fs.parse([]string{"--wait=1m30s", "-n", "7", "--big", "9000000000", "-r0.5", "-B", "10M", "--buffer", "64K", "--word", "none"}))
	require.Equal(t, 90*time.Second, v.d)
	require.Equal(t, 7, v.n)
	require.Equal(t, uint64(9e9), v.big)
	require.Equal(t, 0.5, v.f)
	require.Equal(t, 10e6, v.bits, "bits a second count in thousands")
	require.Equal(t, 64<<10, v.size, "bytes count in 1024s")
	require.Equal(t, "none", v.word)

	for _, c := range []struct{ arg, err, hint string }{
		{"--wait=5", `--wait "5": a duration without its unit`, "write 5s or 5ms"},
		{"--wait=soon", `--wait "soon": not a duration`, "write 500ms, 2s, 1m30s or 12h"},
		{"--count=-1", `--count "-1": not a whole number`, ""},
		{"--count=1e3", `--count "1e3": not a whole number`, ""},
		{"--count=9000000000", `--count "9000000000": too large; the most is 2,147,483,647`, ""},
		{"--big=99999999999999999999", `--big "99999999999999999999": too large; the most is 9,223,372,036,854,775,807`, ""},
		{"--rate=NaN", `--rate "NaN": not a number`, ""},
		{"--rate=", `--rate "": not a number`, ""},
		{"--bandwidth=M", `--bandwidth "M": not a number`, "write a number such as 500, 10k, 1.5M or 2G"},
		{"--bandwidth=", `--bandwidth "": not a number`, "write a number such as 500, 10k, 1.5M or 2G"},
		{"--bandwidth=1e300G", `--bandwidth "1e300G": too large`, ""}, // fuzz: it was infinite, and no text that is read again
		{"--buffer=-1K", `--buffer "-1K": negative`, ""},
		{"--buffer=9G", `--buffer "9G": too large; the most is 1G`, ""},
		{"--word=x\n", `--word "x\n": not one of auto, none`, ""},
		{"--wiat=1s", "unknown flag: --wiat", "did you mean --wait?"},
		{"--wait", "--wait needs a value", "--wait D"},
	} {
		err := fs.parse([]string{c.arg})
		var usage *usageError
		require.ErrorAs(t, err, &usage, c.arg)
		require.Equal(t, c.err, err.Error())
		var hinted *hintedError
		if c.hint == "" {
			require.NotErrorAs(t, err, &hinted, c.arg)
			continue
		}
		require.ErrorAs(t, err, &hinted, c.arg)
		require.Equal(t, c.hint, hinted.hint)
	}
}

// A flag with a single value is set once per pass, a list adds up, and no flag of
// a file, list or address has an empty value.
func TestFlagGivenTwice(t *testing.T) {
	var v struct {
		n     int
		word  string
		words string
		list  []string
		ports targets.Ports
		on    bool
	}
	newFlags := func() *flagSet {
		v.n, v.word, v.words, v.list, v.ports, v.on = 1, "auto", "", nil, onePort(27015), false
		fs := newFlagSet("test")
		fs.group("All", func() {
			fs.count(&v.n, "count", "n", "N", "")
			fs.text(&v.word, "word", "", "W", "")
			fs.words(&v.words, "words", "", "W", "")
			fs.list(&v.list, "list", "", "FILE", "")
			fs.ports(&v.ports, "ports", "p", "")
			fs.toggle(&v.on, "on", "", "")
		})
		return fs
	}
	fs := newFlags()
	require.NoError(t, fs.parse(strings.Fields("--words a --words b,c --list x --list y -p 1 -p 5-6,1 --on --on")))
	require.Equal(t, "a,b,c", v.words)
	require.Equal(t, []string{"x", "y"}, v.list)
	require.Equal(t, "1,5-6", v.ports.String())
	require.True(t, v.on)

	for args, want := range map[string]string{
		"-n 2 --count 3":    `--count "3": the flag is given twice; the first value is "2"`,
		"-n 2 -n 2":         `--count "2": the flag is given twice; the first value is "2"`,
		"--word a --word b": `--word "b": the flag is given twice; the first value is "a"`,
		"--on --on=false":   `--on "false": the flag is given twice; the first value is "true"`,
		"--word=":           `--word "": the value is empty`,
		"--words=":          `--words "": the value is empty`,
		"--list=":           `--list "": the value is empty`,
	} {
		err := newFlags().parse(strings.Fields(args))
		var usage *usageError
		require.ErrorAs(t, err, &usage, args)
		require.Equal(t, want, err.Error())
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m",
		time.Hour: "1h", 12*time.Hour + 5*time.Minute: "12h5m", 10 * time.Minute: "10m", 500 * time.Millisecond: "500ms",
	} {
		require.Equal(t, want, formatDuration(d))
	}
}
