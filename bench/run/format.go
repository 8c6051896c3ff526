package run

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// short writes v with three significant digits and k, M or G behind it.
func short(v float64) string {
	unit := ""
	for _, u := range []string{"k", "M", "G"} {
		if math.Abs(v) < 9999.5 {
			break
		}
		v /= 1000
		unit = u
	}
	return significant(v) + unit
}

// significant writes v with three significant digits, or all of its whole part.
func significant(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a >= 99.95:
		return thousandsOf(v)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func thousandsOf(v float64) string {
	if v < 0 {
		return "−" + thousandsOf(-v)
	}
	return thousands(uint64(math.Round(v)))
}

// spread writes a median and, if there were several runs, the minimum and maximum.
func spread(s Summary, format func(float64) string) string {
	switch {
	case s.Runs == 0:
		return "–"
	case s.Runs == 1 || format(s.Min) == format(s.Max):
		return format(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", format(s.Median), format(s.Min), format(s.Max))
}

// median is spread without the spread.
func median(s Summary, format func(float64) string) string {
	s.Runs = min(s.Runs, 1)
	return spread(s, format)
}

func ratio(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// percent never rounds to 100 unless the value is 100.
func percent(share float64) string {
	if share == 1 {
		return "100 %"
	}
	if share > 1 {
		return strconv.FormatFloat(share*100, 'f', 4, 64) + " %"
	}
	for digits := 1; digits < 7; digits++ {
		if s := strconv.FormatFloat(share*100, 'f', digits, 64); !strings.HasPrefix(s, "100") {
			return s + " %"
		}
	}
	return "99.999999 %"
}

// mebibytes writes a number of bytes.
func mebibytes(v float64) string {
	if v == 0 {
		return "–"
	}
	return significant(v/(1<<20)) + " MiB"
}

// seconds writes a time.
func seconds(v float64) string {
	if math.Abs(v) < 0.9995 {
		return significant(v*1000) + " ms"
	}
	return significant(v) + " s"
}
