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
		short: "measure speed and accuracy on this machine",
		long: `Starts simulated servers on loopback and measures, in turn, a scan of them and a bare socket that exchanges
		the same datagrams and does nothing else. The report has the scan's speed, its share of the bare socket's
		speed, its cost, and whether every server was found and every value is right. Nothing leaves this machine.

		The usual size takes about ten minutes, --quick less than one, --full most of an hour. Close other programs
		first; the report shows how much CPU time they took. With --query, --targets, --max-in-flight or a share, one
		workload with these values is measured instead of the usual ones.

		Bench is made for Linux, which answers for all of 127.0.0.0/8. Elsewhere there is one server per port.`,
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
					return withHint(usagef("bench takes no targets"), "it queries simulated servers on loopback only; for others: a2scan scan TARGET…")
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

// ownFlags select one workload of the user's, in addition to the shares.
var ownFlags = []string{"query", "targets", "max-in-flight", "delay"}

func (o *benchOptions) register(fs *flagSet) {
	fs.group("Size", func() {
		fs.toggle(&o.quick, "quick", "", "take less than a minute: shows that it works, not how fast")
		fs.toggle(&o.full, "full", "", "measure everything, up to ten million targets")
		fs.count(&o.pairs, "pairs", "", "N", "rounds of one bare-socket run and one scan each")
		fs.count(&o.largest, "largest", "", "N", "last size of the series of growing target counts (default by size: 10,000 to 10,000,000)")
		add(fs, &o.only, "only", "", "LIST", "measure only rows whose name begins with one of these, or groups: throughput, scale, rate, memory", parseWords, joinWords)
	})
	fs.group("One workload of your own", func() {
		registerKinds(fs, &o.kinds)
		fs.count(&o.targets, "targets", "", "N", "number of servers")
		fs.count(&o.maxInFlight, "max-in-flight", "c", "N", "targets in flight at once")
	})
	fs.group("Report", func() {
		fs.text(&o.jsonFile, "json", "", "FILE", "write the figures of every run as JSON; - replaces the tables")
		fs.text(&o.svgDir, "svg", "", "FOLDER", "write charts to this folder")
		fs.text(&o.markdownFile, "markdown", "", "FILE", "write the tables, with the charts of --svg; a document with marks for them is updated")
		fs.text(&o.from, "from", "", "FILE", "measure nothing; read an earlier --json file")
	})
	o.farm.register(fs)
	fs.group("General", func() {
		fs.text(&o.dir, "dir", "", "FOLDER", "folder for temporary records (default the system's)")
		registerVerbosity(fs)
	})
}

func parseWords(s string) ([]string, error) {
	var words []string
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w == "" {
			return nil, errors.New("the list has an empty word")
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
		return fmt.Errorf("%s; see the report", plural(uint64(len(report.Problems)), "check failed", "checks failed"))
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
