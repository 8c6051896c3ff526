package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// applyConfig sets flags from "name = value" lines, the names without their
// dashes. Flags that the command line has set keep their value; what is not to be asked
// is added up, in the file too. Blank lines and
// those that begin with '#' or ';' are passed over. The error joins one for
// every bad line, each with file and number.
func (fs *flagSet) applyConfig(file string, r io.Reader) error {
	fixed := map[string]bool{}
	fs.Visit(func(f *pflag.Flag) { fixed[f.Name] = true })
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
			bad(withHint(fmt.Errorf("%s is not NAME = VALUE", quote(line)), "one flag a line, such as: rate = 5000"))
		case fs.Lookup(name) == nil:
			bad(fs.unknown(fmt.Errorf("unknown flag: %s", clean(name)), name))
		case name == "config":
			bad(errors.New("a config file cannot name another"))
		case first[name] != 0 && !addsUp[name]:
			bad(fmt.Errorf("%s is set on line %d already", name, first[name]))
		default:
			first[name] = n
			if fixed[name] && !spares[name] {
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

// addsUp are the flags of which a file may have several lines, and spares those of
// them that hold beside the command line's: nobody who was left out once is asked
// because somebody else was left out too.
var (
	addsUp = map[string]bool{"blocklist-file": true, "allowlist-file": true, "exclude": true}
	spares = map[string]bool{"blocklist-file": true, "exclude": true}
)

// readConfig applies the config file of that name; none for an empty name.
func (fs *flagSet) readConfig(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("cannot read the config file: %w", err)
	}
	defer f.Close()
	return fs.applyConfig(name, f)
}
