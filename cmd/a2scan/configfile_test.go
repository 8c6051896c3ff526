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
		"bad.conf:7: timeout is set on line 2 already",
		"bad.conf:9: rate is set on line 8 already",
	}, "\n"), err.Error())
	var hinted *hintedError
	require.ErrorAs(t, err, &hinted)
	require.Equal(t, "did you mean --shuffle?", hinted.hint, "of the first that has one")

	require.ErrorContains(t, fs.applyConfig("long.conf", strings.NewReader(strings.Repeat("x", 1<<20))), "long.conf:1: ")
	require.ErrorContains(t, fs.applyConfig("gone.conf", failing{}), "gone.conf:1: disk on fire")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }
