package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// FuzzConfig gives a config file to the flags of a scan. What it set can be
// written down and read again; what is wrong is told line by line, without a byte
// that a terminal would obey.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"rate = 5000\nquery=info,rules\n# night\n\ntimeout = 1m30s\nshuffle = true\n",
		"\uFEFFtarget-ports = 27015,27020-27030\r\nbandwidth = 1.5M\r\nrcvbuf = 8M\n",
		"filter = success, partial\nicmp = retry\nsource-ip = fe80::1%eth0\ncompress = zstd\nblocklist-file = a,b\n",
		"rate = 1\nrate = 2\nconfig = x\nshufle = true\ntimeout = 5\nrate\n = \nquery = \n",
		"bandwidth = 1e300G\nrate = 0x1p-2\nmax-targets = 9223372036854775807\nseed=9223372036854775808\n",
		"exclude = \x1b[2J\xff\nquiet=t\nverbose=FALSE\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, fs := scanFlags()
		err := fs.applyConfig("scan.conf", strings.NewReader(text))
		if err != nil {
			lines := strings.Count(text, "\n") + 1
			for _, message := range strings.Split(err.Error(), "\n") {
				require.False(t, strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", message)
				n := 0
				_, scanErr := fmt.Sscanf(message, "scan.conf:%d: ", &n)
				require.NoError(t, scanErr, message)
				require.True(t, 1 <= n && n <= lines, message)
			}
		}
		valid := o.validate()

		// What is the same again: each flag is set to what it says of itself.
		var again strings.Builder
		fs.Visit(func(f *pflag.Flag) {
			if s := f.Value.String(); s != "" && !strings.ContainsFunc(s, unicode.IsControl) {
				fmt.Fprintf(&again, "%s = %s\n", f.Name, s)
			}
		})
		o2, fs2 := scanFlags()
		require.NoError(t, fs2.applyConfig("again.conf", strings.NewReader(again.String())), "%q", again.String())
		was, is := fs.values(), fs2.values()
		fs2.Visit(func(f *pflag.Flag) { require.Equal(t, was[f.Name], is[f.Name], f.Name) })
		if strings.Count(again.String(), "\n") == countSet(fs) {
			require.Equal(t, valid == nil, o2.validate() == nil)
		}
	})
}

// scanFlags returns the options of a scan and the flags that set them.
func scanFlags() (*scanOptions, *flagSet) {
	o, fs := newScanOptions(), newFlagSet("scan")
	o.register(fs)
	return o, fs
}

func countSet(fs *flagSet) (n int) {
	fs.Visit(func(*pflag.Flag) { n++ })
	return n
}

// FuzzValues gives any text to the values of the flags of a farm and of bench, which
// no config file reaches. What is accepted says of itself what sets it again.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"20:80", "20ms:1s", "5", "-1s", "1e9", "1e300", "127.0.0.0/8", "::1", "27015,1-3", "0x1p3", ":", "a,b", " a , ", "NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, fs := newFarmOptions(), newFlagSet("farm")
		o.register(fs)
		valid := func(name string) bool {
			if fs.Set(name, s) != nil {
				return false
			}
			if o.validate() != nil {
				o.delay = span{}
				o.world.Shares.Loss = 0
				return false
			}
			return true
		}
		for _, name := range []string{"delay", "listen", "ports", "seed", "loss"} {
			if !valid(name) {
				continue
			}
			was := fs.Lookup(name).Value.String()
			if was == "" {
				continue
			}
			require.NoError(t, fs.Set(name, was), "--%s %q", name, was)
			require.Equal(t, was, fs.Lookup(name).Value.String(), "--%s %q", name, s)
		}
		if words, err := parseWords(s); err == nil {
			require.NotEmpty(t, words)
			again, err := parseWords(joinWords(words))
			require.NoError(t, err)
			require.True(t, slices.Equal(words, again))
		}
	})
}
