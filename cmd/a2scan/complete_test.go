package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCandidates(t *testing.T) {
	for line, want := range map[string]string{
		"sca":                           "scan",
		"scan --ra":                     "--rate --raw",
		"scan --query ":                 "info players rules",
		"scan --query info,pl":          "info,players",
		"scan --query = ru":             "--query=rules",
		"scan --query=info,r":           "--query=info,rules",
		"scan --icmp o":                 "on off",
		"scan --color=a":                "--color=auto --color=always",
		"scan --filter time":            "timeout",
		"scan -o ":                      ":files",
		"scan -qo ":                     ":files",
		"scan --output-file=":           ":files",
		"scan --rate ":                  "",
		"scan --shuffle 192":            "",
		"scan --nonsense ":              "",
		"help sca":                      "scan",
		"man ver":                       "version",
		"completion ":                   "bash fish powershell zsh",
		"decode ":                       ":files",
		"nonsense ":                     "",
		"scan --target-ports 1 --retri": "--retries",
	} {
		var words []string
		for _, l := range candidates(strings.Split(line, " ")) {
			word, _, _ := strings.Cut(l, "\t")
			words = append(words, word)
		}
		require.Equal(t, want, strings.Join(words, " "), line)
	}
	all := candidates(nil)
	require.Len(t, all, len(commands()))
	require.Contains(t, all, "demo\t"+lookup("demo").short)
}

// shell runs a script of a shell that is installed, with the program in its path.
func shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s", name)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

// The function of bash, called as bash calls it when Tab is pressed.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	complete := func(words ...string) string {
		return shell(t, "bash", append([]string{"--norc", "-c", `
			source <(a2scan completion bash)
			complete -p a2scan >/dev/null || exit 9
			COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
			_a2scan
			printf '%s\n' "${COMPREPLY[*]}"`, "bash"}, words...)...)
	}
	require.Equal(t, "--rate --raw", complete("a2scan", "scan", "--ra"))
	require.Equal(t, "scan", complete("a2scan", "sca"))
	require.Equal(t, "info,players", complete("a2scan", "scan", "--query", "info,p"))
	require.Equal(t, "rules", complete("a2scan", "scan", "--query", "=", "ru"))
	require.Empty(t, complete("a2scan", "scan", "-o", ""))
}

func TestFishCompletion(t *testing.T) {
	t.Parallel()
	complete := func(line string) string {
		return shell(t, "fish", "--no-config", "-c", `a2scan completion fish | source; complete -C "`+line+`"`)
	}
	require.Regexp(t, `^--rate\tpackets per second.*\n--raw\t`, complete("a2scan scan --ra"))
	require.Regexp(t, `^scan\t`, complete("a2scan sca"))
	require.Equal(t, "info,players", complete("a2scan scan --query info,p"))
}
