package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/a2scan/a2scan/bench/memory"
)

// A Program is how this program is started again.
type Program struct {
	Path string   // of the executable
	Name string   // its own name (argv[0]); empty: Path
	Env  []string // nil: this process's
}

// command returns a process that has not been started. It is killed when ctx
// ends, by its own id.
func (p *Program) command(ctx context.Context, args ...string) *process {
	cmd := exec.CommandContext(ctx, p.Path, args...)
	if p.Name != "" {
		cmd.Args[0] = p.Name
	}
	cmd.Env = p.Env
	cmd.WaitDelay = 5 * time.Second
	detach(cmd)
	pr := &process{Cmd: cmd, ctx: ctx}
	cmd.Stderr = &pr.complaints
	return pr
}

// A process is one that is measured, or works for one that is.
type process struct {
	*exec.Cmd
	ctx        context.Context
	complaints tail
	began      time.Time
	memory     *memory.Watch
	peak       int64 // of memory, known after wait
}

// start starts it and begins to watch its memory.
func (p *process) start() error {
	p.began = time.Now()
	if err := p.Start(); err != nil {
		return err
	}
	p.memory = memory.Of(p.Process)
	return nil
}

// wait waits for the end. Its error contains the process's messages.
func (p *process) wait() error {
	err := p.Wait()
	p.peak = p.memory.Peak(p.ProcessState)
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if text := p.complaints.String(); err != nil && text != "" {
		if p.ProcessState.ExitCode() == 1 { // its message has the reason
			return errors.New(strings.ReplaceAll(text, "a2scan: ", ""))
		}
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// cost fills in the process's use of the machine.
func (p *process) cost(r *Run) {
	r.UserS = p.ProcessState.UserTime().Seconds()
	r.SystemS = p.ProcessState.SystemTime().Seconds()
	r.PeakRSS = p.peak
}

// A tail keeps the end of the written bytes.
type tail struct{ b []byte }

const tailSize = 2 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - tailSize; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(bytes.TrimSpace(t.b)) }

var _ io.Writer = (*tail)(nil)

// errTimeLimit means that a process took many times longer than it should have.
var errTimeLimit = errors.New("it took far too long and was ended")

// limited returns a context for a process that handles so many targets. A millisecond each
// is twenty times the need of a slow machine.
func limited(ctx context.Context, w *Workload) (context.Context, context.CancelFunc) {
	limit := 2*time.Minute + w.Duration + time.Duration(w.count())*time.Millisecond
	return context.WithTimeoutCause(ctx, limit, errTimeLimit)
}

// count returns the larger of targets and lines.
func (w *Workload) count() int { return max(w.Targets, w.Lines) }
