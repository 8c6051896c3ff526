//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/bench/memory"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
)

// The most memory of a scan with at most 10,000 targets in flight, for any servers: see
// docs/reliability.md.
const (
	maxRSS    = 256 << 20
	maxRSSRaw = 384 << 20
)

// round does one round and checks its results.
func (s *soak) round(ctx context.Context, n int) error {
	p := newPlan(s.seed, n)
	if s.hostile {
		p = newHostilePlan(s.seed, n)
	}
	fmt.Fprintf(s.log, "round %d: %v\n", n, p)
	f, err := farm.Start(ctx, farm.Config{Ports: []uint16{0}, Service: &p.world, Seed: p.world.Seed})
	if err != nil {
		return err
	}
	defer f.Close()
	refusing, closed, err := closedPort()
	if err != nil {
		return err
	}
	defer refusing.Close()
	dir := filepath.Join(s.dir, fmt.Sprintf("round-%d", n))
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	port := f.Ports()[0]
	lossy := p.world.Shares.Loss > 0
	var files []string
	for shard := range p.shards {
		path := filepath.Join(dir, fmt.Sprintf("shard-%d%s", shard, p.ending))
		files = append(files, path)
		args := p.args(path, port, closed, shard)
		for _, a := range p.actions[shard] {
			dropped, err := s.disturbed(ctx, p, a, path, args)
			if err != nil {
				return fmt.Errorf("%s: %w", actionNames[a.what], err)
			}
			lossy = lossy || dropped
		}
		// The end, and once more.
		h := startHiccups()
		status, err := s.start(ctx, p, args).wait(s)
		hiccup := h.stop()
		if err != nil || status != 0 {
			return fmt.Errorf("the last run ended with status %d: %w", status, err)
		}
		m, longest, err := p.checkRun(path, dataset.EndComplete)
		if err != nil {
			return err
		}
		if p.within > 0 {
			fmt.Fprintf(s.log, "    longest target %v, while the machine kept others waiting for %v; %d MiB at most so far\n",
				longest.Round(time.Millisecond/10), hiccup.Round(time.Millisecond/10), s.total.rss>>20)
			if longest > p.within+hiccup {
				return fmt.Errorf("a target took %v, more than %v and a hiccup of %v", longest, p.within, hiccup)
			}
		}
		s.total.longest = max(s.total.longest, longest)
		lossy = lossy || m.Socket.RxDropped > 0
		if err := s.again(ctx, p, path, args); err != nil {
			return err
		}
	}
	if c := f.Counters(); c.SocketDrops+c.Dropped > 0 {
		lossy = true
	}
	if err := s.verify(p, files, port, closed, lossy); err != nil {
		return err
	}
	s.total.rounds++
	return os.RemoveAll(dir)
}

// disturbed runs the scan, does a to it, and reports whether replies were lost
// in its own socket.
func (s *soak) disturbed(ctx context.Context, p *plan, a action, path string, args []string) (dropped bool, err error) {
	r := s.start(ctx, p, args)
	if !r.sleep(a.after) {
		return false, r.failure(0)
	}
	want, reason := 0, dataset.EndComplete
	switch a.what {
	case kill, killAndCut:
		s.total.kills++
		r.signal(syscall.SIGKILL)
		if status, err := r.wait(s); err != nil || status > 0 {
			return false, fmt.Errorf("status %d: %w", status, err)
		}
		if a.what == killAndCut {
			s.total.cuts++
			return false, cut(path, a.cut)
		}
		return false, nil
	case stop:
		s.total.stops++
		r.signal(syscall.SIGSTOP)
		time.Sleep(a.pause)
		r.signal(syscall.SIGCONT)
	case interruptTwice, interrupt:
		s.total.interrupts++
		want, reason = 130, dataset.EndInterrupted
		r.signal(syscall.SIGINT)
		if a.what == interruptTwice && r.sleep(30*time.Millisecond) {
			r.signal(syscall.SIGINT)
		}
	}
	status, err := r.wait(s)
	if status == -1 && want == 130 {
		// A signal that came before the program could handle it, or the second of two
		// after it had wound up, is the system's, as everywhere.
		return false, nil
	}
	if status == 0 && want == 130 { // it had ended
		want, reason = 0, dataset.EndComplete
	}
	if err != nil || status != want {
		return false, fmt.Errorf("status %d, want %d: %w", status, want, err)
	}
	m, err := dataset.ReadMetadata(path + ".meta.json")
	if err != nil {
		return false, err
	}
	if a.what == interruptTwice && m.EndReason == "" {
		return false, nil // the second signal came while the files were being opened
	}
	if m.EndReason != reason {
		return false, fmt.Errorf("the metadata says %q, want %q", m.EndReason, reason)
	}
	return m.Socket.RxDropped > 0, nil
}

