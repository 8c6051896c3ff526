package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

func scanCommand() *command {
	return &command{
		name:     "scan",
		synopsis: "[TARGET…]",
		short:    "scan many servers; write one record per target",
		long: `A TARGET is host, host:port, ip:port, [v6]:port, ip/prefix, ip/prefix:port or ip-ip. After the last colon
		there can be a port, a list or a range: 27015,27020-27030. A file has one target per line, in the same form
		or as a JSON object with ip and port, or addr. A second word on a line is a tag that is copied to the record.
		Records are NDJSON, in order of completion.

		The first interrupt (Ctrl-C) stops the scan in good order: no new targets are started, and targets in flight
		are waited for. The second stops it at once. In both cases all records are whole.

		Exit status: 0 finished, whatever the targets answered; 1 the scan could not continue, or --fail-if-none or
		--min-success failed; 2 wrong usage; 130 interrupted; 143 terminated; 129 the terminal was closed.`,
		examples: []string{
			"a2scan scan 192.0.2.7 192.0.2.8:27015-27020",
			"a2scan scan --query info,players,rules -f servers.txt -o today.ndjson.zst",
			"a2scan scan -r 20000 --shuffle -b blocklist.txt 198.51.100.0/24 > out.ndjson",
			"jq -r .status out.ndjson | sort | uniq -c",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := newScanOptions()
			o.register(fs)
			return func(a *app, args []string) error { return a.scan(fs, o, args) }
		},
	}
}

func (a *app) scan(fs *flagSet, o *scanOptions, args []string) error {
	if err := fs.applyConfigs(o.configFiles); err != nil {
		return err
	}
	a.ui.setVerbosity(fs)
	a.setColor(fs)
	if len(args) == 1 && args[0] == "-" && len(o.inputFiles) == 0 {
		o.inputFiles, args = []string{"-"}, nil
	}
	o.normalize()
	args, err := a.restoreFlags(fs, o, args)
	if err != nil {
		return err
	}
	o.chooseTable(a, fs)
	if err := o.chooseShard(fs); err != nil {
		return &usageError{err}
	}
	if err := o.validate(); err != nil {
		return &usageError{err}
	}
	if err := checkFiles(o.files(a, args)...); err != nil {
		return err
	}
	if !fs.Changed("seed") {
		o.ask.cfg.Seed = randomSeed()
	}
	stopProfiles, err := startProfiles(o.cpuProfile, o.memProfile)
	if err != nil {
		return err
	}
	err = a.scanTargets(fs, o, args)
	return errors.Join(err, stopProfiles())
}

func (a *app) scanTargets(fs *flagSet, o *scanOptions, args []string) (err error) {
	if o.dryRun {
		list, closeList, err := a.openTargets(o, args)
		if err != nil {
			return err
		}
		defer closeList()
		err = a.dryRun(o, list)
		if osfile.IsBrokenPipe(err) { // a reader such as head has enough: the list is not at fault
			return err
		}
		var stopped *interrupted
		return cmp.Or(err, o.source.end(a.ui, errors.As(err, &stopped)))
	}
	r := &scanRun{app: a, flags: fs, options: o, targetArgs: args}
	defer func() {
		if r.scanner == nil && !r.leftBehind {
			err = errors.Join(err, r.discard())
		}
	}()
	// No file is changed before everything that can fail has been tried.
	if err := r.openOutputs(); err != nil {
		return err
	}
	if o.resume {
		if r.earlier, err = r.loadEarlier(); err != nil {
			return err
		}
		o.ask.cfg.HadResults = r.earlier.statuses[output.Success]
	}
	cfg, err := a.targetConfig(o, args)
	if err != nil {
		return err
	}
	if r.earlier != nil {
		cfg.Done = &r.earlier.done
	}
	var closeList func()
	if r.list, closeList, err = a.openList(cfg, o); err != nil {
		return err
	}
	defer closeList()
	if r.port, err = a.openSocket(&o.ask); err != nil {
		return err
	}
	defer r.port.Close()
	return r.do()
}

// A scanRun is one scan.
type scanRun struct {
	*app
	flags      *flagSet
	options    *scanOptions
	targetArgs []string
	list       *targets.List
	port       *watchedPort
	scanner    *scanner.Scanner

	records      *dataset.File
	meta, status *osfile.File // nil: none
	earlier      *resumption  // nil: a scan from the beginning
	leftBehind   bool         // the files are still being opened when the process ends
}

