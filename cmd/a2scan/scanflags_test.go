package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
)

func parseScan(t *testing.T, args ...string) (*scanOptions, error) {
	t.Helper()
	o, fs := newScanOptions(), newFlagSet("scan")
	o.register(fs)
	return o, fs.parse(args)
}

// TestScanFlags holds the flags to the interface that programs rely on: names,
// short forms and defaults.
func TestScanFlags(t *testing.T) {
	fs := newFlagSet("scan")
	newScanOptions().register(fs)
	for _, c := range []struct{ name, short, value string }{
		{"input-file", "f", ""}, {"output-file", "o", "-"}, {"compress", "", "auto"}, {"metadata-file", "m", ""},
		{"status-updates-file", "u", ""}, {"quiet", "q", "false"}, {"verbose", "v", "false"}, {"query", "", "info"},
		{"sequential", "", "false"}, {"rate", "r", "2000"}, {"bandwidth", "B", "0"}, {"per-ip-rate", "", "20"},
		{"max-in-flight", "c", "10000"}, {"timeout", "", "1s"}, {"retries", "", "2"}, {"target-timeout", "t", "10s"},
		{"icmp", "", "on"}, {"target-ports", "p", "27015"}, {"blocklist-file", "b", ""}, {"allowlist-file", "w", ""},
		{"exclude", "", ""}, {"shuffle", "", "false"}, {"seed", "e", "0"}, {"shards", "", "1"}, {"shard", "", "0"},
		{"max-targets", "n", "0"}, {"max-results", "N", "0"}, {"max-runtime", "", "0s"},
		{"filter", "", ""}, {"raw", "", "false"}, {"source-ip", "S", ""}, {"source-port", "", "0"}, {"rcvbuf", "", "8M"},
		{"sndbuf", "", "4M"}, {"batch", "", "64"}, {"dry-run", "d", "false"}, {"config", "", ""},
	} {
		f := fs.Lookup(c.name)
		require.NotNil(t, f, c.name)
		require.Equal(t, c.short, f.Shorthand, c.name)
		require.Equal(t, c.value, f.DefValue, c.name)
	}
}

func TestScanFlagValues(t *testing.T) {
	o, err := parseScan(t, "--query", "rules,info", "-r", "0", "-B", "1.5M", "--icmp", "retry", "-p", "27015,27020-27022",
		"--filter", "success,partial", "-S", "127.0.0.1", "--source-port", "40000", "--rcvbuf", "1M", "-b", "a", "-b", "b", "--max-runtime", "2h")
	require.NoError(t, err)
	require.NoError(t, o.validate())
	require.Equal(t, proto.WantInfo|proto.WantRules, o.ask.cfg.Kinds)
	require.Equal(t, 1.5e6, o.ask.cfg.Bandwidth)
	require.Equal(t, scanner.ICMPRetry, o.ask.cfg.ICMP)
	require.Equal(t, 4, o.ports.Len())
	require.Contains(t, o.ask.cfg.Filter, output.Partial)
	require.NotContains(t, o.ask.cfg.Filter, output.Timeout)
	require.Equal(t, "127.0.0.1:40000", o.ask.local().String())
	require.Equal(t, 1<<20, o.ask.rcvbuf)
	require.Equal(t, []string{"a", "b"}, o.blocklists)
	require.Equal(t, 2*time.Hour, o.ask.cfg.MaxRuntime)

	o, err = parseScan(t)
	require.NoError(t, err)
	require.NoError(t, o.validate())
	require.Empty(t, o.metadataPath())
	o, err = parseScan(t, "-o", "x.ndjson.zst")
	require.NoError(t, err)
	require.Equal(t, "x.ndjson.zst.meta.json", o.metadataPath())
	o, err = parseScan(t, "-o", "x", "-m", "-")
	require.NoError(t, err)
	require.Equal(t, "-", o.metadataPath())
}

func TestScanFlagsWrong(t *testing.T) {
	for arg, want := range map[string]string{
		"--query=info,name":     `--query "info,name": "name" is not one of info, players, rules`,
		"--filter=good":         `--filter "good": "good" is not one of success, partial, `,
		"--icmp=maybe":          `--icmp "maybe": not one of on, off, retry`,
		"--compress=lzma":       `--compress "lzma": not one of auto, none, zstd, gzip`,
		"--target-ports=0":      `--target-ports "0": `,
		"--source-ip=localhost": `--source-ip "localhost": not an IP address`,
	} {
		_, err := parseScan(t, arg)
		require.ErrorContains(t, err, want)
	}

	// What is wrong with the values together is said all at once.
	o, err := parseScan(t, "-r", "-1", "--retries", "1000", "--shards", "2", "--shard", "2", "--source-port", "70000",
		"--exclude", "10.0.0.0/8,nonsense", "--shuffle", "--batch", "0")
	require.NoError(t, err)
	err = o.validate()
	for _, want := range []string{"--rate", "--retries", "--shard 2", "--source-port", `--exclude: "nonsense"`, "--batch"} {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 6)
}
