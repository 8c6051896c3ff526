package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

func helpCommand() *command {
	return &command{
		name:     "help",
		synopsis: "[COMMAND]",
		short:    "explain a command",
		long:     "Without a COMMAND it lists all commands.",
		new: func(*flagSet) func(*app, []string) error {
			return func(a *app, args []string) error {
				switch len(args) {
				case 0:
					return a.printOverview()
				case 1:
				default:
					return usagef("help takes one command")
				}
				cmd, err := find(args[0])
				if err != nil {
					return err
				}
				return a.printHelp(cmd)
			}
		},
	}
}

const overviewText = `a2scan queries and mass-scans Valve A2S game servers: info, players and rules of one server or of
	millions, from one UDP socket.`

func (a *app) printOverview() error {
	var b bytes.Buffer
	writeWrapped(&b, overviewText, "", 80)
	b.WriteString("\nUsage: a2scan COMMAND [FLAG…] [ARGUMENT…]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-11s %s\n", c.name, c.short)
	}
	b.WriteString("\nFlags of a command: a2scan help COMMAND. Version: a2scan -V.\n\n" +
		"Data goes to standard output, everything else to standard error. Exit status: 0 done,\n" +
		"1 failed, 2 wrong usage, 129, 130 and 143 interrupted by a signal.\n")
	_, err := a.stdout.Write(b.Bytes())
	return err
}

func (a *app) printHelp(cmd *command) error {
	fs := newFlagSet(cmd.name)
	cmd.new(fs)
	_, err := a.stdout.Write(helpText(cmd, fs, min(max(a.screen.columns(), 60), 100)))
	return err
}

// helpText returns the help of a command in lines of at most width columns, except for
// long words and examples.
func helpText(cmd *command, fs *flagSet, width int) []byte {
	var b bytes.Buffer
	usage := "Usage: a2scan " + cmd.name
	if len(fs.groups) > 0 {
		usage += " [FLAG…]"
	}
	if cmd.synopsis != "" {
		usage += " " + cmd.synopsis
	}
	fmt.Fprintf(&b, "%s\n\n", usage)
	writeWrapped(&b, sentence(cmd.short), "", width)
	for p := range strings.SplitSeq(cmd.long, "\n\n") {
		if p != "" {
			b.WriteByte('\n')
			writeWrapped(&b, strings.Join(strings.Fields(p), " "), "", width)
		}
	}
	for _, g := range fs.groups {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for _, name := range g.names {
			writeFlag(&b, fs.Lookup(name), width)
		}
	}
	if len(cmd.examples) > 0 {
		b.WriteString("\nExamples:\n")
		for _, e := range cmd.examples {
			fmt.Fprintf(&b, "  %s\n", e)
		}
	}
	return b.Bytes()
}

// flagColumn is the column at which the explanations of flags begin.
const flagColumn = 32

func writeFlag(b *bytes.Buffer, f *pflag.Flag, width int) {
	head := "  "
	if f.Shorthand == "" {
		head += "    "
	}
	head += usageLine(f)
	_, text := pflag.UnquoteUsage(f)
	text += defaultText(f)
	b.WriteString(head)
	if n := utf8.RuneCountInString(head); n < flagColumn-1 {
		b.WriteString(strings.Repeat(" ", flagColumn-n))
	} else {
		b.WriteString("\n" + strings.Repeat(" ", flagColumn))
	}
	writeWrapped(b, text, strings.Repeat(" ", flagColumn), width)
}

// defaultText returns the remark about the default of a flag, if it is worth one.
func defaultText(f *pflag.Flag) string {
	switch d := f.DefValue; d {
	case "", "false", "0", "0s":
		return ""
	default:
		return " (default " + d + ")"
	}
}

// writeWrapped writes text in lines of at most width columns. All lines but the first
// begin with indent; the first is assumed to have it already.
func writeWrapped(b *bytes.Buffer, text, indent string, width int) {
	column := len(indent)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	b.WriteByte('\n')
}

// sentence turns a phrase into a sentence.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
