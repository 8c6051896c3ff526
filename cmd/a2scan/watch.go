package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

func watchCommand() *command {
	return &command{
		name:     "watch",
		synopsis: "[TARGET…]",
		short:    "ask servers again and again; print what changed, export metrics",
		long: `Asks every target once per --interval and prints an event (one JSON object per line) when a server appears,
		changes, is gone or returns, and one at the end of each round. On a terminal it shows a table instead. TARGET
		and lists are as in scan.

		Each server has its own moment in the interval, so packets leave evenly. A round that takes longer delays the
		next one; rounds never overlap.

		With --state a restart knows what was known before. With -o FILE as well, no event is written twice, even after
		a kill. SIGHUP reads the targets and block lists again.

		Metrics for Prometheus are at http://127.0.0.1:9137/metrics, and /healthz is 200 while rounds end in time.

		Without --fields a change of these is an event: ` + strings.ReplaceAll(output.Fields{}.String(), ",", ", ") + `.`,
		examples: []string{
			"a2scan watch -f servers.txt",
			"a2scan watch -f servers.txt -o events.ndjson --state watch.state --records 'records-%Y%m%d.ndjson.zst'",
			"a2scan watch --steam game=rust --refresh 10m --metrics 127.0.0.1:9137 > events.ndjson",
			"a2scan watch 192.0.2.7:27015 --interval 10s --fields map,players | jq -ac .changes",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := newWatchOptions()
			o.register(fs)
			return func(a *app, args []string) error { return a.watch(fs, o, args) }
		},
	}
}

// watchOptions are the flags of watch.
type watchOptions struct {
	scan scanOptions // its flags that watch has too

	cfg            scanner.WatchConfig
	fields         string
	records        string
	state          string
	metrics        string
	metricsServers int
}

func newWatchOptions() *watchOptions {
	return &watchOptions{
		scan:           *newScanOptions(),
		cfg:            scanner.WatchConfig{Interval: time.Minute, GoneAfter: 3},
		metrics:        "127.0.0.1:9137",
		metricsServers: 1000,
	}
}

func (o *watchOptions) register(fs *flagSet) {
	s := &o.scan
	fs.group("Rounds", func() {
		fs.duration(&o.cfg.Interval, "interval", "", "D", "ask every server once in this time")
		fs.count64(&o.cfg.Rounds, "rounds", "", "N", "end after N rounds (default: never)")
		fs.duration(&o.cfg.RefreshEvery, "refresh", "", "D", "read the targets again after this time (default: in each round)")
	})
	fs.group("Events", func() {
		fs.words(&o.fields, "fields", "", "LIST", "fields whose change is an event: keys of info, and rules.NAME")
		add(fs, &o.cfg.GoneAfter, "gone-after", "", "N", "a server is gone after N silent rounds in a row", parseCount[int](math.MaxUint16), strconv.Itoa)
	})
	fs.group("Output", func() {
		fs.text(&s.outputFile, "output-file", "o", "FILE", "write events to this file; .zst and .gz compress")
		fs.toggle(&s.json, "json", "", "write events to a terminal too, not a table")
		add(fs, &s.compress, "compress", "", "MODE", "auto (by the file name), none, zstd or gzip", parseCompression, dataset.Compression.String)
		fs.choices["compress"] = []string{"auto", "none", "zstd", "gzip"}
		fs.text(&o.records, "records", "", "FILE", "append every record to this file; %Y%m%d-%H in its name begins a new one each hour")
		fs.text(&o.state, "state", "", "FILE", "keep the state in this file and resume from it after a restart")
	})
	fs.group("Metrics", func() {
		fs.text(&o.metrics, "metrics", "", "ADDR", "serve /metrics and /healthz at this address; off = do not")
		fs.count(&o.metricsServers, "metrics-servers", "", "N", "with more servers than N export only sums per game")
	})
	fs.group("Targets", func() { s.registerTargets(fs) })
	fs.group("Targets from a list of servers", func() { s.source.register(fs) })
	fs.group("What to query", func() { s.ask.registerQueries(fs) })
	fs.group("Speed", func() { s.ask.registerSpeed(fs) })
	fs.group("Timeouts and retries", func() { s.ask.registerTimeouts(fs) })
	fs.group("Network socket", func() { s.ask.registerSocket(fs) })
	fs.group("General", func() {
		fs.list(&s.configFiles, "config", "", "FILE", "read flags from this file, one NAME = VALUE per line; the command line wins")
		registerVerbosity(fs)
	})
}