// again resumes a finished scan, which must send nothing and leave the records as they are.
func (s *soak) again(ctx context.Context, p *plan, path string, args []string) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if status, err := s.start(ctx, p, args).wait(s); err != nil || status != 0 {
		return fmt.Errorf("a run after the last ended with status %d: %w", status, err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(before, after) {
		return fmt.Errorf("resuming a finished scan changed its records, from %d to %d bytes", len(before), len(after))
	}
	m, _, err := p.checkRun(path, dataset.EndComplete)
	if err == nil && m.Packets.Sent > 0 {
		err = fmt.Errorf("resuming a finished scan sent %d packets", m.Packets.Sent)
	}
	return err
}

// checkRun compares a run's metadata with itself and with the file, and returns how
// long the target that took longest was asked, too.
func (p *plan) checkRun(path string, reason dataset.EndReason) (m *dataset.Metadata, longest time.Duration, err error) {
	m, err = dataset.ReadMetadata(path + ".meta.json")
	if err != nil {
		return nil, 0, err
	}
	if m.EndReason != reason {
		return nil, 0, fmt.Errorf("the metadata says %q, want %q", m.EndReason, reason)
	}
	var counts output.StatusCounts
	seqs := map[uint64]bool{}
	records := int64(0)
	for line, err := range dataset.Lines(path) {
		if err != nil {
			return nil, 0, err
		}
		var r output.Record
		if err := output.Unmarshal(line, &r); err != nil {
			return nil, 0, fmt.Errorf("record %d: %w: %.200s", records+1, err, line)
		}
		if seqs[r.Seq] {
			return nil, 0, fmt.Errorf("target %d has two records: %.200s", r.Seq, line)
		}
		seqs[r.Seq] = true
		records++
		counts[r.Status]++
		longest = max(longest, r.Duration)
	}
	if counts != m.Statuses {
		return nil, 0, fmt.Errorf("statuses %v; the metadata says %v", counts, m.Statuses)
	}
	if records != m.Output.Records {
		return nil, 0, fmt.Errorf("%d records; the metadata says %d", records, m.Output.Records)
	}
	return m, longest, m.Check(0)
}

// verify compares all shards together with the truth: each target is in one of
// them, once.
func (s *soak) verify(p *plan, files []string, port, closed uint16, lossy bool) error {
	all := func(yield func([]byte, error) bool) {
		for _, f := range files {
			for line, err := range dataset.Lines(f) {
				if !yield(line, err) {
					return
				}
			}
		}
	}
	o := farm.VerifyOptions{Want: p.want, Ports: []uint16{port}, Lossy: lossy, Targets: p.targets(port, closed)}
	report, err := farm.Verify(&p.world, all, o)
	if err != nil {
		return err
	}
	if !report.OK() || report.Aborted > 0 || report.Records != uint64(p.size()) {
		return fmt.Errorf("not the truth (lossy %v):\n%v", lossy, report)
	}
	s.total.records += report.Records
	return nil
}

func (p *plan) targets(ports ...uint16) iter.Seq[netip.AddrPort] {
	if !p.closed {
		ports = ports[:1]
	}
	return func(yield func(netip.AddrPort) bool) {
		for a := p.prefix.Addr(); p.prefix.Contains(a); a = a.Next() {
			for _, port := range ports {
				if !yield(netip.AddrPortFrom(a, port)) {
					return
				}
			}
		}
	}
}

// cut takes n bytes off the end of a file, if there is one.
func cut(path string, n int) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Truncate(path, max(info.Size()-int64(n), 0))
}

// closedPort returns a port that refuses, and the socket that keeps scans from taking it
// for theirs: it listens to port 9 alone.
func closedPort() (io.Closer, uint16, error) {
	c, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		return nil, 0, err
	}
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

// A run is the program in a process of its own.
type run struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan error
	err    error // of the start

	memory   *memory.Watch
	patience time.Duration
	maxRSS   int64
}

func (s *soak) start(ctx context.Context, p *plan, args []string) *run {
	s.total.runs++
	r := &run{patience: p.patience, maxRSS: maxRSS, cmd: exec.CommandContext(ctx, s.program, args...), done: make(chan error, 1)}
	if p.raw {
		r.maxRSS = maxRSSRaw
	}
	r.cmd.Stderr = &r.stderr
	if r.err = r.cmd.Start(); r.err == nil {
		r.memory = memory.Of(r.cmd.Process)
		go func() { r.done <- r.cmd.Wait() }()
	}
	return r
}

func (r *run) signal(sig syscall.Signal) {
	if r.err == nil {
		_ = r.cmd.Process.Signal(sig) // it may have ended
	}
}

// sleep waits, and reports whether the program could be started.
func (r *run) sleep(d time.Duration) bool {
	time.Sleep(d)
	return r.err == nil
}

// wait waits for the end and returns the exit status, -1 for a signal's.
func (r *run) wait(s *soak) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	late := time.NewTimer(r.patience)
	defer late.Stop()
	select {
	case <-r.done:
	case <-late.C:
		r.signal(syscall.SIGQUIT) // it prints its goroutines
		<-r.done
		return 0, fmt.Errorf("still running after %v\n%s", r.patience, r.stderr.Bytes())
	}
	status := r.cmd.ProcessState.ExitCode()
	rss := r.memory.Peak(r.cmd.ProcessState)
	s.total.rss = max(s.total.rss, rss)
	if rss > r.maxRSS {
		return status, fmt.Errorf("it took %d MiB of memory, more than %d", rss>>20, r.maxRSS>>20)
	}
	if status > 0 && status < 128 || bytes.Contains(r.stderr.Bytes(), []byte("goroutine ")) || bytes.Contains(r.stderr.Bytes(), []byte("this is a bug")) {
		return status, r.failure(status)
	}
	return status, nil
}

func (r *run) failure(status int) error {
	if r.err != nil {
		return r.err
	}
	return fmt.Errorf("status %d:\n%s", status, r.stderr.Bytes())
}
