package run

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto/prototest"
)

// Options describe the measurement.
type Options struct {
	Program Program
	Size    Size
	Plan    []Workload
	Verify  int // records of each row that are verified at most, spread evenly; 0: all

	Listen  netip.Prefix // of the farm; zero: its default
	Ports   []uint16     // of the farm
	AnyPort bool         // any free port replaces one that is in use
	Seed    uint64       // of the servers, and of every random choice

	Dir         string // folder for temporary records; empty: the system's
	Version     string // for the report
	CommandLine string // for the report

	// Progress is called with each step. It may be nil.
	Progress func(text string)
}

// Measure runs all workloads. When it ends early, because ctx did or something
// failed, the report of the rows that are done comes with the error. All
// processes that it started have ended when it returns, and its files are gone.
func Measure(ctx context.Context, o Options) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	b := &bench{o: o}
	b.report = Report{
		Schema:      ReportSchema,
		Tool:        "a2scan bench",
		Version:     o.Version,
		CommandLine: o.CommandLine,
		Start:       time.Now().UTC().Truncate(time.Second),
		Size:        o.Size,
		Seed:        o.Seed,
		Machine:     Here(),
		Rows:        []Row{},
		Rates:       []RateRow{},
		Problems:    []Problem{},
	}
	start := time.Now()
	err := b.all(ctx)
	b.report.DurationS = time.Since(start).Seconds()
	b.report.Complete = err == nil
	return &b.report, err
}

type bench struct {
	o      Options
	report Report
	dir    string
}

func (b *bench) all(ctx context.Context) (err error) {
	b.dir, err = os.MkdirTemp(b.o.Dir, "a2scan-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	for i := range b.o.Plan {
		w := &b.o.Plan[i]
		if err := b.workload(ctx, w); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%s: %w", w.Name, err)
		}
	}
	return nil
}

// A stage is a workload that is under way.
type stage struct {
	*bench
	w      *Workload
	places places
	world  *prototest.World
	live   uint64
	farm   *farmProcess
}

func (b *bench) workload(ctx context.Context, w *Workload) (err error) {
	s := &stage{bench: b, w: w, world: &prototest.World{Seed: b.o.Seed, Shares: w.Shares}}
	s.farm, err = startFarm(ctx, &b.o, w.Shares)
	if err != nil {
		return fmt.Errorf("the farm: %w", err)
	}
	defer func() { err = errors.Join(err, s.farm.stop()) }()
	s.places, err = placesOf(listenOr(b.o.Listen), s.farm.ports, w.Targets)
	if err != nil {
		return err
	}
	s.live = s.places.live(s.world, w.Kinds)
	if w.Lines > 0 {
		if err := s.writeList(); err != nil {
			return err
		}
		defer os.Remove(b.file(listFile))
	}

	rows := make([]Row, len(w.Variants))
	for i := range rows {
		rows[i] = s.row(&w.Variants[i])
	}
	for round := range w.Rounds {
		for i := range w.Variants {
			b.o.Progress(s.progress(round, &w.Variants[i]))
			if err := s.measure(ctx, &rows[i], &w.Variants[i], round); err != nil {
				return fmt.Errorf("%s: %w", w.Variants[i].Name, err)
			}
		}
	}
	var base *Row
	for i := range rows {
		if w.Variants[i].Bare && base == nil {
			base = &rows[i]
		}
		rows[i].summarize(w, base)
		b.judge(&rows[i], w)
	}
	b.report.Rows = append(b.report.Rows, rows...)
	return nil
}

func (s *stage) progress(round int, v *Variant) string {
	text := s.w.Title
	if s.w.Rounds > 1 {
		text += fmt.Sprintf(", round %d of %d", round+1, s.w.Rounds)
	}
	if len(s.w.Variants) > 1 {
		text += ": " + v.Name
	}
	return text
}

// row returns a Row that has all but its figures.
func (s *stage) row(v *Variant) Row {
	r := Row{
		Group:    s.w.Group,
		Workload: s.w.Name,
		Title:    s.w.Title,
		Variant:  v.Name,
		Query:    kindList(s.w.Kinds),
		Shares:   shareList(&s.w.Shares),
		Targets:  uint64(s.places.count()),
		Live:     s.live,
		Lines:    uint64(s.w.Lines),
	}
	if v.Bare {
		r.Command = fmt.Sprintf("the bare socket: window %d, %d packets a call, receive buffer %d", v.Window, defaultBatch, v.rcvbuf())
	} else {
		r.Command = "a2scan " + strings.Join(s.scanCommand(v), " ")
	}
	return r
}

// Files in the bench's own folder, in which all processes run, so that no command line
// contains a path of this machine.
const (
	listFile     = "list.txt"
	recordFile   = "records.ndjson"
	metadataFile = "metadata.json"
)

func (b *bench) file(name string) string { return filepath.Join(b.dir, name) }

