// Package arch tests rules about the whole tree: imports, unsafe, clocks, fuzz
// targets and two documents. A new package needs one line in the table below.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/a2scan/a2scan"

// imports lists the packages that each package may import apart from the standard library:
// packages of this module and of other modules, separated by spaces. A name that ends in
// ... includes everything below it. A row that ends in ... applies to the packages below it
// that have no row of their own.
var imports = map[string]string{
	// The protocol: bytes and instants in, bytes and events out.
	"proto":                 "internal/arena",
	"proto/a3sb":            "proto",
	"proto/master":          "proto",
	"proto/prototest":       "proto proto/a3sb proto/master",
	"proto/internal/vector": "",
	// Datagrams and sockets, without knowledge of their content.
	"mux":         "internal/ipaddr golang.org/x/sys/unix golang.org/x/sys/windows",
	"mux/muxtest": "mux github.com/stretchr/testify/require",
	// Records and files of records.
	"output":         "internal/jsontext",
	"output/dataset": "internal/jsontext internal/osfile output github.com/klauspost/compress/...",
	// Targets.
	"scanner/targets": "internal/ipaddr mux github.com/klauspost/compress/gzip github.com/klauspost/compress/zstd",
	// Only the scan combines datagrams, the protocol and records.
	"scanner": "internal/... mux output output/dataset proto proto/a3sb scanner/targets golang.org/x/time/rate",
	// Helpers of the packages above.
	"internal/arena":      "",
	"internal/osfile":     "golang.org/x/sys/unix",
	"internal/linewriter": "output/dataset",
	"internal/reply":      "output proto proto/a3sb",
	"internal/weblist":    "proto/master",
	"internal/display":    "github.com/clipperhouse/displaywidth",
	"internal/screen":     "internal/display",
	"internal/extsort":    "github.com/klauspost/compress/s2",
	"internal/ipaddr":     "",
	"internal/pcap":       "",
	"internal/jsontext":   "",
	"internal/report":     "internal/display internal/jsontext internal/extsort output",
	"internal/diff":       "internal/extsort output",
	"internal/convert":    "output github.com/parquet-go/parquet-go",
	"internal/schema":     "output",
	"internal/metrics":    "",
	"internal/...":        "output output/dataset",
	// The command and the tools around it.
	"cmd/a2scan":       "...",
	"deploy/packaging": "",
	"bench/bare":       "mux proto golang.org/x/sys/unix",
	"bench/...":        "bench/... mux output output/dataset proto/... scanner scanner/targets golang.org/x/sys/unix",
}

// allowed returns the row of package p.
func allowed(p string) (row string, ok bool) {
	if row, ok := imports[p]; ok {
		return row, true
	}
	for name, row := range imports {
		if base, below := strings.CutSuffix(name, "..."); below && strings.HasPrefix(p, base) {
			return row, true
		}
	}
	return "", false
}

// permits reports whether a row allows the import of path.
func permits(row, path string) bool {
	return slices.ContainsFunc(strings.Fields(row), func(name string) bool {
		base, below := strings.CutSuffix(name, "...")
		return name == path || below && (strings.HasPrefix(path, base) || path+"/" == base)
	})
}

// A pkg is a package as go list describes it.
type pkg struct {
	ImportPath                         string
	Standard                           bool
	Module                             *struct{ Path string }
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

// list returns the packages that go list prints for a system.
func list(t *testing.T, system string, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Module,Imports,TestImports,XTestImports,Deps"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		require.NoError(t, err)
		pkgs = append(pkgs, p)
	}
}

// isStd reports whether path is a package of the standard library.
func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

var systems = []string{"linux", "windows", "darwin", "freebsd"}

func TestImports(t *testing.T) {
	never := []string{"github.com/stretchr/testify/assert", "github.com/stretchr/testify/mock", "github.com/stretchr/testify/suite"}
	for _, system := range systems {
		for _, p := range list(t, system, "./...") {
			rel := strings.TrimPrefix(p.ImportPath, module+"/")
			row, ok := allowed(rel)
			if !ok && rel != "internal/arch" {
				t.Errorf("%s has no row in internal/arch/imports_test.go: add the packages that it may import", rel)
				continue
			}
			for _, path := range p.Imports {
				if own := strings.TrimPrefix(path, module+"/"); !isStd(path) && !permits(row, own) {
					t.Errorf("%s imports %s, which its row in internal/arch/imports_test.go does not allow", rel, own)
				}
			}
			if slices.Contains(p.Imports, "net/http") {
				require.Contains(t, []string{"internal/weblist", "internal/metrics", "bench/farm", "cmd/a2scan"}, rel, "few packages speak HTTP")
			}
			for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
				require.NotContains(t, never, path, "%s: tests use testify's require alone", rel)
			}
			if strings.HasPrefix(rel, "proto") && !strings.HasPrefix(rel, "proto/internal") {
				require.NotContains(t, p.Deps, "net", "%s has no network", rel)
			}
		}
	}
}

// TestModules keeps the list of modules short that a user of the program has to trust.
// docs/dependencies.md has a row for each.
func TestModules(t *testing.T) {
	programs := documented(t, "## In the program")
	for _, system := range systems {
		for _, p := range list(t, system, "-deps", "./cmd/a2scan") {
			if !p.Standard && p.Module.Path != module {
				require.Contains(t, programs, p.Module.Path, "%s, on %s: docs/dependencies.md has no row for it", p.ImportPath, system)
			}
		}
	}
}
