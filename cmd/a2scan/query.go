package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

func queryCommand() *command {
	return &command{
		name:     "query",
		synopsis: "[TARGET…]",
		short:    "show one server, or a few",
		long: `Shows one TARGET (host, host:port, [v6]:port) with info, players, mods and rules, or several of them as a
		table with one line each, as they answer. With --json it writes the records that scan would write.

		Exit status 1 means that no server answered. The query port of a server often differs from its game port. If a
		port is silent or closed, the ports that games commonly use are asked once each, and those that answer are
		named. A range looks further: a2scan query HOST:27015-27020.`,
		examples: []string{
			"a2scan query gs1.example.net",
			"a2scan query 192.0.2.7:27015-27020",
			"a2scan query -f favourites.txt",
			"a2scan query --watch --interval 2s gs1.example.net",
			"a2scan query --json 192.0.2.7:27016 | jq -a .info",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := &queryOptions{ask: newAskOptions(), ports: onePort(targets.DefaultPort), interval: 5 * time.Second}
			o.ask.cfg.Kinds = proto.WantInfo | proto.WantPlayers | proto.WantRules
			fs.group("Targets", func() {
				fs.list(&o.inputFiles, "input-file", "f", "FILE", "read targets from this file, one per line; - is standard input")
				fs.ports(&o.ports, "target-ports", "p", "ports for targets that name none")
				o.ask.registerOffsets(fs)
			})
			fs.group("What to query", func() { o.ask.registerQueries(fs) })
			fs.group("Output", func() {
				fs.toggle(&o.json, "json", "", "print records instead of tables")
				fs.toggle(&o.rules, "rules", "", "show the rules even if the terminal has no room for them")
				fs.toggle(&o.watch, "watch", "", "ask again and again: one line per server and round, until interrupted")
				fs.duration(&o.interval, "interval", "", "D", "with --watch: time between two rounds")
				fs.toggle(&o.ask.cfg.Raw, "raw", "", "with --json, keep every datagram, in base64")
			})
			fs.group("Timeouts and retries", func() { o.ask.registerTimeouts(fs) })
			fs.group("Network socket", func() {
				add(fs, &o.ask.sourceIP, "source-ip", "S", "ADDRESS", "send from this address", parseAddr, formatAddr)
				fs.count(&o.ask.port, "source-port", "", "PORT", "send from this port")
			})
			fs.group("General", func() {
				fs.list(&o.configFiles, "config", "", "FILE", "read flags from this file, one NAME = VALUE per line; the command line wins")
				registerVerbosity(fs)
			})
			return func(a *app, args []string) error {
				if err := fs.applyConfigs(o.configFiles); err != nil {
					return err
				}
				a.ui.setVerbosity(fs)
				a.setColor(fs)
				o.chosen = fs.Changed("query")
				return a.query(o, args)
			}
		},
	}
}

type queryOptions struct {
	ask         askOptions
	configFiles []string
	inputFiles  []string
	ports       targets.Ports
	chosen      bool // the queries were named with --query
	json        bool
	rules       bool
	watch       bool
	interval    time.Duration
}

// maxQuery is the largest number of servers that query accepts: more than a person reads.
const maxQuery = 1000

