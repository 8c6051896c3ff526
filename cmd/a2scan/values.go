package main

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/scanner/targets"
)

// A flagValue is a flag of any type, made from functions. Unlike pflag's own types it
// explains in words why a value is wrong, and it knows whether it may be given again.
type flagValue[T any] struct {
	fs     *flagSet
	p      *T
	name   string // of the value, in help
	parse  func(string) (T, error)
	format func(T) string
	join   func(have, more T) T // adds a further value; nil: the flag takes one value
	pass   int                  // the pass that set the flag; 0: none
}

// errEmpty refuses an empty value, which is usually a shell variable that is not set.
var errEmpty = errors.New("the value is empty")

func (v *flagValue[T]) String() string {
	if v.p == nil {
		return ""
	}
	return v.format(*v.p)
}

// Set parses s. The first value replaces the default; further ones are added if the flag
// takes a list, and are refused within one pass if it does not.
func (v *flagValue[T]) Set(s string) error {
	if v.join == nil && v.pass != 0 && v.pass == v.fs.pass {
		return fmt.Errorf("the flag is given twice; the first value is %s", quote(v.String()))
	}
	x, err := v.parse(s)
	if err != nil {
		return err
	}
	if v.join != nil && v.pass != 0 {
		x = v.join(*v.p, x)
	}
	*v.p, v.pass = x, v.fs.pass
	return nil
}

// Type returns the name of the value in help.
func (v *flagValue[T]) Type() string { return v.name }

// addsUp reports whether the flag may be given more than once.
func (v *flagValue[T]) addsUp() bool { return v.join != nil }

// add registers a flag that sets *p, whose present value is the default. value
// is the name of its value in help, such as FILE.
func add[T any](fs *flagSet, p *T, name, short, value, usage string, parse func(string) (T, error), format func(T) string) {
	addMore(fs, p, name, short, value, usage, parse, format, nil)
}

// addMore is add for a flag that may be given more than once: join adds a further value
// to those before.
func addMore[T any](fs *flagSet, p *T, name, short, value, usage string, parse func(string) (T, error), format func(T) string, join func(have, more T) T) {
	fs.VarP(&flagValue[T]{fs: fs, p: p, name: value, parse: parse, format: format, join: join}, name, short, usage)
}

func (fs *flagSet) duration(p *time.Duration, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseDuration, formatDuration)
}

// onePort returns the set of one port.
func onePort(port uint16) targets.Ports {
	p, err := parseWord[targets.Ports](strconv.Itoa(int(port)))
	if err != nil {
		panic(err)
	}
	return p
}

// parseWord parses a value that reads itself.
func parseWord[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](s string) (v T, err error) {
	err = P(&v).UnmarshalText([]byte(s))
	return v, err
}

func (fs *flagSet) count(p *int, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseCount[int](math.MaxInt32), strconv.Itoa)
}

func (fs *flagSet) count64(p *uint64, name, short, value, usage string) {
	fs.bounded(p, name, short, value, usage, math.MaxInt64)
}

// seed is a number that a JSON reader with 64-bit floats reads exactly.
func (fs *flagSet) seed(p *uint64, name, short, value, usage string) {
	fs.bounded(p, name, short, value, usage, 1<<53-1)
}

func (fs *flagSet) bounded(p *uint64, name, short, value, usage string, most uint64) {
	add(fs, p, name, short, value, usage, parseCount[uint64](most), func(n uint64) string { return strconv.FormatUint(n, 10) })
}

func (fs *flagSet) number(p *float64, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseNumber, formatNumber)
}

// rate is a number of packets or bits per second; the suffixes are powers of 1000.
func (fs *flagSet) rate(p *float64, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, func(s string) (float64, error) { return parseSuffixed(s, 1000) }, formatNumber)
}

// size is a number of bytes; the suffixes are powers of 1024.
func (fs *flagSet) size(p *int, name, short, value, usage string) {
	parse := func(s string) (int, error) {
		n, err := parseSuffixed(s, 1024)
		switch {
		case err != nil:
		case n < 0:
			err = errors.New("negative")
		case n > math.MaxInt32:
			err = errors.New("too large; the most is 1G")
		}
		return int(n), err
	}
	add(fs, p, name, short, value, usage, parse, formatSize)
}

// text registers a flag whose value is any text but the empty one.
func (fs *flagSet) text(p *string, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseText, sameText)
}

// words registers a flag of words with commas between them. Each further value adds to
// the words.
func (fs *flagSet) words(p *string, name, short, value, usage string) {
	addMore(fs, p, name, short, value, usage, parseText, sameText, func(have, more string) string { return have + "," + more })
}

