package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

func manCommand() *command {
	return &command{
		name:     "man",
		synopsis: "[COMMAND]",
		short:    "print a manual page, or write all of them",
		long:     "Without a COMMAND it prints a2scan(1). The pages are made from the same texts as the help.",
		examples: []string{
			"a2scan man scan | man -l -",
			"a2scan man --dir /usr/local/share/man/man1",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			var dir string
			fs.group("Output", func() { fs.text(&dir, "dir", "", "FOLDER", "write every page into this folder") })
			return func(a *app, args []string) error {
				switch {
				case dir != "" && len(args) > 0:
					return usagef("man --dir writes every page; leave %s out", quote(args[0]))
				case dir != "":
					return writeManPages(dir)
				case len(args) > 1:
					return usagef("man takes one command")
				}
				page := overviewPage()
				if len(args) == 1 {
					cmd, err := find(args[0])
					if err != nil {
						return err
					}
					page = manPage(cmd)
				}
				if _, err := a.stdout.Write(page); err != nil {
					return err
				}
				if isTerminal(a.stdout) {
					a.ui.hintf("to read the page: a2scan %s | man -l -", strings.Join(append([]string{"man"}, args...), " "))
				}
				return nil
			}
		},
	}
}

func writeManPages(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "a2scan.1"), overviewPage(), 0o666); err != nil {
		return err
	}
	for _, c := range commands() {
		if err := os.WriteFile(filepath.Join(dir, "a2scan-"+c.name+".1"), manPage(c), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// A roff is a manual page in the man macros.
type roff struct{ bytes.Buffer }

// begin writes the head of a page.
func (r *roff) begin(name, short string) {
	date := "2026-12-01"
	if b := readBuild(); b.Date != nil {
		date, _, _ = strings.Cut(*b.Date, "T")
	}
	fmt.Fprintf(r, ".TH %s 1 %s \"a2scan\" \"User Commands\"\n", roffEscape(strings.ToUpper(name)), date)
	r.section("NAME")
	fmt.Fprintf(r, "%s \\- %s\n", roffEscape(name), roffEscape(short))
}

func (r *roff) section(title string) { fmt.Fprintf(r, ".SH %s\n", title) }

// text writes a paragraph.
func (r *roff) text(s string) { fmt.Fprintln(r, roffLine(strings.Join(strings.Fields(s), " "))) }

// code writes command lines as they are.
func (r *roff) code(lines []string) {
	r.WriteString(".RS 4\n.nf\n")
	for _, l := range lines {
		fmt.Fprintln(r, roffLine(l))
	}
	r.WriteString(".fi\n.RE\n")
}

// term writes a term and its explanation.
func (r *roff) term(head, text string) {
	fmt.Fprintf(r, ".TP\n%s\n%s\n", head, roffLine(text))
}

// roffEscape escapes a text for any place of a line.
func roffEscape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "…", "...").Replace(s)
}

// roffLine escapes a whole line, which may not begin like a macro.
func roffLine(s string) string {
	s = roffEscape(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// manPage returns the page of a command.
func manPage(c *command) []byte {
	fs := newFlagSet(c.name)
	c.new(fs)
	var r roff
	r.begin("a2scan-"+c.name, c.short)
	r.section("SYNOPSIS")
	line := `\fBa2scan ` + roffEscape(c.name) + `\fR`
	if len(fs.groups) > 0 {
		line += ` [\fIFLAG\fR...]`
	}
	if c.synopsis != "" {
		line += " " + roffEscape(c.synopsis)
	}
	fmt.Fprintln(&r, line)
	if strings.TrimSpace(c.long) != "" {
		r.section("DESCRIPTION")
		for i, p := range strings.Split(c.long, "\n\n") {
			if i > 0 {
				r.WriteString(".PP\n")
			}
			r.text(p)
		}
	}
	if len(fs.groups) > 0 {
		r.section("OPTIONS")
	}
	for _, g := range fs.groups {
		fmt.Fprintf(&r, ".SS %s\n", roffEscape(g.title))
		for _, name := range g.names {
			r.flag(fs.Lookup(name))
		}
	}
	if len(c.examples) > 0 {
		r.section("EXAMPLES")
		r.code(c.examples)
	}
	r.section("SEE ALSO")
	r.WriteString(".BR a2scan (1)\n")
	return r.Bytes()
}

func (r *roff) flag(f *pflag.Flag) {
	value, text := pflag.UnquoteUsage(f)
	head := ""
	if f.Shorthand != "" {
		head = `\fB\-` + f.Shorthand + `\fR, `
	}
	head += `\fB` + roffEscape("--"+f.Name) + `\fR`
	if value != "" {
		head += ` \fI` + roffEscape(value) + `\fR`
	}
	r.term(head, text+defaultText(f))
}

// overviewPage returns a2scan(1).
func overviewPage() []byte {
	var r roff
	r.begin("a2scan", "query and mass-scan Valve A2S game servers")
	r.section("SYNOPSIS")
	r.WriteString("\\fBa2scan\\fR \\fICOMMAND\\fR [\\fIFLAG\\fR...] [\\fIARGUMENT\\fR...]\n")
	r.section("DESCRIPTION")
	r.text(overviewText)
	r.section("COMMANDS")
	for _, c := range commands() {
		r.term(`\fB`+roffEscape(c.name)+`\fR`, c.short)
	}
	r.section("EXIT STATUS")
	r.term("0", "done")
	r.term("1", "failed")
	r.term("2", "wrong usage; nothing was done")
	r.term("129, 130, 143", "interrupted by SIGHUP, SIGINT or SIGTERM")
	r.section("ENVIRONMENT")
	r.term("NO_COLOR", "turns colours off, unless --color says otherwise")
	r.term("TERM", "with the value dumb, no progress line is drawn and nothing is coloured")
	r.section("SEE ALSO")
	var pages []string
	for _, c := range commands() {
		pages = append(pages, ".BR "+roffEscape("a2scan-"+c.name)+" (1)")
	}
	r.WriteString(strings.Join(pages, " ,\n") + "\n")
	return r.Bytes()
}
