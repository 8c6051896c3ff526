package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

func versionCommand() *command {
	return &command{
		name:  "version",
		short: "print the version of the program and of what it was built from",
		new: func(*flagSet) func(*app, []string) error {
			return func(a *app, args []string) error {
				if len(args) > 0 {
					return usagef("version takes no arguments")
				}
				_, err := fmt.Fprintf(a.stdout, "a2scan %s\n", versionLine())
				return err
			}
		},
	}
}

// version returns the module's version, as the build recorded it: a tag, a
// pseudo-version made from the commit, or "(devel)".
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// versionLine adds to the version the commit and the tools.
func versionLine() string {
	parts := []string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		var commit, modified string
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				commit = "commit " + s.Value[:min(12, len(s.Value))]
			case "vcs.modified":
				if s.Value == "true" {
					modified = " with changes"
				}
			}
		}
		if commit != "" {
			parts = append([]string{commit + modified}, parts...)
		}
	}
	return version() + " (" + strings.Join(parts, ", ") + ")"
}
