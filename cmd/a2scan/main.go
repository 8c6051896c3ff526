// Command a2scan queries and mass-scans game servers with Valve's A2S protocol: info,
// players and rules of one server or of millions.
//
// Each command has a file of its own. Data goes to standard output, and only data;
// status, metadata and messages go to standard error (see ui.go). The exit statuses are
// the constants below.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/a2scan/a2scan/internal/osfile"
)

// Exit statuses. An interrupted command returns 128 plus the signal's number, as a
// shell does.
const (
	exitOK    = 0
	exitFail  = 1 // the command could not continue, or its condition failed
	exitUsage = 2 // wrong usage; nothing was done
)

func main() {
	// A write to a closed standard output returns EPIPE, so that a scan can still end in
	// good order; by default the signal would end the process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], osfile.Stdin, osfile.Stdout, osfile.Stderr))
}

// An app is one invocation of the program with its streams.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	screen terminal // of stdout
	ui     *ui
	args   []string // the whole command line, for the metadata
}

// A command is a subcommand of a2scan.
type command struct {
	name     string
	synopsis string   // the arguments, in the usage line
	short    string   // one line, for the list of commands
	long     string   // paragraphs, for the command's own help
	examples []string // command lines

	// new registers the command's flags and returns its body, which runs after they are
	// parsed. args are the words that are not flags.
	new func(fs *flagSet) func(a *app, args []string) error
}

// run runs the command of args and returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, screen: terminalOf(stdout), ui: newUI(stderr), args: args}
	err := a.dispatch(args)
	var stop *interrupted
	var wrong *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &stop):
		return stop.status()
	case errors.Is(err, syscall.EPIPE):
		return exitFail // the reader of our output closed it: no message is needed
	case errors.As(err, &wrong):
		a.ui.error(err)
		return exitUsage
	}
	a.ui.error(err)
	return exitFail
}

func (a *app) dispatch(args []string) error {
	if len(args) == 0 {
		return withHint(usagef("no command"), "run a2scan help, or start with: a2scan demo")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "--help":
		name = "help"
	case "-V", "--version":
		name = "version"
	case completeCommand:
		return a.complete(rest)
	}
	cmd, err := find(name)
	if err != nil {
		return err
	}
	fs := newFlagSet(cmd.name)
	body := cmd.new(fs)
	if err := fs.parse(rest); errors.Is(err, pflag.ErrHelp) {
		return a.printHelp(cmd)
	} else if err != nil {
		return err
	}
	a.setColor(fs)
	if i := slices.Index(fs.Args(), ""); i >= 0 {
		return usagef("argument %d: %w", i+1, errEmpty)
	}
	return body(a, fs.Args())
}

// commands returns all commands in the order of the overview.
func commands() []*command {
	return []*command{
		demoCommand(), scanCommand(), watchCommand(), queryCommand(), steamCommand(), masterCommand(), reportCommand(), diffCommand(), convertCommand(), decodeCommand(), schemaCommand(), farmCommand(),
		benchCommand(), versionCommand(), completionCommand(), manCommand(), helpCommand(),
	}
}

func lookup(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// find returns the command of that name. Its error suggests the nearest one.
func find(name string) (*command, error) {
	if cmd := lookup(name); cmd != nil {
		return cmd, nil
	}
	err := usagef("unknown command: %s", clean(name))
	if near := nearest(name, commandNames()); near != "" {
		return nil, withHint(err, "did you mean a2scan %s?", near)
	}
	return nil, withHint(err, "run a2scan help for the list")
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// A usageError is wrong usage: exit status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// A hintedError is an error with a next step for its reader.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

func withHint(err error, format string, args ...any) error {
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// interrupted is the orderly end of a command after a signal.
type interrupted struct{ signal syscall.Signal }

func (e *interrupted) Error() string { return e.signal.String() }
func (e *interrupted) status() int   { return 128 + int(e.signal) }
