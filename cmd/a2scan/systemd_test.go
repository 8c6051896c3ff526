package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSystemdUnit parses the command line of the example, and holds the unit to
// its word that no right is needed.
func TestSystemdUnit(t *testing.T) {
	unit := string(readFile(t, filepath.Join(root, "docs", "systemd", "a2scan.service")))
	start := regexp.MustCompile(`(?m)^ExecStart=\S+/a2scan (\w+) (.*)$`).FindStringSubmatch(unit)
	require.NotNil(t, start)
	c := lookup(start[1])
	require.NotNil(t, c)
	fs := newFlagSet(c.name)
	c.new(fs)
	require.NoError(t, fs.parse(strings.Fields(start[2])))
	for _, line := range []string{"DynamicUser=yes", "CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes", "ProtectSystem=strict", "KillSignal=SIGINT"} {
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(line)+`$`, unit)
	}
}
