package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// A flagSet is the flags of one command, in groups for its help.
type flagSet struct {
	*pflag.FlagSet
	groups []flagGroup
}

type flagGroup struct {
	title string
	names []string
}

func newFlagSet(command string) *flagSet {
	fs := &flagSet{FlagSet: pflag.NewFlagSet(command, pflag.ContinueOnError)}
	fs.SortFlags = false
	fs.Usage = func() {}
	return fs
}

// group registers flags under a title of the command's help. All flags are in
// some group.
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

// parse parses the words after the command's name. Its errors are usageErrors,
// with a hint where one is known, or pflag.ErrHelp.
func (fs *flagSet) parse(args []string) error {
	err := fs.Parse(args)
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return fs.explain(err)
}

// explain turns an error of pflag into one in our words.
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
		cause := invalid.Unwrap()
		if invalid.GetFlag().Value.Type() == "bool" {
			cause = errors.New("not true or false")
		}
		return &usageError{valueError(invalid.GetFlag().Name, invalid.GetValue(), cause)}
	case errors.As(err, &missing):
		return withHint(usagef("--%s needs a value", missing.GetFlag().Name), "%s", usageLine(missing.GetFlag()))
	}
	return &usageError{errors.New(clean(err.Error()))}
}

// unknown adds to err the flag that was most likely meant by name.
func (fs *flagSet) unknown(err error, name string) error {
	if near := nearest(name, fs.names()); near != "" {
		return withHint(err, "did you mean --%s?", near)
	}
	return withHint(err, "run a2scan %s --help for the list", fs.Name())
}

// valueError says what is wrong with a flag's value. It keeps the hint of err.
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

// quote returns foreign text in quotation marks, short enough for a line.
func quote(s string) string { return `"` + truncate(clean(s), 60) + `"` }

// usageLine returns a flag's names and what its value is, as help shows them.
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
