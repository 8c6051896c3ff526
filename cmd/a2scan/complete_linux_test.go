package main

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The three shells with a person at the keyboard: Tab completes, or lists the candidates.
func TestTabCompletion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ args, setup string }{
		"bash": {"--norc --noprofile -i", "PS1='> '; bind 'set enable-bracketed-paste off'; source <(a2scan completion bash); echo re''ady\n"},
		"zsh":  {"-f -i", "PS1='> '; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -D -u; source <(a2scan completion zsh); echo re''ady\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("there is no %s", name)
			}
			screen, tty := openTerminal(t, 200, 50)
			cmd := exec.Command(path, strings.Fields(c.args)...)
			cmd.Env = append(cmd.Environ(), "TERM=xterm", "HOME="+t.TempDir())
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
			require.NoError(t, cmd.Start())
			require.NoError(t, tty.Close())
			t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			type chunk []byte
			output := make(chan chunk)
			go func() {
				defer close(output)
				for {
					b := make([]byte, 4096)
					n, err := screen.Read(b)
					if err != nil {
						return
					}
					output <- b[:n]
				}
			}()
			var heard bytes.Buffer
			await := func(want ...string) {
				t.Helper()
				deadline := time.After(time.Minute)
				for _, w := range want {
					for !strings.Contains(heard.String(), w) {
						select {
						case b, ok := <-output:
							require.True(t, ok, "%q", heard.String())
							heard.Write(b)
						case <-deadline:
							t.Fatalf("no %q in %q", w, heard.String())
						}
					}
				}
				heard.Reset()
			}
			_, err = io.WriteString(screen, c.setup)
			require.NoError(t, err)
			await("ready")
			_, err = io.WriteString(screen, "a2scan scan --ra\t\t")
			require.NoError(t, err)
			await("--rate", "--raw")
			_, err = io.WriteString(screen, "te 5 --max-ru\t")
			require.NoError(t, err)
			await("--max-runtime")
		})
	}
}
