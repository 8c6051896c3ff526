package run

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/a2scan/a2scan/bench/bare"
	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/bench/memory"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A job is a worker's task, on the first line of its standard input. One of its members is
// set.
type job struct {
	Farm  *farmJob  `json:"farm,omitempty"`
	Bare  *bareJob  `json:"bare,omitempty"`
	Check *checkJob `json:"check,omitempty"`
}

// A farmJob is to serve a World until standard input ends. Each further line
// that comes is answered with a farmState.
type farmJob struct {
	Listen  netip.Prefix     `json:"listen"`
	Ports   []uint16         `json:"ports"`
	AnyPort bool             `json:"any_port"` // a free port replaces one of Ports that is in use
	Seed    uint64           `json:"seed"`
	Shares  prototest.Shares `json:"shares"`
}

// A farmState is a message of a farm process: the first when it is ready, and one per
// request for it.
type farmState struct {
	Ports    []uint16      `json:"ports"`
	Counters farm.Counters `json:"counters"`
	CPUS     float64       `json:"cpu_s"`
}

// A bareJob is to run the bare socket; the answer is a bareResult.
type bareJob struct {
	Places places        `json:"places"`
	Kinds  proto.Kinds   `json:"kinds"`
	Batch  int           `json:"batch"`
	Window int           `json:"window"`
	GiveUp time.Duration `json:"give_up"`
	Rcvbuf int           `json:"rcvbuf"`
	Sndbuf int           `json:"sndbuf"`
}

type bareResult struct {
	Result  bare.Result   `json:"result"`
	Port    mux.PortStats `json:"port"`
	PeakRSS int64         `json:"peak_rss"` // 0 if the system does not report it
}

// Work is the whole life of a worker process. Its task comes as JSON on the first line of
// stdin, its results go to stdout as lines of JSON. It ends at the latest when stdin does,
// that is when its parent has ended.
func Work(stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no job: %w", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("not a job: %w", err)
	}
	out := json.NewEncoder(stdout)
	switch {
	case j.Farm != nil:
		return j.Farm.work(in, out)
	case j.Bare != nil:
		return j.Bare.work(in, out)
	case j.Check != nil:
		return j.Check.work(in, out)
	}
	return errors.New("a job without a task")
}

// orphaned calls act when in ends.
func orphaned(in io.Reader, act func()) {
	go func() {
		_, _ = io.Copy(io.Discard, in)
		act()
	}()
}

func (j *farmJob) work(in *bufio.Reader, out *json.Encoder) error {
	cfg := farm.Config{
		Listen:  j.Listen,
		Ports:   j.Ports,
		Seed:    j.Seed,
		Service: &prototest.World{Seed: j.Seed, Shares: j.Shares},
	}
	f, err := farm.Start(context.Background(), cfg)
	if errors.Is(err, syscall.EADDRINUSE) && j.AnyPort {
		cfg.Ports = make([]uint16, len(j.Ports))
		f, err = farm.Start(context.Background(), cfg)
	}
	if err != nil {
		return err
	}
	say := func() error {
		cpu := selfCPU()
		return out.Encode(farmState{Ports: f.Ports(), Counters: f.Counters(), CPUS: cpu})
	}
	for {
		if err := say(); err != nil {
			return errors.Join(err, f.Close())
		}
		if _, err := in.ReadBytes('\n'); err != nil {
			return f.Close()
		}
	}
}

func (j *bareJob) work(in *bufio.Reader, out *json.Encoder) error {
	port, err := mux.Listen(mux.Options{Rcvbuf: j.Rcvbuf, Sndbuf: j.Sndbuf})
	if err != nil {
		return err
	}
	defer port.Close()
	orphaned(in, func() { port.Close() })
	n, total := 0, j.Places.count()
	result, err := bare.Run(bare.Config{
		Port:   port,
		Kinds:  j.Kinds,
		Batch:  j.Batch,
		Window: j.Window,
		GiveUp: j.GiveUp,
		Linger: lingering,
		Next: func() (mux.Key, bool) {
			if n == total {
				return mux.Key{}, false
			}
			n++
			return mux.KeyFrom(j.Places.at(n - 1)), true
		},
	})
	if errors.Is(err, net.ErrClosed) {
		return nil // the parent has ended
	}
	if err != nil {
		return err
	}
	return out.Encode(bareResult{Result: result, Port: port.Stats(), PeakRSS: memory.Self()})
}