// openOutputs opens the files of records, metadata and status updates. None of them is
// changed.
func (r *scanRun) openOutputs() (err error) {
	o := r.options
	if o.outputFile == "-" {
		if o.compress != dataset.CompressNone && o.compress != dataset.CompressAuto && r.screen.present {
			return withHint(usagef("compressed records cannot be shown on a terminal"), "use -o FILE, or redirect standard output")
		}
		// A program that wants only the metadata or the exit status may discard the records.
		onlyRecords := o.metadataFile == "" && o.statusFile == "" && !o.failIfNone && o.minSuccess == 0
		if onlyRecords && r.stdout == io.Writer(osfile.Stdout) && osfile.Stdout.IsClosed() {
			return withHint(usagef("standard output is closed: the records would be lost"), "use -o FILE, or -o %s to discard them", os.DevNull)
		}
	}
	r.records, err = dataset.Open(o.outputFile, o.compress)
	if errors.Is(err, dataset.ErrLocked) {
		err = withHint(err, "wait until the other scan has ended, or write to another file")
	}
	if err != nil {
		return openError("records", err)
	}
	if r.meta, err = openBeside(o.metadataPath()); err != nil {
		return openError("metadata", err)
	}
	if r.status, err = openBeside(o.statusFile); err != nil {
		return openError("status updates", err)
	}
	return nil
}

// openError is the error of an output that cannot be opened.
func openError(what string, err error) error {
	wrapped := fmt.Errorf("cannot write %s: %w", what, err)
	if errors.Is(err, syscall.EISDIR) {
		return &usageError{wrapped}
	}
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return withHint(wrapped, "%s", hinted.hint)
	}
	return wrapped
}

// openBeside opens a file of metadata or status updates: "-" is standard error, "" none.
func openBeside(name string) (*osfile.File, error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		return osfile.Stderr, nil
	}
	return osfile.Open(name)
}

// discard closes the outputs of a scan that did not begin, and removes those that did
// not exist before.
func (r *scanRun) discard() (err error) {
	if r.records != nil {
		err = r.records.Discard()
	}
	for _, f := range []*osfile.File{r.meta, r.status} {
		if f != nil {
			err = errors.Join(err, f.Discard())
		}
	}
	return err
}

// openTargets opens the list of targets.
func (a *app) openTargets(o *scanOptions, args []string) (*targets.List, func(), error) {
	cfg, err := a.targetConfig(o, args)
	if err != nil {
		return nil, nil, err
	}
	return a.openList(cfg, o)
}

// targetConfig returns the Config of the list of targets, without its files.
func (a *app) targetConfig(o *scanOptions, args []string) (targets.Config, error) {
	cfg := targets.Config{
		Args:       args,
		Ports:      o.ports,
		Dedup:      !o.noDedup,
		Shuffle:    o.shuffle,
		Seed:       o.ask.cfg.Seed,
		Shards:     uint64(o.shards),
		Shard:      uint64(o.shard.index),
		MaxTargets: o.ask.cfg.MaxTargets,
		KeepSource: o.source.keep,
		AllowHuge:  o.yes || o.dryRun || o.ask.cfg.MaxTargets > 0 && o.ask.cfg.MaxTargets <= 1<<24,
		NoLookups:  o.dryRun && !o.resolve,
		Log: func(file string, line int, msg string) {
			switch {
			case file == "" && line > 0:
				a.ui.sayf("argument %d: %s", line, clean(msg))
			case file == "":
				a.ui.sayf("arguments: %s", clean(msg))
			case line == 0:
				a.ui.sayf("%s: %s", clean(file), clean(msg))
			default:
				a.ui.sayf("%s:%d: %s", clean(file), line, clean(msg))
			}
		},
	}
	var errs []error
	for _, l := range []struct {
		set   **targets.AddrSet
		flag  string
		files []string
	}{{&cfg.Blocklist, "--blocklist-file", o.blocklists}, {&cfg.Allowlist, "--allowlist-file", o.allowlists}} {
		set, err := readAddrSet(l.flag, l.files)
		if err != nil {
			errs = append(errs, err)
		}
		*l.set = set
	}
	if o.exclude != "" {
		cfg.Exclude = new(targets.AddrSet)
		errs = append(errs, cfg.Exclude.AddList(o.exclude)) // validate has found no error
	}
	return cfg, errors.Join(errs...)
}

