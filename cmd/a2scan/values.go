package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A flagValue is a flag of any type, made from a pair of functions. Unlike
// pflag's own types it says in words what is wrong with a value.
type flagValue[T any] struct {
	p      *T
	name   string // of the value, in help
	parse  func(string) (T, error)
	format func(T) string
}

func (v *flagValue[T]) String() string {
	if v.p == nil {
		return ""
	}
	return v.format(*v.p)
}

func (v *flagValue[T]) Set(s string) error {
	x, err := v.parse(s)
	if err == nil {
		*v.p = x
	}
	return err
}

// Type returns what help calls the value.
func (v *flagValue[T]) Type() string { return v.name }

// add registers a flag that sets *p, whose present value is the default. value
// is what help calls its value, such as FILE.
func add[T any](fs *flagSet, p *T, name, short, value, usage string, parse func(string) (T, error), format func(T) string) {
	fs.VarP(&flagValue[T]{p, value, parse, format}, name, short, usage)
}

func (fs *flagSet) duration(p *time.Duration, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseDuration, formatDuration)
}

func (fs *flagSet) count(p *int, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseCount[int](math.MaxInt32), strconv.Itoa)
}

func (fs *flagSet) count64(p *uint64, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseCount[uint64](math.MaxInt64), func(n uint64) string { return strconv.FormatUint(n, 10) })
}

func (fs *flagSet) number(p *float64, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, parseNumber, formatNumber)
}

// bits is a number of bits a second; the suffixes are powers of 1000.
func (fs *flagSet) bits(p *float64, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, func(s string) (float64, error) { return parseSuffixed(s, 1000) }, formatNumber)
}

// size is a number of bytes; the suffixes are powers of 1024.
func (fs *flagSet) size(p *int, name, short, value, usage string) {
	parse := func(s string) (int, error) {
		n, err := parseSuffixed(s, 1024)
		if err == nil && n > math.MaxInt32 {
			err = errors.New("too large; the most is 1G")
		}
		return int(n), err
	}
	add(fs, p, name, short, value, usage, parse, formatSize)
}

// once registers a text flag that may be given once: of two files that only one of
// would be read the other must not be forgotten in silence.
func (fs *flagSet) once(p *string, name, short, value, usage, instead string) {
	set := false
	add(fs, p, name, short, value, usage, func(s string) (string, error) {
		if set {
			return "", withHint(errors.New("it is given twice"), "%s", instead)
		}
		set = true
		return s, nil
	}, func(s string) string { return s })
}

// more registers a text flag of words with commas between them, to which each
// further time it is given adds.
func (fs *flagSet) more(p *string, name, short, value, usage string) {
	add(fs, p, name, short, value, usage, func(s string) (string, error) {
		if *p == "" || s == "" {
			return *p + s, nil
		}
		return *p + "," + s, nil
	}, func(s string) string { return s })
}

func (fs *flagSet) text(p *string, name, short, value, usage string) {
	same := func(s string) (string, error) { return s, nil }
	add(fs, p, name, short, value, usage, same, func(s string) string { return s })
}

func (fs *flagSet) toggle(p *bool, name, short, usage string) {
	fs.BoolVarP(p, name, short, *p, usage)
}

// choice is one of a few words.
func (fs *flagSet) choice(p *string, name, short, value, usage string, choices ...string) {
	parse := func(s string) (string, error) {
		for _, c := range choices {
			if s == c {
				return s, nil
			}
		}
		return "", fmt.Errorf("not one of %s", strings.Join(choices, ", "))
	}
	add(fs, p, name, short, value, usage, parse, func(s string) string { return s })
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

// formatDuration is Duration.String without the zeros that it ends with: 1m, not 1m0s.
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
			return 0, fmt.Errorf("too large; the most is %d", most)
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
	if err != nil || n < 0 {
		return 0, withHint(errors.New("not a size"), "write a number, with K, M or G behind it if you like")
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

// parseList reads comma-separated words and calls each for every one of them.
// The error of an unknown word names those that there are.
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
