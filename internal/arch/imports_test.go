package arch

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/a2scan/a2scan"

// A pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Export       string // with -export: the file of its compiled declarations
	Standard     bool
	Module       *struct{ Path string }
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	Deps         []string
	TestImports  []string
	XTestImports []string
}

// rel returns the package's folder relative to the root of the repository.
func (p *pkg) rel() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

// list returns the packages that go list prints with the given arguments.
func list(t *testing.T, env []string, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		pkgs = append(pkgs, p)
	}
	require.NotEmpty(t, pkgs)
	return pkgs
}

// systems are those for which the arrows are checked: the files of a package,
// and so its imports, differ between them.
var systems = []string{"linux", "windows", "darwin"}

func TestImports(t *testing.T) {
	rules, err := readRules("../../.golangci.yml")
	require.NoError(t, err)
	tests := rules[slices.IndexFunc(rules, func(r rule) bool { return r.name == "tests" })]

	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			for _, p := range list(t, []string{"GOOS=" + system, "CGO_ENABLED=0"}, "./...") {
				i := slices.IndexFunc(rules, func(r rule) bool { return r.dir() == p.rel() })
				if !strings.HasPrefix(p.ImportPath, module) || i < 0 {
					t.Errorf("%s has no depguard rule in .golangci.yml: say what it may import", p.ImportPath)
					continue
				}
				for _, imported := range p.Imports {
					if !rules[i].permits(imported) {
						t.Errorf("%s imports %s, which rule %q does not allow", p.ImportPath, imported, rules[i].name)
					}
				}
				for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
					if !tests.permits(imported) {
						t.Errorf("%s: a test imports %s, which rule %q denies", p.ImportPath, imported, tests.name)
					}
				}
			}
		})
	}
}

// TestReach checks the arrows a second way, over all that a package brings
// along: what is true of the rules' letter might still not be of their intent.
func TestReach(t *testing.T) {
	all := list(t, nil, "./...")
	for _, p := range all {
		if !strings.HasPrefix(p.rel(), "proto") || p.rel() == "proto/prototest" {
			continue
		}
		for _, dep := range p.Deps {
			require.True(t, isStd(dep) || strings.HasPrefix(dep, module+"/proto") || dep == module+"/internal/arena", "%s brings in %s", p.ImportPath, dep)
			require.NotContains(t, []string{"net", "net/http", "log", "log/slog"}, dep, "%s brings it in", p.ImportPath)
		}
	}
	never := map[string][]string{
		"mux":             {module + "/proto", module + "/output", module + "/scanner"},
		"output":          {module + "/mux", module + "/scanner"},
		"output/dataset":  {module + "/mux", module + "/scanner"},
		"scanner/targets": {module + "/proto", module + "/output", module + "/scanner"},
		"scanner":         {module + "/proto/prototest", module + "/mux/muxtest", module + "/bench/farm"},
	}
	for _, p := range all {
		for _, n := range never[p.rel()] {
			require.NotContains(t, p.Deps, n, "%s brings it in", p.ImportPath)
		}
	}
}

// TestModules keeps the list of what a user has to trust short: what the
// program itself is built from.
func TestModules(t *testing.T) {
	allowed := []string{
		module, "github.com/clipperhouse/displaywidth", "github.com/clipperhouse/uax29/v2", "github.com/klauspost/compress",
		"github.com/spf13/pflag", "golang.org/x/sys", "golang.org/x/time",
	}
	for _, system := range systems {
		for _, p := range list(t, []string{"GOOS=" + system, "CGO_ENABLED=0"}, "-deps", "./cmd/a2scan") {
			if !p.Standard {
				require.Contains(t, allowed, p.Module.Path, "%s, on %s", p.ImportPath, system)
			}
		}
	}
}

// TestHTTP: only the package that fetches lists speaks HTTP as a client. The program
// and the farm serve it, which needs the same package.
func TestHTTP(t *testing.T) {
	for _, p := range list(t, nil, "./...") {
		if slices.Contains(p.Imports, "net/http") {
			require.Contains(t, []string{"internal/weblist", "bench/farm", "cmd/a2scan"}, p.rel())
		}
	}
}
