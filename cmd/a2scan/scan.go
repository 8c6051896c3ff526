package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

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
			"jq -r 'select(.status==\"success\") | .info.name' out.ndjson",
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
	o.chooseTable(a, fs)
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
		return a.dryRun(list)
	}
	// What stands in files is not touched until all that can be found wrong is found
	// to be right: the metadata changes first, then the records.
	lock, err := a.lockRecords(o)
	if err != nil {
		return err
	}
	r := &scanRun{app: a, flags: fs, options: o, targetArgs: args, lock: lock}
	defer func() {
		switch {
		case r.leftBehind:
		case r.scanner != nil:
			err = errors.Join(err, lock.Release())
		default:
			err = errors.Join(err, lock.Discard())
		}
	}()
	if o.resume {
		if o.earlier, err = a.openEarlier(fs, o, args); err != nil {
			return err
		}
		if o.earlier != nil && o.earlier.finished {
			return a.confirmFinished(o.earlier, o, args)
		}
		if o.earlier != nil {
			o.ask.cfg.HadResults = o.earlier.statuses[output.Success]
		}
	}
	cfg, err := a.targetConfig(o, args)
	if err != nil {
		return err
	}
	if o.earlier != nil {
		if err := a.compareTargets(o.earlier, &cfg, o); err != nil {
			return err
		}
	}
	var closeList func()
	if r.list, closeList, err = a.openList(cfg, o); err != nil {
		return err
	}
	defer closeList()
	r.source = r.list
	if o.earlier != nil && cfg.Skipped != nil {
		if r.source, err = a.holdTargets(o.earlier, r.list, maxHeld); err != nil {
			return err
		}
	}
	if r.port, err = a.openSocket(&o.ask); err != nil {
		return err
	}
	defer r.port.Close()
	if r.status, err = a.openStatus(o.statusFile); err != nil {
		return err
	}
	defer r.status.Close()
	return r.do()
}

// lockRecords keeps other scans from the file of records, and finds out whether it
// can be written to.
func (a *app) lockRecords(o *scanOptions) (*dataset.Lock, error) {
	if o.outputFile == "-" {
		return nil, a.checkTerminal(o)
	}
	lock, err := dataset.LockFile(o.outputFile)
	if errors.Is(err, dataset.ErrLocked) {
		return nil, withHint(fmt.Errorf("cannot write records: %w", err), "wait until the other scan has ended, or write to another file")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write records: %w", err)
	}
	return lock, nil
}

// checkTerminal refuses to write what is no text to a terminal.
func (a *app) checkTerminal(o *scanOptions) error {
	if o.compress != dataset.CompressNone && o.compress != dataset.CompressAuto {
		if a.screen.present {
			return withHint(usagef("compressed records cannot be shown on a terminal"), "use -o FILE, or redirect standard output")
		}
	}
	return nil
}

// A scanRun is one scan that is under way.
type scanRun struct {
	*app
	flags      *flagSet
	options    *scanOptions
	targetArgs []string
	list       *targets.List
	source     scanner.Source // list, or what holds its targets back
	port       *watchedPort
	scanner    *scanner.Scanner
	status     statusFile
	lock       *dataset.Lock
	leftBehind bool // the files are still being opened; the end of the process ends that
}

// openTargets opens all that says whom to ask.
func (a *app) openTargets(o *scanOptions, args []string) (*targets.List, func(), error) {
	cfg, err := a.targetConfig(o, args)
	if err != nil {
		return nil, nil, err
	}
	return a.openList(cfg, o)
}

