// Command a2scan asks game servers what they are: the information, players and
// rules that Valve's server queries give, of one server or of millions.
//
// Each command stands in a file of its own. All of them keep the same manners:
// data goes to standard output and nothing else does; status, metadata and
// complaints go to standard error (see ui.go); the exit status is one of those below.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit statuses. An interrupted scan returns 128 and the signal's number, as a
// shell does.
const (
	exitOK    = 0
	exitFail  = 1 // it could not go on
	exitUsage = 2 // it was not called right, and has done nothing
)

func main() {
	// A closed standard output is to reach us as an error, so that the scan can
	// still be wound up; by default the signal would end the process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// An app is one invocation of the program: where it reads and writes.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	ui     *ui
	args   []string // all of them, for the metadata
}

// A command is one of the words after a2scan.
type command struct {
	name     string
	synopsis string   // what follows the name in its usage line
	short    string   // one line, for the list of commands
	long     string   // paragraphs, for its own help
	examples []string // command lines, each with its comment before it

	// new registers the command's flags and returns what runs once they are
	// parsed. args are the words that are not flags.
	new func(fs *flagSet) func(a *app, args []string) error
}

// run is the program less the process: it returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, ui: newUI(stderr), args: args}
	err := a.dispatch(args)
	var stop *interrupted
	var wrong *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &stop):
		return stop.status()
	case errors.Is(err, syscall.EPIPE):
		return exitFail // whoever read our output has gone, and knows
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
	case "--version":
		name = "version"
	}
	cmd := lookup(name)
	if cmd == nil {
		err := usagef("unknown command: %s", clean(name))
		if near := nearest(name, commandNames()); near != "" {
			return withHint(err, "did you mean a2scan %s?", near)
		}
		return withHint(err, "run a2scan help for the list")
	}
	fs := newFlagSet(cmd.name)
	body := cmd.new(fs)
	if err := fs.parse(rest); errors.Is(err, pflag.ErrHelp) {
		return a.printHelp(cmd)
	} else if err != nil {
		return err
	}
	return body(a, fs.Args())
}

// commands returns all of them, in the order in which help lists them.
func commands() []*command {
	return []*command{
		demoCommand(), scanCommand(), queryCommand(), decodeCommand(), farmCommand(),
		benchCommand(), versionCommand(), helpCommand(),
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

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// A usageError is a mistake in how the program was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// A hintedError knows what its reader can do next.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

func withHint(err error, format string, args ...any) error {
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// interrupted is the end of a command by a signal, after which everything was
// wound up.
type interrupted struct{ signal syscall.Signal }

func (e *interrupted) Error() string { return e.signal.String() }
func (e *interrupted) status() int   { return 128 + int(e.signal) }