// openList opens the list of targets of cfg.
func (a *app) openList(cfg targets.Config, o *scanOptions) (*targets.List, func(), error) {
	var inputs []io.Closer
	closeInput := func() {
		for _, c := range inputs {
			c.Close()
		}
	}
	for _, name := range o.listNames(cfg.Args) {
		f, err := a.openInput(name)
		if err != nil {
			closeInput()
			return nil, nil, err
		}
		inputs = append(inputs, f.closer)
		cfg.Files = append(cfg.Files, f.File)
	}
	if o.source.given() {
		feed, err := a.openFeed(&o.source)
		if err != nil {
			closeInput()
			return nil, nil, err
		}
		inputs = append(inputs, feed)
		cfg.Files = append(cfg.Files, targets.File{Name: feed.name, R: feed.r})
	}
	list, err := targets.NewList(cfg)
	if err != nil {
		closeInput()
		return nil, nil, explainHuge(&usageError{err}, &cfg)
	}
	closeList := func() { list.Close(); closeInput() }
	if n := len(cfg.Args); n > 0 && len(cfg.Files) == 0 && list.Counts().Invalid == uint64(n) {
		// The reasons were reported. A mistyped target must not empty the output file.
		closeList()
		return nil, nil, usagef("no argument is a target: there is nothing to scan")
	}
	return list, closeList, nil
}

// explainHuge adds the next step if err is that ranges are too large.
func explainHuge(err error, cfg *targets.Config) error {
	if !errors.Is(err, targets.ErrHuge) || cfg.AllowHuge {
		return err
	}
	return withHint(err, "--yes scans them all; --max-targets N scans the first N of them")
}

// An input is a file of targets that is open.
type input struct {
	targets.File
	closer io.Closer
}

// openInput opens a file of targets; "-" is standard input, which is not closed.
func (a *app) openInput(name string) (input, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return input{}, usagef("cannot read targets: %w", err)
		}
		if err := refuseFolder(f); err != nil {
			return input{}, errors.Join(&usageError{err}, f.Close())
		}
		return input{targets.File{Name: name, R: f}, f}, nil
	}
	if f := fileOf(a.stdin); f != nil {
		if err := refuseFolder(f); err != nil {
			return input{}, err
		}
		if isTerminal(f) {
			a.ui.notef("reading targets from the terminal, one per line; end with Ctrl-D")
		}
	}
	return input{targets.File{Name: "stdin", R: a.stdin}, io.NopCloser(nil)}, nil
}

// readAddrSet reads the files of a flag, of prefixes and ranges, into one set; nil for
// no files.
func readAddrSet(flag string, files []string) (*targets.AddrSet, error) {
	if len(files) == 0 {
		return nil, nil
	}
	set := new(targets.AddrSet)
	var errs []error
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			errs = append(errs, usagef("cannot read %s: %w", flag, err))
			continue
		}
		if err := set.AddFile(name, f); err != nil {
			errs = append(errs, &usageError{err})
		}
		f.Close()
	}
	return set, errors.Join(errs...)
}

// refuseFolder returns an error for a folder, which would fail only when it is read.
func refuseFolder(f *os.File) error {
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", clean(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("cannot read targets: %w", err)
	}
	return nil
}

// dryRun prints the targets that a scan would ask.
func (a *app) dryRun(o *scanOptions, list *targets.List) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := newOutlet(a.stdout)
	w := a.watchSignals(cancel, out.giveUp)
	err := printTargets(ctx, out, list, func(t *targets.Target) bool {
		if o.resolve {
			a.ui.sayf("%s: %s", clean(t.Origin.Input), clean(t.Reason))
		}
		return !o.resolve
	})
	if stopped := w.stop(); stopped != nil {
		return stopped
	}
	if err == nil {
		err = checkTargets(list)
	}
	return err
}

// printTargets prints the targets of list in their order. For a name without an address
// named decides whether the name is printed.
func printTargets(ctx context.Context, out io.Writer, list *targets.List, named func(*targets.Target) bool) error {
	batch := make([]targets.Target, 2048)
	var lines []byte
	for {
		n, err := list.Next(ctx, batch)
		lines = lines[:0]
		for i := range batch[:n] {
			switch t := &batch[i]; t.Refusal {
			case targets.Accepted:
				lines = t.Key.AddrPort().AppendTo(lines)
				lines = append(lines, '\n')
			case targets.Resolve:
				if named(t) {
					lines = append(lines, t.Origin.Input...)
					lines = append(lines, '\n')
				}
			}
		}
		if _, werr := out.Write(lines); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read targets: %w", err)
		}
	}
}

// missingFeature is the message about a feature of the socket that the system lacks.
func missingFeature(feature string) string { return "this system does not offer " + feature }