func (o *watchOptions) validate() error {
	errs := []error{o.scan.validate()}
	fields, err := parseFields(o.fields)
	errs = append(errs, err)
	o.cfg.Fields = fields
	if o.cfg.Interval <= 0 {
		errs = append(errs, errors.New("--interval must be longer than 0"))
	}
	if o.cfg.GoneAfter < 1 {
		errs = append(errs, errors.New("--gone-after 0 is out of range; use 1 or more"))
	}
	if o.records != "" {
		errs = append(errs, checkEnding("--records", o.records), checkDates(o.records))
		if o.records == "-" {
			errs = append(errs, withHint(errors.New("--records needs the name of a file"), "standard output has the events"))
		}
	}
	if o.state == "-" {
		errs = append(errs, errors.New("--state needs the name of a file"))
	}
	return errors.Join(errs...)
}

// A watchRun is one run of watch.
type watchRun struct {
	*app
	flags   *flagSet
	options *watchOptions
	args    []string // targets

	watcher *scanner.Watcher
	events  *dataset.File  // nil: none
	state   *osfile.File   // nil: none
	records *datedRecords  // nil: none
	metrics *metricsServer // nil: none
	table   *watchTable    // nil: none
	again   chan struct{}  // SIGHUP
	loud    bool           // messages about lines of lists are printed
}

func (a *app) watch(fs *flagSet, o *watchOptions, args []string) error {
	s := &o.scan
	if err := fs.applyConfigs(s.configFiles); err != nil {
		return err
	}
	a.ui.setVerbosity(fs)
	a.setColor(fs)
	if len(args) == 1 && args[0] == "-" && len(s.inputFiles) == 0 {
		s.inputFiles, args = []string{"-"}, nil
	}
	s.normalize()
	s.chooseTable(a, fs)
	if err := s.chooseShard(fs); err != nil {
		return &usageError{err}
	}
	if err := o.validate(); err != nil {
		return &usageError{err}
	}
	if err := checkFiles(append(s.files(a, args),
		fileUse{flag: "--records", name: o.records, writes: true},
		fileUse{flag: "--state", name: o.state, writes: true})...); err != nil {
		return err
	}
	if !fs.Changed("seed") {
		s.ask.cfg.Seed = randomSeed()
	}
	o.cfg.Config = s.ask.cfg
	r := &watchRun{app: a, flags: fs, options: o, args: args, again: make(chan struct{}, 1), loud: true}
	return r.run()
}