// targetConfig says whom to ask, save for the list itself, which is not opened.
func (a *app) targetConfig(o *scanOptions, args []string) (targets.Config, error) {
	cfg := targets.Config{
		Args:       args,
		Ports:      o.ports,
		Dedup:      !o.noDedup,
		Shuffle:    o.shuffle,
		Seed:       o.ask.cfg.Seed,
		Shards:     uint64(o.shards),
		Shard:      uint64(o.shard),
		MaxTargets: o.ask.cfg.MaxTargets,
		AllowHuge:  o.ask.cfg.MaxTargets > 0,
		Log: func(file string, line int, msg string) {
			if file == "" {
				a.ui.sayf("argument %d: %s", line, clean(msg))
				return
			}
			a.ui.sayf("%s:%d: %s", clean(file), line, clean(msg))
		},
	}
	if o.earlier != nil {
		cfg.DoneSeqs = &o.earlier.done
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
	list, err := targets.NewList(cfg)
	if err != nil {
		closeInput()
		switch {
		case errors.Is(err, targets.ErrUncountable):
			err = &usageError{err}
		case errors.Is(err, targets.ErrHuge):
			err = withHint(&usageError{err}, "--max-targets N scans the first N of them")
		}
		return nil, nil, err
	}
	closeList := func() { list.Close(); closeInput() }
	if n := len(cfg.Args); n > 0 && len(cfg.Files) == 0 && list.Counts().Invalid == uint64(n) {
		// Each was said with its reason. A mistyped target costs no earlier records.
		closeList()
		return nil, nil, usagef("no argument is a target: there is nothing to scan")
	}
	return list, closeList, nil
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
			return input{}, fmt.Errorf("cannot read targets: %w", err)
		}
		if err := refuseFolder(f); err != nil {
			return input{}, errors.Join(err, f.Close())
		}
		return input{targets.File{Name: name, R: f}, f}, nil
	}
	if f, ok := a.stdin.(*os.File); ok {
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
			errs = append(errs, fmt.Errorf("cannot read %s: %w", flag, err))
			continue
		}
		if err := set.AddFile(name, f); err != nil {
			errs = append(errs, &usageError{err})
		}
		f.Close()
	}
	return set, errors.Join(errs...)
}

// refuseFolder says what a folder would say when it is read, which is later.
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

// dryRun prints the places that would be asked.
func (a *app) dryRun(list *targets.List) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := newOutlet(a.stdout)
	w := a.watchSignals(cancel, out.giveUp)
	err := printTargets(ctx, out, list, func(t *targets.Target) {
		a.ui.sayf("%s: %s", clean(t.Origin.Input), clean(t.Reason))
	})
	if stopped := w.stop(); stopped != nil {
		return stopped
	}
	return err
}

// printTargets prints the targets of list in their order. Names without an address
// are given to unresolved.
func printTargets(ctx context.Context, out io.Writer, list *targets.List, unresolved func(*targets.Target)) error {
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
				unresolved(t)
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

// openSocket opens the one socket of a scan.
func (a *app) openSocket(o *askOptions) (*watchedPort, error) {
	port, err := mux.Listen(mux.Options{Local: o.local(), Rcvbuf: o.rcvbuf, Sndbuf: o.sndbuf})
	if err != nil {
		return nil, err
	}
	p := watch(port)
	st := p.shared()
	a.ui.detailf("sending from %s; receive buffer %s, %s asked for", port.LocalAddr(), formatSize(st.RcvbufActual), formatSize(st.RcvbufRequested))
	return p, nil
}

// openRecords opens the file of records, or their table on a terminal.
func (a *app) openRecords(o *scanOptions, list *targets.List) (dataset.Sink, error) {
	if o.table {
		n, known := list.Size()
		sink := a.newTableSink(a.ui.verbose || known && n <= mostSilent)
		if o.copyTo != nil {
			return teeSink{sink, o.copyTo}, nil
		}
		return sink, nil
	}
	sink, err := dataset.OpenSink(o.outputFile, dataset.SinkOptions{Compression: o.compress, Append: o.earlier != nil})
	if err != nil {
		return nil, fmt.Errorf("cannot write records: %w", err)
	}
	if o.copyTo != nil {
		sink = teeSink{sink, o.copyTo}
	}
	return sink, nil
}

// A statusFile is where status updates go, or nowhere.
type statusFile struct {
	w *outlet // nil: nowhere
	c io.Closer
}

func (s statusFile) Close() error {
	if s.c == nil {
		return nil
	}
	return s.c.Close()
}

func (a *app) openStatus(name string) (statusFile, error) {
	switch name {
	case "":
		return statusFile{}, nil
	case "-":
		return statusFile{w: a.ui.w}, nil
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return statusFile{}, fmt.Errorf("cannot write status updates: %w", err)
	}
	return statusFile{newOutlet(f), f}, nil
}

// empty takes away what an earlier run has left in it.
func (s statusFile) empty() error {
	f, ok := s.c.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = f.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("cannot write status updates: %w", err)
	}
	return nil
}