// openSocket opens the one socket of a scan.
func (a *app) openSocket(o *askOptions) (*watchedPort, error) {
	port, err := mux.Listen(mux.Options{Local: o.local(), Rcvbuf: o.rcvbuf, Sndbuf: o.sndbuf})
	if err != nil {
		return nil, err
	}
	p := watch(port)
	st := p.shared()
	for _, feature := range st.Missing {
		a.ui.sayf("%s", missingFeature(feature))
	}
	a.ui.detailf("sending from %s; receive buffer %s, %s asked for", port.LocalAddr(), formatSize(st.RcvbufActual), formatSize(st.RcvbufRequested))
	return p, nil
}

// begin changes the files. The metadata is written to a temporary file first, which shows
// that it can be written; then the records are emptied or cut back; then the metadata
// takes its place. So new metadata is never next to the records of an earlier scan.
func (r *scanRun) begin() (m *dataset.Metadata, err error) {
	m = r.newMetadata(time.Now())
	meta, err := r.prepareMetadata(m)
	if err != nil {
		return nil, fmt.Errorf("cannot write metadata: %w", err)
	}
	if err := r.records.Start(); err != nil {
		err = fmt.Errorf("cannot write records: %w", err)
		if osfile.IsNoSpace(err) {
			err = withHint(err, "free some space and run it again; with --resume no record is lost")
		}
		if meta != nil {
			meta.Discard()
		}
		return nil, err
	}
	if meta != nil {
		if err := meta.Commit(); err != nil {
			return nil, fmt.Errorf("cannot write metadata: %w", err)
		}
	}
	if r.status != nil && r.earlier == nil {
		if err := r.status.Empty(); err != nil {
			return nil, fmt.Errorf("cannot write status updates: %w", err)
		}
	}
	var sink dataset.Sink = r.records
	if r.options.table {
		n, known := r.list.Size()
		table := r.newTableSink(r.ui.verbose || known && n <= mostSilent)
		table.copy = r.options.copyTo
		sink = table
	} else if r.options.copyTo != nil {
		sink = teeSink{sink, r.options.copyTo}
	}
	r.scanner, err = scanner.New(r.options.ask.cfg, r.port, r.list, sink)
	if err != nil {
		return nil, err
	}
	boundGarbage()
	return m, nil
}

// statusOutlet returns the outlet of status updates; nil for none.
func (r *scanRun) statusOutlet() *outlet {
	switch r.status {
	case nil:
		return nil
	case osfile.Stderr:
		return r.ui.w
	}
	return newOutlet(r.status)
}

// do runs the scan and writes its metadata and summary, however it ends.
func (r *scanRun) do() error {
	total := uint64(0)
	if n, all := r.list.Size(); all {
		total = n
	}
	// Signals are watched before any file changes.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	begun, atOnce := make(chan struct{}), make(chan struct{})
	p := newProgress(r.ui, &r.options.ask.cfg)
	p.show = r.options.table || r.options.outputFile != "-" || !r.screen.present
	var ended ending
	w := r.watchSignals(func() {
		cancel()
		p.stopping.Store(true)
		if p.drawn() {
			return // the progress line says so
		}
		ended.before(func() {
			r.ui.notef("stopping: waiting at most %s for the targets in flight", formatDuration(r.options.ask.cfg.TargetTimeout))
			r.ui.noteHintf("interrupt again to stop at once")
		})
	}, func() {
		close(atOnce)
		<-begun
		if r.scanner != nil {
			r.scanner.Abort()
		}
	})
	var m *dataset.Metadata
	var err error
	go func() {
		defer close(begun)
		m, err = r.begin()
	}()
	if !awaitBeginning(ctx, begun, atOnce) {
		r.leftBehind = true
		return w.signal() // the files can be resumed as they are
	}
	if err != nil {
		_ = w.stop() // the error says more
		return err
	}
	p.start, p.file, p.sample = time.Now(), r.statusOutlet(), func() sample { return r.sample(total) }
	p.run(r.sample(total))
	result, err := r.scanner.Run(ctx)
	ended.now()
	// The metadata is written even if a signal arrives now, unless it is the third.
	defer w.stop()
	statusErr := p.stop()
	stopped := w.signal()

	err = r.explain(err, &result)
	sourceErr := r.options.source.end(r.ui, stopped != nil)
	r.fillMetadata(m, &result)
	r.sum(m, &result, p.held, err)
	if r.status != nil {
		if closeErr := r.status.Close(); statusErr == nil {
			statusErr = closeErr
		}
	}
	if errors.Is(err, dataset.ErrReplaced) && r.options.metadataFile == "" {
		return err // the metadata file may belong to the file that has the name now
	}
	if metaErr := r.writeMetadata(m); err == nil {
		err = explainBeside(metaErr, "all records are written; only the metadata is missing")
	} else if metaErr != nil {
		r.ui.error(metaErr)
	}
	if err == nil {
		err = explainBeside(statusErr, "all records are written; only status updates are missing")
	}
	if errors.Is(err, scanner.ErrAbandoned) && stopped != nil {
		r.ui.error(err)
		return stopped
	}
	if err != nil {
		return err
	}
	if result.Reason == dataset.EndInterrupted {
		return stopped
	}
	if sourceErr != nil {
		return sourceErr
	}
	if result.Reason == dataset.EndComplete {
		err = checkTargets(r.list)
	}
	return errors.Join(err, r.options.checkSuccess(m.Statuses[output.Success]))
}