func (r *watchRun) run() (err error) {
	o := r.options
	source, err := r.openSource()
	if err != nil {
		return err
	}
	defer source.Close()
	r.loud = r.ui.verbose
	if o.scan.outputFile == "-" && r.stdout == io.Writer(osfile.Stdout) && osfile.Stdout.IsClosed() {
		return withHint(usagef("standard output is closed: the events would be lost"), "use -o FILE, or -o %s to discard them", os.DevNull)
	}
	var sink dataset.Sink = noEvents{}
	if o.scan.table {
		r.table = newWatchTable(r.app)
		r.ui.notef("asking every server once within %s; the table follows as they answer", formatDuration(o.cfg.Interval))
	} else if r.events, err = dataset.Open(o.scan.outputFile, o.scan.compress); err != nil {
		if errors.Is(err, dataset.ErrLocked) {
			err = withHint(err, "another watch writes to it: wait until it has ended, or write to another file")
		}
		return openError("events", err)
	} else {
		sink = r.events
	}
	started := false
	defer func() {
		if !started && r.events != nil {
			err = errors.Join(err, r.events.Discard())
		}
	}()
	if o.state != "" {
		if r.state, err = osfile.Open(o.state); err != nil {
			return openError("the state", err)
		}
		defer func() {
			if err != nil && !started {
				_ = r.state.Discard()
				return
			}
			err = errors.Join(err, r.state.Close())
		}()
	}
	port, err := r.openSocket(&o.scan.ask)
	if err != nil {
		return err
	}
	defer port.Close()
	o.cfg.Again = r.again
	if !source.once {
		o.cfg.Refresh = r.refresh
	}
	o.cfg.Failed = r.refreshFailed
	o.cfg.OnRecord = r.record
	o.cfg.OnRound = r.roundEnded
	if o.records == "" && o.metrics == "off" && !o.scan.table {
		o.cfg.OnRecord = nil
	}
	w, err := scanner.NewWatcher(o.cfg, port, sink)
	if err != nil {
		return &usageError{nameFlags(err)}
	}
	if err := r.resume(w); err != nil {
		return err
	}
	if err := r.openMetrics(); err != nil {
		return err
	}
	defer r.metrics.close()
	if o.records != "" {
		r.records = newDatedRecords(r, o.records)
		if err := r.records.open(time.Now()); err != nil {
			return openError("records", err)
		}
	}
	if r.events != nil {
		if err := r.events.Start(); err != nil {
			return fmt.Errorf("cannot write events: %w", err)
		}
	}
	started = true
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := r.watchSignalsAnd(r.reload, func() {
		cancel()
		r.ui.notef("stopping: waiting at most %s for the targets in flight", formatDuration(o.scan.ask.cfg.TargetTimeout))
	}, w.Abort)
	r.watcher = w
	r.metrics.publish(r.options, nil)
	err = w.Run(ctx, source)
	stopped := signals.stop()
	if r.records != nil {
		err = errors.Join(err, r.records.close(stopped == nil))
	}
	switch {
	case errors.Is(err, scanner.ErrRate):
		return withHint(&usageError{err}, "use a higher --rate or --bandwidth, or a longer --interval")
	case errors.Is(err, scanner.ErrAbandoned) && stopped != nil:
		r.ui.error(err)
		return stopped
	case err != nil:
		return err
	}
	return stopped
}

// resume gives w the state of an earlier run and the events that are newer.
func (r *watchRun) resume(w *scanner.Watcher) error {
	if r.state == nil {
		return nil
	}
	state, err := os.Open(r.state.Name())
	if err != nil {
		return fmt.Errorf("cannot read the state: %w", err)
	}
	defer state.Close()
	defer boundGarbage()
	var events func(func([]byte) error) error
	if r.events != nil && r.options.scan.outputFile != "-" {
		events = func(each func([]byte) error) error {
			err := r.events.Load(func(line []byte) (bool, error) { return true, each(line) })
			if errors.Is(err, dataset.ErrNotRegular) {
				return nil // a pipe keeps no events
			}
			if err != nil {
				return withHint(fmt.Errorf("cannot go on with the events: %w", err), "move the file away, or write to another one")
			}
			return nil
		}
	}
	if err := w.Resume(state, events); err != nil {
		return withHint(&usageError{fmt.Errorf("cannot resume from %s: %w", clean(r.options.state), err)}, "remove the file to begin anew")
	}
	return nil
}

// A targetSource is a list of targets that is read once.
type targetSource struct {
	*targets.List
	feed  *listFeed // nil: none
	close func()
	once  bool // it cannot be read again
}

// Next reports it if the list of servers could not be fetched.
func (s *targetSource) Next(ctx context.Context, dst []targets.Target) (int, error) {
	n, err := s.List.Next(ctx, dst)
	if errors.Is(err, io.EOF) && s.feed != nil {
		<-s.feed.done
		if s.feed.err != nil {
			return n, s.feed.err
		}
	}
	return n, err
}

