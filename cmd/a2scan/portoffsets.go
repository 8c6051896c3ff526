package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// registerOffsets registers --port-offsets.
func (o *askOptions) registerOffsets(fs *flagSet) {
	addMore(fs, &o.cfg.PortOffsets, "port-offsets", "", "LIST", "try further ports of a host whose port is silent or closed, such as +1,+15; the first that answers is recorded", parseOffsets, formatOffsets, uniteOffsets)
}

// parseOffsets parses a list of numbers with signs.
func parseOffsets(s string) ([]int, error) {
	var list []int
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		n, err := strconv.Atoi(word)
		switch {
		case word == "":
			return nil, errEmpty
		case err == nil && word[0] != '+' && word[0] != '-':
			return nil, withHint(fmt.Errorf("%s has no sign", quote(word)), "+%d is the port that many further; -%d the one before", n, n)
		case err != nil:
			return nil, errors.New("not a list of offsets such as +1,+15")
		}
		list = uniteOffsets(list, []int{n})
	}
	return list, nil
}

func formatOffsets(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = fmt.Sprintf("%+d", n)
	}
	return strings.Join(words, ",")
}

func uniteOffsets(have, more []int) []int {
	all := slices.Clone(have)
	for _, n := range more {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}
