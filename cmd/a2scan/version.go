package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

func versionCommand() *command {
	return &command{
		name:  "version",
		short: "print the version",
		long:  "Prints the version, the commit and its date, the Go version and the platform of the build.",
		examples: []string{
			"a2scan version",
			"a2scan version --json",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			var asJSON bool
			fs.group("Output", func() { fs.toggle(&asJSON, "json", "", "print a JSON object") })
			return func(a *app, args []string) error {
				if len(args) > 0 {
					return usagef("version takes no arguments")
				}
				b := readBuild()
				text := "a2scan " + b.String() + "\n"
				if asJSON {
					j, err := json.Marshal(b)
					if err != nil {
						return err
					}
					text = string(j) + "\n"
				}
				_, err := fmt.Fprint(a.stdout, text)
				return err
			}
		},
	}
}

// A build is the origin of the running program, as the Go toolchain recorded it.
type build struct {
	Tool     string  `json:"tool"`
	Version  string  `json:"version"`  // a tag, a pseudo-version made from the commit, or "(devel)"
	Commit   *string `json:"commit"`   // null if the build had no repository
	Date     *string `json:"date"`     // of the commit, RFC 3339
	Modified bool    `json:"modified"` // the tree had changes that are in no commit
	Go       string  `json:"go"`
	OS       string  `json:"os"`
	Arch     string  `json:"arch"`
}

func readBuild() build {
	b := build{Tool: "a2scan", Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = &s.Value
		case "vcs.time":
			b.Date = &s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// version returns the module's version.
func version() string { return readBuild().Version }

// String returns the build in one line.
func (b build) String() string {
	var parts []string
	if b.Commit != nil {
		commit := "commit " + (*b.Commit)[:min(12, len(*b.Commit))]
		if b.Modified {
			commit += " with changes"
		}
		parts = append(parts, commit)
	}
	if b.Date != nil {
		day, _, _ := strings.Cut(*b.Date, "T")
		parts = append(parts, day)
	}
	parts = append(parts, b.Go, b.OS+"/"+b.Arch)
	return b.Version + " (" + strings.Join(parts, ", ") + ")"
}