// Close ends the reading.
func (s *targetSource) Close() error {
	if s.close != nil {
		s.close()
		s.close = nil
	}
	return nil
}

// openSource opens the list of targets.
func (r *watchRun) openSource() (*targetSource, error) {
	o := &r.options.scan
	cfg, err := r.targetConfig(o, r.args)
	if err != nil {
		return nil, err
	}
	if !r.loud {
		cfg.Log = nil
	}
	list, closeList, err := r.openList(cfg, o)
	if err != nil {
		return nil, err
	}
	s := &targetSource{List: list, close: closeList, feed: o.source.feed}
	for _, name := range o.listNames(r.args) {
		s.once = s.once || name == "-"
	}
	return s, nil
}

func (r *watchRun) refresh(context.Context) (scanner.Source, error) {
	s, err := r.openSource()
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (r *watchRun) refreshFailed(err error) {
	if errors.Is(err, scanner.ErrRate) {
		r.ui.sayf("rounds will be late: %s", clean(err.Error()))
		return
	}
	r.ui.sayf("the targets stay as they are: %s", clean(err.Error()))
}

// reload is called for SIGHUP.
func (r *watchRun) reload() {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

// record takes in a record on the writer's goroutine.
func (r *watchRun) record(rec *output.Record, line []byte) error {
	r.metrics.add(rec)
	r.table.add(rec)
	if r.records != nil {
		return r.records.write(rec, line)
	}
	return nil
}

// roundEnded is called at the end of each round.
func (r *watchRun) roundEnded(round *scanner.Round) error {
	boundGarbage() // by now the state of all servers is in memory
	var errs []error
	if r.records != nil {
		errs = append(errs, r.records.sync())
	}
	if r.state != nil {
		errs = append(errs, r.writeState(round))
	}
	r.metrics.publish(r.options, round)
	if round.Late && round.Whole {
		r.reportLate(round)
	}
	if r.table != nil {
		errs = append(errs, r.table.draw(round))
	}
	if round.Stats.Drops > 0 {
		r.ui.notef("round %d: this machine dropped %s: the receive buffer was full", round.Number, plural(round.Stats.Drops, "reply", "replies"))
	}
	c := &round.Counts
	r.ui.detailf("round %d: %s of %s answered; %d appeared, %d changed, %d gone, %d returned", round.Number,
		thousands(c.Statuses.Answered()), plural(c.Targets, "target", "targets"),
		c.Events[output.Appeared], c.Events[output.Changed], c.Events[output.Gone], c.Events[output.Returned])
	return errors.Join(errs...)
}

// writeState replaces the state file.
func (r *watchRun) writeState(round *scanner.Round) error {
	err := r.state.Rewrite(func(w io.Writer) error { return r.watcher.WriteState(w, round.Event) })
	if err != nil {
		return fmt.Errorf("cannot write the state: %w", err)
	}
	return nil
}

// reportLate says which interval or rate would fit a round that took too long.
func (r *watchRun) reportLate(round *scanner.Round) {
	took, interval := round.End.Sub(round.Start), r.options.cfg.Interval
	text := fmt.Sprintf("round %d took %s, longer than the interval of %s", round.Number, formatDuration(took.Round(100*time.Millisecond)), formatDuration(interval))
	fits := fmt.Sprintf("--interval %s would fit", formatDuration((took+took/10).Round(time.Second)+time.Second))
	if rate := r.options.scan.ask.cfg.Rate; rate > 0 && float64(round.Stats.Sent)/took.Seconds() > 0.8*rate {
		fits += fmt.Sprintf(", or --rate %.0f", math.Ceil(1.2*rate*took.Seconds()/interval.Seconds()))
	}
	if r.table != nil {
		r.table.note = text + "; " + fits
		return
	}
	r.ui.sayf("%s", text)
	r.ui.hintf("%s", fits)
}