// records returns the name of the file of records.
func (s *stage) records(v *Variant) string {
	switch {
	case s.w.Discard:
		return os.DevNull
	case v.Zstd:
		return recordFile + ".zst"
	}
	return recordFile
}

func (s *stage) scanCommand(v *Variant) []string {
	args := s.w.scanArgs(v, s.o.Seed, s.records(v), metadataFile)
	if s.w.Lines > 0 {
		return append(args, "--input-file", listFile)
	}
	return append(args, s.places.target())
}

// writeList writes the file of targets, all of them as often as fits into Lines.
func (s *stage) writeList() error {
	f, err := os.Create(s.file(listFile))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for n := 0; n < s.w.Lines; {
		for ap := range s.places.all() {
			if n == s.w.Lines {
				break
			}
			line = append(ap.AppendTo(line[:0]), '\n')
			_, _ = out.Write(line) // Flush tells
			n++
		}
	}
	return errors.Join(out.Flush(), f.Close())
}

// measure runs one variant once.
func (s *stage) measure(ctx context.Context, row *Row, v *Variant, round int) error {
	ctx, cancel := limited(ctx, s.w)
	defer cancel()
	farmBefore, err := s.farm.state()
	if err != nil {
		return err
	}
	selfBefore := selfCPU()
	busyBefore, known := busySeconds()

	r := Run{Round: round, CPUs: s.report.Machine.CPUs}
	began := time.Now()
	var meta *dataset.Metadata
	if v.Bare {
		err = s.bareRun(ctx, v, &r)
	} else {
		meta, err = s.scanRun(ctx, v, &r)
	}
	if err != nil {
		return err
	}
	r.WallS = time.Since(began).Seconds()

	busyAfter, _ := busySeconds()
	selfAfter := selfCPU()
	farmAfter, err := s.farm.state()
	if err != nil {
		return err
	}
	r.FarmCPUS = farmAfter.CPUS - farmBefore.CPUS
	r.FarmDrops = lostBy(farmAfter) - lostBy(farmBefore)
	if known {
		r.OthersS = max(busyAfter-busyBefore-(selfAfter-selfBefore)-r.FarmCPUS-r.UserS-r.SystemS, 0)
	}
	if meta != nil {
		if err := s.check(ctx, row, v, &r, meta); err != nil {
			return err
		}
	}
	if s.w.Group == Rate {
		row.Live = r.Asked
		s.report.Rates = append(s.report.Rates, rateRow(s.w.Rate, farmAfter.Counters.Seconds, r))
	}
	row.Runs = append(row.Runs, r)
	return nil
}

func lostBy(f *farmState) uint64 { return f.Counters.SocketDrops + f.Counters.Dropped }

// bareRun measures the bare socket.
func (s *stage) bareRun(ctx context.Context, v *Variant, r *Run) error {
	var result bareResult
	p, err := s.work(ctx, job{Bare: &bareJob{
		Places: s.places, Kinds: s.w.Kinds, Batch: defaultBatch, Window: v.Window, GiveUp: s.w.patience(), Rcvbuf: v.rcvbuf(), Sndbuf: defaultSndbuf,
	}}, &result)
	if err != nil {
		return err
	}
	p.cost(r)
	if result.PeakRSS > 0 {
		r.PeakRSS = result.PeakRSS
	}
	r.DurationS = result.Result.Duration.Seconds()
	r.LiveS = r.DurationS
	r.Asked, r.Found = result.Result.Asked, result.Result.Answered
	r.Sent, r.Received = result.Result.Sent, result.Result.Received
	r.Drops, r.RcvbufActual = result.Port.Drops, result.Port.RcvbufActual
	r.PeakInFlight = uint64(v.Window)
	return nil
}

// work runs a worker that answers once, and reads its answer.
func (b *bench) work(ctx context.Context, j job, answer any) (*process, error) {
	p := b.o.Program.command(ctx, workerArgs...)
	p.Dir = b.dir
	in, err := p.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	jobErr := json.NewEncoder(in).Encode(j)
	answerErr := json.NewDecoder(out).Decode(answer)
	if answerErr != nil {
		_ = in.Close() // it has ended, or is to end: after an answer it does so by itself
	}
	if err := p.wait(); err != nil {
		return nil, err
	}
	return p, errors.Join(jobErr, answerErr)
}

// workerArgs start this program as a worker.
var workerArgs = []string{"bench", WorkerArg}

// WorkerArg is the argument with which the command bench is to call [Work].
const WorkerArg = "worker"

