package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// deployed returns a file of the deploy folder.
func deployed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	require.NoError(t, err)
	return string(b)
}

// Dashboards and alerts name only metrics that are exported.
func TestDeployedNames(t *testing.T) {
	text, _ := example("Counter-Strike")
	names := regexp.MustCompile(`\ba2scan_[a-z_]+`)
	known := map[string]bool{}
	for series := range requireFormat(t, text) {
		known[names.FindString(series)] = true
	}
	used := map[string]bool{}
	for _, file := range []string{"grafana/a2scan.json", "prometheus/rules.yml", "prometheus/rules_test.yml"} {
		for _, name := range names.FindAllString(deployed(t, file), -1) {
			require.True(t, known[name], "%s has %s, which nothing exports", file, name)
			used[name] = true
		}
	}
	require.Greater(t, len(used), 10)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(deployed(t, "grafana/a2scan.json")), &dashboard))
	for _, p := range dashboard.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
	}
}

// promtool accepts the rules, and their tests pass.
func TestRules(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("there is no promtool")
	}
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}, {"check", "config", "scrape.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = filepath.Join("..", "..", "deploy", "prometheus")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "promtool %s: %s", strings.Join(args, " "), out)
	}
}
