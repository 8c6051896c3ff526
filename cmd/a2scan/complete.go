package main

import (
	"bufio"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// A completion script of a shell runs "a2scan __complete WORD…" with the words up to the
// cursor; the last may be empty. The answer is one candidate per line, with a tab and a
// description behind it, or the line :files for names of files.
const (
	completeCommand = "__complete"
	completeFiles   = ":files"
)

// complete writes the candidates for the last of words.
func (a *app) complete(words []string) error {
	w := bufio.NewWriter(a.stdout)
	for _, line := range candidates(words) {
		if _, err := w.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	return w.Flush()
}

// candidates returns the lines for the last of words.
func candidates(words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	words = joinEquals(words)
	last := words[len(words)-1]
	if len(words) == 1 {
		var all []string
		for _, c := range commands() {
			all = append(all, c.name+"\t"+c.short)
		}
		return startingWith(all, last)
	}
	cmd := lookup(words[0])
	if cmd == nil {
		return nil
	}
	fs := newFlagSet(cmd.name)
	cmd.new(fs)
	if name, value, ok := strings.Cut(last, "="); ok && strings.HasPrefix(name, "--") {
		var full []string
		for _, line := range fs.completeValue(fs.Lookup(name[2:]), value) {
			if line == completeFiles {
				return []string{completeFiles}
			}
			full = append(full, name+"="+line)
		}
		return full
	}
	if f := fs.awaitsValue(words[len(words)-2]); f != nil {
		return fs.completeValue(f, last)
	}
	if strings.HasPrefix(last, "-") {
		all := []string{"--help\texplain the command"}
		fs.VisitAll(func(f *pflag.Flag) {
			_, text := pflag.UnquoteUsage(f)
			all = append(all, "--"+f.Name+"\t"+text)
		})
		slices.Sort(all)
		return startingWith(all, last)
	}
	switch cmd.name {
	case "help", "man":
		return startingWith(commandNames(), last)
	case "completion":
		return startingWith(shellNames(), last)
	}
	if strings.Contains(cmd.synopsis, "FILE") || strings.Contains(cmd.synopsis, "OLD") {
		return []string{completeFiles}
	}
	return nil
}

// joinEquals puts together what bash splits at an equals sign: --query = info.
func joinEquals(words []string) []string {
	var joined []string
	for i := 0; i < len(words); i++ {
		if words[i] == "=" && len(joined) > 0 {
			value := ""
			if i+1 < len(words) {
				value = words[i+1]
			}
			joined[len(joined)-1] += "=" + value
			i++
			continue
		}
		joined = append(joined, words[i])
	}
	return joined
}

func startingWith(lines []string, prefix string) []string {
	var kept []string
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			kept = append(kept, l)
		}
	}
	return kept
}

// awaitsValue returns the flag whose value comes after word, or nil.
func (fs *flagSet) awaitsValue(word string) *pflag.Flag {
	var f *pflag.Flag
	switch {
	case strings.HasPrefix(word, "--") && !strings.Contains(word, "="):
		f = fs.Lookup(word[2:])
	case len(word) >= 2 && word[0] == '-' && word[1] != '-':
		f = fs.ShorthandLookup(word[len(word)-1:])
	}
	if f == nil || f.NoOptDefVal != "" {
		return nil
	}
	return f
}

// completeValue returns candidates for the value of a flag.
func (fs *flagSet) completeValue(f *pflag.Flag, value string) []string {
	if f == nil {
		return nil
	}
	if words := fs.choices[f.Name]; words != nil {
		before := ""
		if v, ok := f.Value.(interface{ addsUp() bool }); ok && v.addsUp() {
			if i := strings.LastIndexByte(value, ','); i >= 0 {
				before, value = value[:i+1], value[i+1:]
			}
		}
		var all []string
		for _, w := range startingWith(words, value) {
			all = append(all, before+w)
		}
		return all
	}
	switch kind, _ := pflag.UnquoteUsage(f); kind {
	case "FILE", "FOLDER":
		return []string{completeFiles}
	}
	return nil
}
