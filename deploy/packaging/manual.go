package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
)

// manual returns the man pages and completions, which the program itself prints. It
// builds the program for this machine in work.
func manual(ctx context.Context, work string) ([]file, error) {
	program := filepath.Join(work, "host", "a2scan")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if err := run(ctx, []string{"CGO_ENABLED=0", "GOFLAGS="}, "go", "build", "-trimpath", "-o", program, "./cmd/a2scan"); err != nil {
		return nil, err
	}
	pages := filepath.Join(work, "man")
	if err := run(ctx, nil, program, "man", "--dir", pages); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(pages)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		f, err := fromDisk("man/"+e.Name(), filepath.Join(pages, e.Name()), 0o644)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	for shell, ending := range map[string]string{"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "ps1"} {
		script, err := output(ctx, nil, program, "completion", shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "completions/a2scan." + ending, mode: 0o644, data: []byte(script + "\n")})
	}
	return files, nil
}
