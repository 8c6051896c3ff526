package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// A flagSet holds the flags of one command, in groups for its help.
//
// Flags are set in passes: the command line is the first, then each config file is one.
// Within a pass a flag with a single value is set once.
type flagSet struct {
	*pflag.FlagSet
	groups []flagGroup

	pass  int             // counts the passes; 0: none has begun
	typed map[string]bool // flags that the command line has set

	choices map[string][]string // the words that a flag accepts, for completion
}

type flagGroup struct {
	title string
	names []string
}

func newFlagSet(command string) *flagSet {
	fs := &flagSet{FlagSet: pflag.NewFlagSet(command, pflag.ContinueOnError), choices: map[string][]string{}}
	fs.SortFlags = false
	fs.Usage = func() {}
	return fs
}

// group registers flags under a title of the command's help. Every flag is in a
// group.
func (fs *flagSet) group(title string, register func()) {
	known := fs.names()
	register()
	g := flagGroup{title: title}
	fs.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(known, f.Name) {
			g.names = append(g.names, f.Name)
		}
	})
	fs.groups = append(fs.groups, g)
}

func (fs *flagSet) names() []string {
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// parse parses the words after the command's name. Its error is a usageError, with a
// hint if there is one, or pflag.ErrHelp.
func (fs *flagSet) parse(args []string) error {
	fs.pass++
	fs.typed = map[string]bool{}
	err := fs.Parse(args)
	fs.Visit(func(f *pflag.Flag) { fs.typed[f.Name] = true })
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return fs.explain(err)
}

// explain turns an error of pflag into a usageError.
func (fs *flagSet) explain(err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		if letters := unknown.GetSpecifiedShortnames(); letters != "" {
			return withHint(usagef("unknown flag: -%s", clean(unknown.GetSpecifiedName())), "run a2scan %s --help for the list", fs.Name())
		}
		return fs.unknown(usagef("unknown flag: --%s", clean(unknown.GetSpecifiedName())), unknown.GetSpecifiedName())
	case errors.As(err, &invalid):
		return &usageError{valueError(invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())}
	case errors.As(err, &missing):
		return withHint(usagef("--%s needs a value", missing.GetFlag().Name), "%s", usageLine(missing.GetFlag()))
	}
	return &usageError{errors.New(clean(err.Error()))}
}

// unknown adds the flag that is most like name to err.
func (fs *flagSet) unknown(err error, name string) error {
	if near := nearest(name, fs.names()); near != "" {
		return withHint(err, "did you mean --%s?", near)
	}
	return withHint(err, "run a2scan %s --help for the list", fs.Name())
}

// valueError returns err with the flag and the value that it is about. It keeps the hint of err.
func valueError(flag, value string, err error) error {
	var hinted *hintedError
	e := &flagError{flag: flag, value: value, err: err}
	if errors.As(err, &hinted) {
		return &hintedError{e, hinted.hint}
	}
	return e
}

type flagError struct {
	flag, value string
	err         error
}

func (e *flagError) Error() string {
	return "--" + e.flag + " " + quote(e.value) + ": " + e.err.Error()
}

func (e *flagError) Unwrap() error { return e.err }

// quote returns foreign text in quotation marks, cut to 60 characters.
func quote(s string) string { return `"` + truncate(clean(s), 60) + `"` }

// usageLine returns a flag's names and the name of its value, as help shows them.
func usageLine(f *pflag.Flag) string {
	value, _ := pflag.UnquoteUsage(f)
	var b strings.Builder
	if f.Shorthand != "" {
		b.WriteString("-" + f.Shorthand + ", ")
	}
	b.WriteString("--" + f.Name)
	if value != "" {
		b.WriteString(" " + value)
	}
	return b.String()
}