func (a *app) query(o *queryOptions, args []string) error {
	if len(args) == 1 && args[0] == "-" && len(o.inputFiles) == 0 {
		o.inputFiles, args = []string{"-"}, nil
	}
	if len(args) == 0 && len(o.inputFiles) == 0 {
		return withHint(usagef("no servers to query"), "a2scan query HOST[:PORT]…")
	}
	if err := o.ask.validate(); err != nil {
		return &usageError{err}
	}
	if o.watch && o.json {
		return withHint(usagef("--watch and --json exclude each other"), "a2scan watch writes events as JSON")
	}
	if o.interval <= 0 {
		return usagef("--interval must be longer than 0")
	}
	o.ask.cfg.Seed = randomSeed()
	list, closeList, err := a.openQuery(o, args)
	if err != nil {
		return err
	}
	defer closeList()
	total, known := list.Size()
	if known && total > maxQuery {
		return withHint(usagef("%s; query shows at most %s", plural(total, "target", "targets"), thousands(maxQuery)), "a2scan scan is for many")
	}
	one := known && total == 1
	if (!one || o.watch) && !o.json && !o.chosen {
		o.ask.cfg.Kinds = proto.WantInfo // the table shows nothing else
	}
	o.ask.cfg.MaxTargets = maxQuery
	port, err := a.openSocket(&o.ask)
	if err != nil {
		return err
	}
	defer port.Close()

	if o.watch {
		return a.watchServers(o, port, list, !one)
	}
	strays := watchStrays(port)
	silent := &silentSink{RecordSink: a.querySink(o, one)}
	s, err := scanner.New(o.ask.cfg, strays, list, silent)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := a.watchSignals(func() { cancel(); s.Abort() }, s.Abort)
	p := newProgress(a.ui, &o.ask.cfg)
	p.show = a.ui.terminal.redraw && !(o.json && a.screen.present)
	p.start, p.sample = time.Now(), func() sample { return sample{stats: s.Stats(), total: total} }
	p.run(p.sample())
	result, err := s.Run(ctx)
	err = errors.Join(err, p.stop())
	hinted := false
	if err == nil && result.Reason == dataset.EndComplete && !silent.more && !a.ui.quiet {
		hinted, err = a.hintNeighbours(ctx, o, strays, list, silent.targets)
	}
	stopped := w.stop()
	for i, from := range strays.most() {
		if i == 3 {
			break
		}
		a.ui.notef("%s came from %s, not from the address asked", plural(from.n, "datagram", "datagrams"), from.from.AddrPort())
		a.ui.noteHintf("a2scan query %s", from.from.AddrPort())
	}
	switch {
	case err != nil:
		return err
	case result.Reason == dataset.EndInterrupted:
		return stopped
	case !known && result.Stats.Done >= maxQuery:
		a.ui.notef("query shows at most %s targets; a2scan scan is for more", thousands(maxQuery))
	}
	if result.Stats.Statuses.Answered() > 0 {
		return nil
	}
	if one && !hinted {
		return withHint(errSilent, "the query port often differs from the game port; try HOST:27015-27020")
	}
	return errSilent
}

// hintNeighbours says which ports next to silent ones answer, and whether one does.
func (a *app) hintNeighbours(ctx context.Context, o *queryOptions, port mux.Port, list *targets.List, silent []silentTarget) (bool, error) {
	if len(silent) == 0 {
		return false, nil
	}
	found, err := neighbours(ctx, port, silent, func(at netip.AddrPort, given uint16) bool {
		return list.Has(mux.KeyFrom(at)) || slices.Contains(o.ask.cfg.PortOffsets, int(at.Port())-int(given))
	})
	for _, at := range found {
		a.ui.notef("%s answers", clean(at))
		a.ui.noteHintf("a2scan query %s", quoteWords([]string{at}))
	}
	return len(found) > 0, err
}

// errSilent makes the exit status 1 if no server answered.
var errSilent = errors.New("no server answered")

// openQuery opens the targets. A wrong argument is wrong usage; wrong lines of a file are
// reported and skipped.
func (a *app) openQuery(o *queryOptions, args []string) (*targets.List, func(), error) {
	var wrong []error
	cfg := targets.Config{
		Args:      args,
		Ports:     o.ports,
		Dedup:     true,
		AllowHuge: true,
		Log: func(file string, line int, msg string) {
			if file == "" {
				wrong = append(wrong, errors.New(clean(msg)))
				return
			}
			a.ui.sayf("%s:%d: %s", clean(file), line, clean(msg))
		},
	}
	var inputs []input
	closeInputs := func() {
		for _, in := range inputs {
			in.closer.Close()
		}
	}
	for _, name := range o.inputFiles {
		in, err := a.openInput(name)
		if err != nil {
			closeInputs()
			return nil, nil, err
		}
		inputs = append(inputs, in)
		cfg.Files = append(cfg.Files, in.File)
	}
	list, err := targets.NewList(cfg)
	if err != nil {
		closeInputs()
		return nil, nil, err
	}
	closeList := func() { list.Close(); closeInputs() }
	if len(wrong) > 0 {
		closeList()
		return nil, nil, &usageError{errors.Join(wrong...)}
	}
	return list, closeList, nil
}

// querySink shows records as they come: as they are, as a page or as a table.
func (a *app) querySink(o *queryOptions, one bool) scanner.RecordSink {
	switch {
	case o.json:
		return &screenSink{app: a, show: output.AppendJSON}
	case one:
		return &screenSink{app: a, show: func(dst []byte, r *output.Record) []byte {
			page := serverPage{screen: &a.screen, rules: o.rules || o.chosen}
			page.write(r)
			return append(dst, page.b.String()...)
		}}
	}
	return a.newTableSink(true)
}

// A screenSink writes what show makes of records to standard output.
type screenSink struct {
	app  *app
	show func(dst []byte, r *output.Record) []byte
	text []byte // to be written
}

func (s *screenSink) WriteRecord(r *output.Record) { s.text = s.show(s.text, r) }

func (s *screenSink) WriteLines([]byte) error {
	b := s.text
	s.text = s.text[:0]
	return s.app.show(b)
}

func (s *screenSink) Sync() (int64, error) { return 0, nil }
func (s *screenSink) Close() error         { return nil }
