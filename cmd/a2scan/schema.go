package main

import (
	"slices"
	"strings"

	"github.com/a2scan/a2scan/internal/schema"
)

func schemaCommand() *command {
	return &command{
		name:     "schema",
		synopsis: "[" + strings.Join(schema.Names, "|") + "]",
		short:    "print the JSON Schema of an output",
		long: `Prints the JSON Schema (2020-12) of the records, or of the metadata object, a line of the status
		updates file, an event of watch and diff, or the report. Every key has a description.`,
		examples: []string{
			"a2scan schema",
			"a2scan schema metadata",
		},
		new: func(*flagSet) func(*app, []string) error {
			return func(a *app, args []string) error {
				name := schema.Names[0]
				switch {
				case len(args) > 1:
					return usagef("one name at most")
				case len(args) == 1:
					name = args[0]
				}
				if !slices.Contains(schema.Names, name) {
					return withHint(usagef("no schema has the name %s", clean(name)), "one of %s", strings.Join(schema.Names, ", "))
				}
				_, err := a.stdout.Write(schema.JSON(name))
				return err
			}
		},
	}
}
