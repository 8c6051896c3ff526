package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	names := []string{"raw", "target-ports", "rate", "retries", "max-in-flight", "max-results", "max-runtime", "timeout", "target-timeout", "per-ip-rate"}
	for word, want := range map[string]string{
		"rat":          "rate",
		"rtae":         "rate",
		"retrys":       "retries",
		"tiemout":      "timeout",
		"max-inflight": "max-in-flight",
		"max-run":      "max-runtime",
		"RATE":         "rate",
		"ports":        "target-ports",
		"results":      "max-results",
		"port":         "target-ports",
		"cessive":      "",
		"pineapple":    "",
		"x":            "",
		"":             "",
	} {
		require.Equal(t, want, nearest(word, names), word)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"rate", "rate", 0}, {"rtae", "rate", 1}, {"kitten", "sitting", 3}} {
		require.Equal(t, c.want, distance(c.a, c.b), "%s %s", c.a, c.b)
		require.Equal(t, c.want, distance(c.b, c.a), "%s %s", c.b, c.a)
	}
}