// begin opens the records, and then writes what is known before the scan, so that a
// scan that is killed has said what it was. That is written beside its place before, so
// that a bad path is found while nothing is touched; and it takes its place only when an
// earlier scan's records are gone: whatever ends the run in between, the metadata is
// never that of a scan other than the one whose records are there.
func (r *scanRun) begin() (m *dataset.Metadata, err error) {
	m = r.newMetadata(time.Now())
	if r.options.outputFile != "-" {
		input, err := inputConfig(r.options, r.targetArgs)
		if err != nil {
			return nil, err
		}
		maps.Copy(m.Config, input)
	}
	var staged *dataset.StagedMetadata
	if path := r.options.metadataPath(); path != "" && path != "-" {
		if staged, err = m.Stage(path); err != nil {
			return nil, fmt.Errorf("cannot write metadata: %w", err)
		}
		defer func() {
			if err != nil {
				staged.Discard()
			}
		}()
	}
	if r.options.earlier != nil {
		if err := r.options.earlier.mend(r.app, r.lock); err != nil {
			if dataset.IsNoSpace(err) {
				err = withHint(err, "nothing is lost; free some space and run it again with --resume")
			}
			return nil, err
		}
	}
	sink, err := r.openRecords(r.options, r.list)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, sink.Close())
		}
	}()
	if staged != nil {
		if err := staged.Commit(); err != nil {
			return nil, fmt.Errorf("cannot write metadata: %w", err)
		}
	}
	if err := r.status.empty(); err != nil {
		return nil, err
	}
	r.scanner, err = scanner.New(r.options.ask.cfg, r.port, r.source, sink)
	if err != nil {
		return nil, err
	}
	boundGarbage()
	return m, nil
}

// do runs the scan and writes what is to be said about it, however it ends.
func (r *scanRun) do() error {
	total := uint64(0)
	if n, all := r.list.Size(); all {
		total = n
	}
	// Before there is any file: whoever sees one may interrupt.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	begun, atOnce := make(chan struct{}), make(chan struct{})
	p := newProgress(r.ui, &r.options.ask.cfg)
	p.show = r.options.table || r.options.outputFile != "-" || !r.screen.present
	var ended ending
	w := r.watchSignals(func() {
		cancel()
		p.stopping.Store(true)
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
		return w.signal() // and leave it where it is: all of it can be resumed
	}
	if err != nil {
		_ = w.stop() // the error tells more
		return err
	}
	p.start, p.file, p.sample = time.Now(), r.status.w, func() sample { return r.sample(total) }
	p.run(r.sample(total))
	result, err := r.scanner.Run(ctx)
	ended.now()
	// A signal now does not keep the metadata from the disk, unless it is the third.
	defer w.stop()
	// Whoever does not read what is said keeps the metadata waiting no longer than that.
	late := time.AfterFunc(patience, r.ui.w.giveUp)
	defer late.Stop()
	statusErr := p.stop()
	stopped := w.signal()

	err = r.explain(err, &result)
	r.fillMetadata(m, &result)
	r.sum(m, &result, err)
	if errors.Is(err, dataset.ErrReplaced) && r.options.metadataFile == "" {
		return err // beside whatever has the name now may be metadata of its own
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
	if result.Reason == scanner.EndInterrupted {
		return stopped
	}
	return r.options.checkSuccess(m.Statuses[output.Success])
}

// awaitBeginning waits until the files of a scan are open, and reports whether they are.
// A pipe that nobody reads can't be opened, and to take lines out of a large file takes
// time: a signal is waited with no longer than patience, and a second one not at all.
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
	s.input = inputCounts(r.list.Counts(), &s.stats)
	s.socket = socketCounts(r.port.shared())
	s.output = r.outputCounts(r.scanner.Written())
	if e := r.options.earlier; e != nil {
		e.countSample(&s)
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
	case !dataset.IsNoSpace(err):
		return err
	}
	info, statErr := os.Stat(r.options.outputFile)
	switch {
	case r.options.outputFile == "-" || statErr != nil || !info.Mode().IsRegular():
		return withHint(err, "free some space and scan again; with -o FILE a scan can be resumed")
	case result.Output.Records == 0 && r.options.earlier == nil:
		return withHint(err, "no record was written; free some space and scan again")
	}
	return withHint(err, "the records so far are whole; free some space and run it again with --resume")
}

// explainBeside adds what became of the records to an error that is about another
// file.
func explainBeside(err error, hint string) error {
	if !dataset.IsNoSpace(err) {
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

// garbageBytes is how much garbage may pile up before it is collected.
const garbageBytes = 12 << 20

// boundGarbage makes the collector run for each garbageBytes of garbage. A scan's
// memory is taken when it starts, up to hundreds of megabytes without a pointer; by
// the runtime's own rule as much again could be garbage before it looks. GOGC
// overrides it.
func boundGarbage() {
	if os.Getenv("GOGC") != "" {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(int(min(max(garbageBytes*100/max(m.HeapAlloc, 1), 2), 100)))
}
