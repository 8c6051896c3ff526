package arch

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A rule is one entry of linters.settings.depguard.rules in .golangci.yml.
type rule struct {
	name  string
	mode  string   // strict: only what is in allow; lax: all but what is in deny
	files []string // globs
	allow []string // import paths; a $ at the end means exactly that one, else it is a prefix
	deny  []string // likewise
}

// dir returns the folder that the rule's first glob names, relative to the
// root, or "" where it names none.
func (r *rule) dir() string {
	d, ok := strings.CutPrefix(r.files[0], "**/")
	if !ok {
		return ""
	}
	return strings.NewReplacer("{", "", "}", "").Replace(strings.TrimSuffix(d, "/*.go"))
}

// permits reports whether the rule lets a package be imported.
func (r *rule) permits(path string) bool {
	if r.mode == "lax" {
		return !matches(r.deny, path)
	}
	return matches(r.allow, path)
}

func matches(list []string, path string) bool {
	for _, l := range list {
		switch exact, ok := strings.CutSuffix(l, "$"); {
		case l == "$gostd":
			if isStd(path) {
				return true
			}
		case ok:
			if path == exact {
				return true
			}
		case path == l || strings.HasPrefix(path, l+"/"):
			return true
		}
	}
	return false
}

// isStd reports whether path is in the standard library: its first element has
// no dot, as that of every module on a proxy has.
func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// readRules reads the depguard rules. It understands just the YAML that they
// are written in and refuses any other, so that none is passed over in silence.
func readRules(file string) ([]rule, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	const header = "    depguard:\n      rules:\n"
	_, body, ok := strings.Cut(string(text), header)
	if !ok {
		return nil, fmt.Errorf("%s: no depguard rules", file)
	}
	var rules []rule
	var list *[]string
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\n")
		line, _, _ = strings.Cut(line, " # ")
		word := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if word == "" || word[0] == '#' {
			continue
		}
		if indent < 8 {
			break // the next section
		}
		key, value, isPair := strings.Cut(word, ": ")
		switch {
		case indent == 8 && strings.HasSuffix(word, ":"):
			rules = append(rules, rule{name: strings.TrimSuffix(word, ":")})
		case indent == 10 && isPair && key == "list-mode":
			rules[len(rules)-1].mode = value
		case indent == 10 && isPair && key == "files":
			for f := range strings.SplitSeq(strings.Trim(value, "[]"), ",") {
				f = strings.Trim(f, ` "`)
				rules[len(rules)-1].files = append(rules[len(rules)-1].files, f)
			}
		case indent == 10 && word == "allow:":
			list = &rules[len(rules)-1].allow
		case indent == 10 && word == "deny:":
			list = &rules[len(rules)-1].deny
		case indent == 12 && strings.HasPrefix(word, "- pkg: "):
			*list = append(*list, strings.TrimPrefix(word, "- pkg: "))
		case indent == 12 && strings.HasPrefix(word, "- "):
			*list = append(*list, strings.TrimPrefix(word, "- "))
		case indent == 14 && key == "desc":
		default:
			return nil, fmt.Errorf("%s: cannot read %q", file, line)
		}
	}
	return rules, nil
}

func TestReadRules(t *testing.T) {
	rules, err := readRules("../../.golangci.yml")
	require.NoError(t, err)
	byName := map[string]rule{}
	for _, r := range rules {
		require.Contains(t, []string{"strict", "lax"}, r.mode, r.name)
		require.NotEmpty(t, r.files, r.name)
		byName[r.name] = r
	}

	mux := byName["mux"]
	require.Equal(t, "mux", mux.dir())
	for path, want := range map[string]bool{
		"net/netip":                           true,
		"golang.org/x/sys/unix":               true,
		"golang.org/x/sys":                    false,
		"github.com/a2scan/a2scan/proto":      false,
		"github.com/a2scan/a2scan/proto/a3sb": false,
	} {
		require.Equal(t, want, mux.permits(path), path)
	}
	tests := byName["tests"]
	require.True(t, tests.permits("github.com/stretchr/testify/require"))
	require.False(t, tests.permits("github.com/stretchr/testify/mock"))

	bad := t.TempDir() + "/bad.yml"
	require.NoError(t, os.WriteFile(bad, []byte("    depguard:\n      rules:\n        x:\n          alow:\n"), 0o600))
	_, err = readRules(bad)
	require.Error(t, err, "a misspelt key must not loosen the rules")
}
