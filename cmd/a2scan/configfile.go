package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// applyConfig sets flags from "name = value" lines; the names have no dashes. Flags that
// the command line has set keep their value, except that exclusions always add up. Blank
// lines and lines that begin with '#' or ';' are skipped. The error joins one error per
// bad line, each with file and line number.
func (fs *flagSet) applyConfig(file string, r io.Reader) error {
	fs.pass++
	first := map[string]int{} // name → the line that set it

	var errs []error
	var hint string
	lines := bufio.NewScanner(r)
	n := 0
	bad := func(err error) {
		var hinted *hintedError
		if errors.As(err, &hinted) && hint == "" {
			hint = hinted.hint
		}
		errs = append(errs, fmt.Errorf("%s:%d: %w", clean(file), n, err))
	}
	for lines.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\uFEFF"))
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok:
			bad(withHint(fmt.Errorf("%s is not NAME = VALUE", quote(line)), "write one flag per line, such as: rate = 5000"))
		case fs.Lookup(name) == nil:
			bad(fs.unknown(fmt.Errorf("unknown flag: %s", clean(name)), name))
		case name == "config":
			bad(errors.New("a config file cannot name another"))
		case first[name] != 0 && !fs.addsUp(name):
			bad(fmt.Errorf("%s is already set on line %d", name, first[name]))
		default:
			first[name] = n
			if fs.typed[name] && !excludes[name] {
				continue
			}
			if err := fs.Set(name, value); err != nil {
				bad(fs.explain(err))
			}
		}
	}
	if err := lines.Err(); err != nil {
		n++
		bad(err)
	}
	if len(errs) == 0 {
		return nil
	}
	err := errors.Join(errs...)
	if hint != "" {
		err = withHint(err, "%s", hint)
	}
	return &usageError{err}
}

// excludes are the flags whose values in config files count in addition to those of the
// command line: an address that is excluded anywhere is never contacted.
var excludes = map[string]bool{"blocklist-file": true, "exclude": true}

// addsUp reports whether the flag of that name may be given more than once.
func (fs *flagSet) addsUp(name string) bool {
	v, ok := fs.Lookup(name).Value.(interface{ addsUp() bool })
	return ok && v.addsUp()
}

// applyConfigs applies config files in their order: a later one wins over an earlier one.
func (fs *flagSet) applyConfigs(names []string) error {
	for _, name := range names {
		if err := fs.readConfig(name); err != nil {
			return err
		}
	}
	return nil
}

func (fs *flagSet) readConfig(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return &usageError{fmt.Errorf("cannot read the config file: %w", err)}
	}
	defer f.Close()
	return fs.applyConfig(name, f)
}