// scanRun measures the scanner as its users run it.
func (s *stage) scanRun(ctx context.Context, v *Variant, r *Run) (*dataset.Metadata, error) {
	p := s.o.Program.command(ctx, s.scanCommand(v)...)
	p.Dir = s.dir
	if err := p.start(); err != nil {
		return nil, err
	}
	if err := p.wait(); err != nil {
		return nil, err
	}
	p.cost(r)
	m, err := dataset.ReadMetadata(s.file(metadataFile))
	if err != nil {
		return nil, err
	}
	if m.EndReason != dataset.EndComplete && (s.w.Duration == 0 || m.EndReason != dataset.EndMaxRuntime) {
		return nil, fmt.Errorf("the scan ended for the reason %q", m.EndReason)
	}
	r.DurationS = float64(m.DurationS)
	r.LiveS = r.DurationS
	r.Asked, r.Found = m.Input.Targets, m.Statuses[output.Success]
	r.Sent, r.Received, r.Retransmits = m.Packets.Sent, m.Packets.Received, m.Packets.Retransmits
	r.Drops, r.RcvbufActual = m.Socket.RxDropped, m.Socket.RcvbufActual
	r.Duplicates = m.Input.Duplicates
	r.PeakInFlight = uint64(m.Rate.PeakInFlight)
	r.RecordBytes = m.Output.Bytes
	if m.Output.CompressedBytes != nil {
		r.RecordBytes = *m.Output.CompressedBytes
	}
	return m, nil
}

// check reads the records of a scan and removes them.
func (s *stage) check(ctx context.Context, row *Row, v *Variant, r *Run, m *dataset.Metadata) error {
	if s.w.Discard {
		return nil
	}
	file := s.records(v)
	defer os.Remove(s.file(file))
	j := checkJob{
		File: file, Start: m.StartTime.Time, Seed: s.o.Seed, Shares: s.w.Shares, Kinds: s.w.Kinds,
		Lossy: r.Drops+r.FarmDrops > 0, Times: s.w.Tail,
	}
	if r.Round == 0 {
		j.Step = 1
		if s.o.Verify > 0 {
			j.Step = max((int(m.Output.Records)+s.o.Verify-1)/s.o.Verify, 1)
		}
	}
	if j.Step == 0 && !j.Times {
		return nil
	}
	var result checkResult
	if _, err := s.work(ctx, job{Check: &j}, &result); err != nil {
		return fmt.Errorf("its records: %w", err)
	}
	if result.Records != uint64(m.Output.Records) {
		return fmt.Errorf("%d records, but %d according to the metadata", result.Records, m.Output.Records)
	}
	if j.Times {
		r.LiveS = result.LiveS
	}
	if j.Step > 0 {
		row.Check = &result.Check
	}
	return nil
}

// judge notes every value that is not as it must be.
func (b *bench) judge(row *Row, w *Workload) {
	problem := func(format string, args ...any) {
		b.report.Problems = append(b.report.Problems, Problem{Workload: row.Workload, Variant: row.Variant, Text: fmt.Sprintf(format, args...)})
	}
	if c := row.Check; c != nil && c.Wrong > 0 {
		text := ""
		if len(c.First) > 0 {
			text = ": " + c.First[0].String()
		}
		problem("%d differences from the truth in %d records%s", c.Wrong, c.Verified, text)
	}
	least := 1.0
	if w.Shares.Loss > 0 {
		least = 0 // the number found is the measured value
	}
	if !row.bare() && row.Live > 0 && row.FoundShare.Runs > 0 && row.FoundShare.Min < least {
		problem("%.4f of the live servers were found, in the worst run", row.FoundShare.Min)
	}
}

// A farmProcess is a farm in a process of its own.
type farmProcess struct {
	*process
	in    io.WriteCloser
	out   *json.Decoder
	ports []uint16
}

// startFarm returns a farm that is ready.
func startFarm(ctx context.Context, o *Options, shares prototest.Shares) (*farmProcess, error) {
	f := &farmProcess{process: o.Program.command(ctx, workerArgs...)}
	var err error
	if f.in, err = f.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := f.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f.out = json.NewDecoder(out)
	if err := f.start(); err != nil {
		return nil, err
	}
	j := job{Farm: &farmJob{Listen: listenOr(o.Listen), Ports: o.Ports, AnyPort: o.AnyPort, Seed: o.Seed, Shares: shares}}
	var ready farmState
	err = json.NewEncoder(f.in).Encode(j)
	if err == nil {
		err = f.out.Decode(&ready)
		f.ports = ready.Ports
	}
	if err != nil {
		if stopErr := f.stop(); stopErr != nil {
			return nil, stopErr // it says why
		}
		return nil, err
	}
	return f, nil
}

// state asks the farm for its counters.
func (f *farmProcess) state() (*farmState, error) {
	if _, err := f.in.Write([]byte{'\n'}); err != nil {
		return nil, fmt.Errorf("the farm has ended: %w", err)
	}
	var s farmState
	if err := f.out.Decode(&s); err != nil {
		return nil, fmt.Errorf("the farm has ended: %w", err)
	}
	return &s, nil
}

// stop ends the farm and waits for it.
func (f *farmProcess) stop() error {
	_ = f.in.Close()
	return f.wait()
}
