package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	bench "github.com/a2scan/a2scan/bench/run"
	"github.com/a2scan/a2scan/proto"
)

func benchCommand() *command {
	return &command{
		name:  "bench",
		short: "measure this program on this machine, against the limit and the truth",
		long: `Starts simulated servers on loopback in one process, and in others, taking turns, a scan of them and a bare
		socket that exchanges the same datagrams and does nothing else. What comes out is how fast the scan is, how
		near that is to the limit, what it costs, and whether each server was found and each value is right. Nothing
		leaves this machine.

		The usual size takes some ten minutes, --quick less than one, --full the better part of an hour. Close other
		programs first; the report says how much they took. With --query, --targets, --max-in-flight or a share,
		one workload of these is measured instead of the usual ones.

		Linux answers for all of 127/8 and is where this works; elsewhere there are only as many servers as ports.`,
		examples: []string{
			"a2scan bench --quick",
			"a2scan bench --json report.json --svg figures --markdown report.md",
			"a2scan bench --only info,rate",
			"a2scan bench --query info,players,rules --challenge 80 --split 30 --loss 2 --delay 20ms:90ms",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := newBenchOptions()
			o.register(fs)
			return func(a *app, args []string) error {
				if slices.Equal(args, []string{bench.WorkerArg}) {
					return bench.Work(a.stdin, a.stdout)
				}
				if len(args) > 0 {
					return withHint(usagef("bench takes no targets"), "it asks simulated servers on loopback; a2scan scan asks others")
				}
				a.ui.setVerbosity(fs)
				return a.bench(fs, o)
			}
		},
	}
}

// benchOptions are the flags of bench.
type benchOptions struct {
	farm        *farmOptions
	quick, full bool
	pairs       int
	largest     int
	only        []string

	kinds       proto.Kinds
	targets     int
	maxInFlight int

	jsonFile, svgDir, markdownFile string
	from, dir                      string
}

const (
	usualPairs   = 5
	usualTargets = 100_000
)

func newBenchOptions() *benchOptions {
	return &benchOptions{farm: newFarmOptions(), pairs: usualPairs, kinds: proto.WantInfo, targets: usualTargets, maxInFlight: 10_000}
}

// ownFlags are those that, beside the shares, ask for one workload of the user's.
var ownFlags = []string{"query", "targets", "max-in-flight", "delay"}

func (o *benchOptions) register(fs *flagSet) {
	fs.group("How much", func() {
		fs.toggle(&o.quick, "quick", "", "in less than a minute: to see that it works; the figures are worth little")
		fs.toggle(&o.full, "full", "", "everything, up to ten million targets")
		fs.count(&o.pairs, "pairs", "", "N", "rounds in which bare socket and scan take turns")
		fs.count(&o.largest, "largest", "", "N", "where the series of more and more targets ends (default by size: 10,000 to 10,000,000)")
		add(fs, &o.only, "only", "", "LIST", "only rows whose name begins so, or that are of this group: throughput, scale, rate, memory", parseWords, joinWords)
	})
	fs.group("One workload of your own", func() {
		registerKinds(fs, &o.kinds)
		fs.count(&o.targets, "targets", "", "N", "servers")
		fs.count(&o.maxInFlight, "max-in-flight", "c", "N", "targets that the scan has open at once")
	})
	fs.group("Report", func() {
		fs.text(&o.jsonFile, "json", "", "FILE", "write all figures, of each run; - instead of the tables")
		fs.text(&o.svgDir, "svg", "", "FOLDER", "draw the figures into this folder")
		fs.text(&o.markdownFile, "markdown", "", "FILE", "write the tables, with the figures of --svg; in a document that has a place for them, there")
		fs.text(&o.from, "from", "", "FILE", "measure nothing; show what --json wrote before")
	})
	o.farm.register(fs)
	fs.group("This program", func() {
		fs.text(&o.dir, "dir", "", "FOLDER", "keep records here for a while (default the system's place for such)")
		registerVerbosity(fs)
	})
}

func parseWords(s string) ([]string, error) {
	var words []string
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w == "" {
			return nil, errors.New("an empty word in the list")
		}
		words = append(words, w)
	}
	return words, nil
}

func joinWords(words []string) string { return strings.Join(words, ",") }

// validate returns all that is wrong with the flags, joined.
func (o *benchOptions) validate() error {
	errs := []error{o.farm.validate()}
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.quick && o.full, "--quick and --full exclude each other")
	bad(o.pairs < 1 || o.pairs > 1000, "--pairs %d is out of range; use 1 to 1000", o.pairs)
	bad(o.targets < 1, "--targets %d is out of range; use 1 or more", o.targets)
	bad(o.maxInFlight < 1, "--max-in-flight %d is out of range; use 1 or more", o.maxInFlight)
	bad(o.largest != 0 && o.largest < 1000, "--largest %d is out of range; the series begins at 1000", o.largest)
	bad(o.from != "" && len(o.only) > 0, "--only chooses what is measured; with --from nothing is")
	return errors.Join(errs...)
}