// list registers a flag that may be given more than once, with one text each time.
func (fs *flagSet) list(p *[]string, name, short, value, usage string) {
	parse := func(s string) ([]string, error) {
		_, err := parseText(s)
		return []string{s}, err
	}
	format := func(l []string) string { return strings.Join(l, ",") }
	addMore(fs, p, name, short, value, usage+"; may be repeated", parse, format, func(have, more []string) []string { return slices.Concat(have, more) })
}

func parseText(s string) (string, error) {
	if s == "" {
		return "", errEmpty
	}
	return s, nil
}

func sameText(s string) string { return s }

// ports registers a flag of ports and port ranges, which add up.
func (fs *flagSet) ports(p *targets.Ports, name, short, usage string) {
	join := func(have, more targets.Ports) targets.Ports {
		all, err := parseWord[targets.Ports](have.String() + "," + more.String())
		if err != nil {
			return more // two lists of ports are one: this cannot be
		}
		return all
	}
	addMore(fs, p, name, short, "LIST", usage, parseWord[targets.Ports], targets.Ports.String, join)
}

// A toggle is a flag that needs no value. It may be given again, but not with the
// opposite value.
type toggle struct {
	fs   *flagSet
	p    *bool
	pass int // the pass that set the flag; 0: none
}

func (t *toggle) String() string   { return strconv.FormatBool(t.p != nil && *t.p) }
func (t *toggle) Type() string     { return "bool" }
func (t *toggle) IsBoolFlag() bool { return true }

func (t *toggle) Set(s string) error {
	b, err := strconv.ParseBool(s)
	switch {
	case err != nil:
		return errors.New("not true or false")
	case t.pass != 0 && t.pass == t.fs.pass && b != *t.p:
		return fmt.Errorf("the flag is given twice; the first value is %q", t.String())
	}
	*t.p, t.pass = b, t.fs.pass
	return nil
}

func (fs *flagSet) toggle(p *bool, name, short, usage string) {
	fs.VarPF(&toggle{fs: fs, p: p}, name, short, usage).NoOptDefVal = "true"
}

// choice is one of a few words.
func (fs *flagSet) choice(p *string, name, short, value, usage string, choices ...string) {
	parse := func(s string) (string, error) {
		if !slices.Contains(choices, s) {
			return "", fmt.Errorf("not one of %s", strings.Join(choices, ", "))
		}
		return s, nil
	}
	add(fs, p, name, short, value, usage, parse, sameText)
	fs.choices[name] = choices
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, withHint(errors.New("a duration without its unit"), "write %ss or %sms", s, s)
	}
	return 0, withHint(errors.New("not a duration"), "write 500ms, 2s, 1m30s or 12h")
}

// formatDuration is Duration.String without trailing zeros: 1m, not 1m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func parseCount[T int | uint64](most uint64) func(string) (T, error) {
	return func(s string) (T, error) {
		n, err := strconv.ParseUint(s, 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && n > most:
			return 0, fmt.Errorf("too large; the most is %s", thousands(most))
		case err != nil:
			return 0, errors.New("not a whole number")
		}
		return T(n), nil
	}
}

func parseNumber(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errors.New("not a number")
	}
	return n, nil
}

func formatNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// parseSuffixed reads a number with an optional K, M or G, powers of base.
func parseSuffixed(s string, base float64) (float64, error) {
	digits, factor := s, 1.0
	if s != "" {
		digits = s[:len(s)-1]
		switch s[len(s)-1] {
		case 'k', 'K':
			factor = base
		case 'm', 'M':
			factor = base * base
		case 'g', 'G':
			factor = base * base * base
		default:
			digits = s
		}
	}
	n, err := parseNumber(digits)
	if err != nil {
		return 0, withHint(errors.New("not a number"), "write a number such as 500, 10k, 1.5M or 2G")
	}
	if n *= factor; math.IsInf(n, 0) {
		return 0, errors.New("too large")
	}
	return n, nil
}

func formatSize(n int) string {
	switch {
	case n > 0 && n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + "M"
	case n > 0 && n%(1<<10) == 0:
		return strconv.Itoa(n>>10) + "K"
	}
	return strconv.Itoa(n)
}

// parseList calls each with the index of every comma-separated word of s in known.
// The error of an unknown word lists the known ones.
func parseList(s string, known []string, each func(i int)) error {
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		found := false
		for i, k := range known {
			if word == k {
				each(i)
				found = true
			}
		}
		if !found {
			return fmt.Errorf("%s is not one of %s", quote(word), strings.Join(known, ", "))
		}
	}
	return nil
}
