package main

import (
	_ "embed"
	"fmt"
)

// The scripts are short: they run a2scan itself for the candidates.
var (
	//go:embed completion/a2scan.bash
	bashCompletion string
	//go:embed completion/a2scan.zsh
	zshCompletion string
	//go:embed completion/a2scan.fish
	fishCompletion string
	//go:embed completion/a2scan.ps1
	powershellCompletion string
)

func shellNames() []string { return []string{"bash", "fish", "powershell", "zsh"} }

func completionCommand() *command {
	return &command{
		name:     "completion",
		synopsis: "bash|zsh|fish|powershell",
		short:    "print a shell script that completes commands and flags",
		long: `Load the script in the shell, or install it where the shell looks for completions:

		bash: ~/.local/share/bash-completion/completions/a2scan. zsh: a file _a2scan in a folder of $fpath.
		fish: ~/.config/fish/completions/a2scan.fish. PowerShell: the file that $PROFILE names.`,
		examples: []string{
			"source <(a2scan completion bash)",
			"a2scan completion zsh > ~/.zfunc/_a2scan",
			"a2scan completion fish > ~/.config/fish/completions/a2scan.fish",
		},
		new: func(*flagSet) func(*app, []string) error {
			return func(a *app, args []string) error {
				if len(args) != 1 {
					return withHint(usagef("completion takes the name of a shell"), "a2scan completion bash|zsh|fish|powershell")
				}
				scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion, "powershell": powershellCompletion}
				script, ok := scripts[args[0]]
				if !ok {
					return withHint(usagef("unknown shell: %s", clean(args[0])), "use bash, zsh, fish or powershell")
				}
				_, err := fmt.Fprint(a.stdout, script)
				return err
			}
		},
	}
}