// awaitBeginning waits until the files of a scan are open, and reports whether they are.
// Opening a pipe waits for its reader, and rewriting a large file takes time: after a
// signal this waits for patience at most, and after a second one not at all.
func awaitBeginning(ctx context.Context, begun, atOnce <-chan struct{}) bool {
	select {
	case <-begun:
		return true
	case <-ctx.Done():
	}
	select {
	case <-begun:
		return true
	case <-atOnce:
	case <-time.After(patience):
	}
	return false
}

// An ending keeps messages about a running scan from being printed after its end.
type ending struct {
	mu   sync.Mutex
	over bool
}

// before runs f unless the end has come; the end waits for f.
func (e *ending) before(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		f()
	}
}

func (e *ending) now() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
}

func (r *scanRun) sample(total uint64) sample {
	s := sample{stats: r.scanner.Stats(), total: total}
	c := &s.counts
	fillInput(c, r.list.Counts(), &s.stats)
	fillPackets(c, &s.stats)
	fillSocket(c, r.port.shared())
	records, bytes, committed := r.scanner.Written()
	r.fillOutput(c, records, bytes, committed)
	if e := r.earlier; e != nil {
		s.before = uint64(e.records)
		s.stats.Done += s.before
		for i, n := range e.statuses {
			s.stats.Statuses[i] += n
		}
		c.Output.Records += e.records
		c.Output.Bytes += e.bytes
		if s.total > 0 {
			s.total = max(s.total, s.stats.Done+s.stats.Aborted) // records may not be among the targets
		}
	}
	return s
}

// explain adds the next step to an error that ended a scan.
func (r *scanRun) explain(err error, result *scanner.Result) error {
	switch {
	case errors.Is(err, dataset.ErrGone):
		return withHint(err, "if the file was renamed, it has all records; if it was removed, they are lost")
	case errors.Is(err, dataset.ErrReplaced):
		return withHint(err, "the records are in the file that had this name before, if it still exists")
	case errors.Is(err, dataset.ErrChanged):
		return withHint(err, "the file lacks records; do not change an output file during a scan")
	case !osfile.IsNoSpace(err):
		return err
	}
	info, statErr := os.Stat(r.options.outputFile)
	switch {
	case r.options.outputFile == "-" || statErr != nil || !info.Mode().IsRegular():
		return withHint(err, "free some space and scan again; with -o FILE a scan can be resumed")
	case result.Records == 0 && r.earlier == nil:
		return withHint(err, "no record was written; free some space and scan again")
	}
	return withHint(err, "the records so far are whole; free some space and run it again with --resume")
}

// explainBeside adds a hint about the records to an error about another file.
func explainBeside(err error, hint string) error {
	if !osfile.IsNoSpace(err) {
		return err
	}
	return withHint(err, "%s", hint)
}

// randomSeed returns a seed that can be typed again: 48 bits.
func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:6]) // it never fails: crypto/rand
	return binary.LittleEndian.Uint64(b[:])
}

// garbageBytes is the amount of garbage after which the collector runs.
const garbageBytes = 12 << 20

// boundGarbage makes the collector run after garbageBytes of garbage. A scan allocates
// its memory at the start, up to hundreds of megabytes; by default as much again could
// be garbage before the collector runs. GOGC overrides it.
func boundGarbage() {
	if os.Getenv("GOGC") != "" {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(int(min(max(garbageBytes*100/max(m.HeapAlloc, 1), 2), 100)))
}