// plan returns what is to be measured.
func (o *benchOptions) plan(fs *flagSet) (bench.Size, []bench.Workload, error) {
	size := bench.Moderate
	switch {
	case o.quick:
		size = bench.Quick
	case o.full:
		size = bench.Full
	}
	if slices.ContainsFunc(append(bench.ShareFlags(), ownFlags...), fs.Changed) {
		args := []string{"--max-in-flight", strconv.Itoa(o.maxInFlight)}
		w := bench.Own(o.kinds, o.farm.world.Shares, o.targets, o.pairs, args)
		return bench.Custom, []bench.Workload{w}, nil
	}
	plan := bench.Plan(size, o.pairs, o.largest)
	if len(o.only) == 0 {
		return size, plan, nil
	}
	var names []string
	for _, w := range plan {
		names = append(names, w.Name)
	}
	for _, word := range o.only {
		if !slices.ContainsFunc(plan, func(w bench.Workload) bool { return w.Matches(word) }) {
			return "", nil, withHint(usagef("--only %s: no such row", quote(word)), "the rows are %s", strings.Join(names, ", "))
		}
	}
	plan = slices.DeleteFunc(plan, func(w bench.Workload) bool { return !slices.ContainsFunc(o.only, w.Matches) })
	return size, plan, nil
}

// verified is how many records of each row are compared with the truth: it takes
// longer than to scan them. 0 is all.
var verified = map[bench.Size]int{bench.Quick: 0, bench.Moderate: 20_000, bench.Full: 100_000, bench.Custom: 20_000}

func (a *app) bench(fs *flagSet, o *benchOptions) error {
	if err := o.validate(); err != nil {
		return &usageError{err}
	}
	err := checkFiles(
		fileUse{flag: "--from", name: o.from},
		fileUse{flag: "--json", name: o.jsonFile, std: a.stdout, writes: true},
		fileUse{flag: "--markdown", name: o.markdownFile, writes: true},
	)
	if err != nil {
		return err
	}
	if o.from != "" {
		report, err := bench.ReadReport(o.from)
		if err != nil {
			return err
		}
		return a.writeReport(o, report)
	}
	size, plan, err := o.plan(fs)
	if err != nil {
		return err
	}
	if err := o.checkOutputs(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot start this program again: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := a.watchSignals(cancel, cancel)
	began := time.Now()
	report, err := bench.Measure(ctx, bench.Options{
		Program:     bench.Program{Path: self, Name: os.Args[0]},
		Size:        size,
		Plan:        plan,
		Verify:      verified[size],
		Listen:      o.farm.listen,
		Ports:       o.farm.config().Ports,
		AnyPort:     !fs.Changed("ports"),
		Seed:        o.farm.world.Seed,
		Dir:         o.dir,
		Version:     version(),
		CommandLine: commandLine(a.args),
		Progress: func(text string) {
			a.ui.progress(fmt.Sprintf("%s: %s", formatDuration(time.Since(began).Round(time.Second)), text))
		},
	})
	a.ui.endProgress()
	if stopped := w.stop(); stopped != nil {
		err = stopped
	}
	if len(report.Rows) == 0 && err != nil {
		return err
	}
	if writeErr := a.writeReport(o, report); err == nil {
		err = writeErr
	}
	if err == nil && len(report.Problems) > 0 {
		return fmt.Errorf("%s; see the report", plural(uint64(len(report.Problems)), "thing is not as it must be", "things are not as they must be"))
	}
	return err
}

// checkOutputs returns which parts of a report could not be written, before it is
// measured for minutes.
func (o *benchOptions) checkOutputs() error {
	var errs []error
	check := func(flag, name string, check func(string) error) {
		if name == "" || name == "-" && flag == "--json" {
			return
		}
		if err := check(name); err != nil {
			errs = append(errs, fmt.Errorf("cannot write %s: %w", flag, err))
		}
	}
	check("--json", o.jsonFile, checkCreate)
	check("--svg", o.svgDir, checkFolder)
	check("--markdown", o.markdownFile, func(name string) error {
		if err := checkCreate(name); err != nil {
			return err
		}
		return bench.CheckMarkdown(name)
	})
	return errors.Join(errs...)
}

// writeReport writes a report everywhere it was asked for.
func (a *app) writeReport(o *benchOptions, r *bench.Report) error {
	var errs []error
	if o.jsonFile == "-" {
		errs = append(errs, r.WriteJSON(a.stdout))
	} else {
		errs = append(errs, r.WriteText(a.stdout))
	}
	if o.jsonFile != "-" && o.jsonFile != "" {
		errs = append(errs, r.WriteJSONFile(o.jsonFile))
	}
	if o.svgDir != "" {
		errs = append(errs, r.WriteFigures(o.svgDir))
	}
	if o.markdownFile != "" {
		images := ""
		if o.svgDir != "" {
			rel, err := filepath.Rel(filepath.Dir(o.markdownFile), o.svgDir)
			if err != nil {
				rel = o.svgDir
			}
			images = filepath.ToSlash(rel)
		}
		errs = append(errs, r.WriteMarkdown(o.markdownFile, images))
	}
	return errors.Join(errs...)
}
