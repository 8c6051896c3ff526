package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestApplyConfig(t *testing.T) {
	rate, wait, shuffle := 2000.0, time.Second, false
	newFlags := func() *flagSet {
		fs := newFlagSet("test")
		fs.group("All", func() {
			fs.number(&rate, "rate", "r", "N", "")
			fs.duration(&wait, "timeout", "", "D", "")
			fs.toggle(&shuffle, "shuffle", "", "")
			fs.text(new(string), "config", "", "FILE", "")
		})
		return fs
	}
	fs := newFlags()
	require.NoError(t, fs.parse([]string{"-r", "5"}))
	require.NoError(t, fs.applyConfig("scan.conf", strings.NewReader("\uFEFF# night\r\n\n; and day\n  rate = 9 \r\ntimeout=3s\nshuffle = true")))
	require.Equal(t, 5.0, rate, "the command line wins")
	require.Equal(t, 3*time.Second, wait)
	require.True(t, shuffle)

	fs = newFlags()
	err := fs.applyConfig("bad.conf", strings.NewReader("shufle = true\ntimeout = 5\n\nrate\nconfig = x\nshuffle = maybe\ntimeout = 1s\nrate = 1\nrate = 2\n"))
	var usage *usageError
	require.ErrorAs(t, err, &usage)
	require.Equal(t, strings.Join([]string{
		"bad.conf:1: unknown flag: shufle",
		`bad.conf:2: --timeout "5": a duration without its unit`,
		`bad.conf:4: "rate" is not NAME = VALUE`,
		"bad.conf:5: a config file cannot name another",
		`bad.conf:6: --shuffle "maybe": not true or false`,
		"bad.conf:7: timeout is already set on line 2",
		"bad.conf:9: rate is already set on line 8",
	}, "\n"), err.Error())
	var hinted *hintedError
	require.ErrorAs(t, err, &hinted)
	require.Equal(t, "did you mean --shuffle?", hinted.hint, "of the first that has one")

	require.ErrorContains(t, fs.applyConfig("long.conf", strings.NewReader(strings.Repeat("x", 1<<20))), "long.conf:1: ")
	require.ErrorContains(t, fs.applyConfig("gone.conf", failing{}), "gone.conf:1: disk on fire")
}

// A later file wins over an earlier one, lists of files add up, and the command line wins
// over both, except that what any of them excludes is excluded.
func TestSeveralConfigs(t *testing.T) {
	o, fs := scanFlags()
	require.NoError(t, fs.parse([]string{"--exclude", "127.0.0.1", "-w", "mine", "-c", "7"}))
	require.NoError(t, fs.applyConfig("one", strings.NewReader("rate = 50\nexclude = 127.0.0.2\nblocklist-file = a\nallowlist-file = theirs\ntarget-ports = 1\nmax-in-flight = 1\n")))
	require.NoError(t, fs.applyConfig("two", strings.NewReader("rate = 2k\nexclude = 127.0.0.3\nblocklist-file = b\ntarget-ports = 2\nmax-in-flight = 2\n")))
	require.Equal(t, 2000.0, o.ask.cfg.Rate)
	require.Equal(t, "127.0.0.1,127.0.0.2,127.0.0.3", o.exclude)
	require.Equal(t, []string{"a", "b"}, o.blocklists)
	require.Equal(t, []string{"mine"}, o.allowlists)
	require.Equal(t, "1-2", o.ports.String())
	require.Equal(t, 7, o.ask.cfg.MaxInFlight)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }
