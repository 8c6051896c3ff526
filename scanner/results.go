package scanner

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
)

// Scan queries the servers that source yields over a socket of its own, under the
// limits of cfg, and yields one record per target, in the order in which targets end.
// The records belong to the caller. An error about the scan as a whole (a wrong cfg, a
// lost socket, a failed source) comes last, without a record. If ctx ends, no more
// targets are taken, those in flight end, and the last error is ctx's. A loop that breaks
// ends the scan.
func Scan(ctx context.Context, cfg Config, source Source) iter.Seq2[*output.Record, error] {
	return func(yield func(*output.Record, error) bool) {
		port, err := mux.Listen(mux.Options{Rcvbuf: scanBuffer})
		if err != nil {
			yield(nil, err)
			return
		}
		defer port.Close()
		scanOver(ctx, cfg, port, source, yield)
	}
}

// scanBuffer is the receive buffer that Scan asks for, in bytes.
const scanBuffer = 4 << 20

// scanOver is Scan over port.
func scanOver(ctx context.Context, cfg Config, port mux.Port, source Source, yield func(*output.Record, error) bool) {
	var deliver func(*output.Record)
	s, err := newScanner(cfg, port, source, discard{}, writing{encode: deliverer(func(r *output.Record) { deliver(r) })})
	if err != nil {
		yield(nil, err)
		return
	}
	yieldAll(ctx, yield, s.Abort, func(ctx context.Context, d func(*output.Record)) error {
		deliver = d
		_, err := s.Run(ctx)
		return err
	})
}

// yieldAll yields the values that run delivers, and last its error or ctx's. If yield
// returns false, run's context ends and abort is called.
func yieldAll[T any](ctx context.Context, yield func(*T, error) bool, abort func(), run func(ctx context.Context, deliver func(*T)) error) {
	values := make(chan *T)
	quit := make(chan struct{})
	running, stop := context.WithCancel(ctx)
	defer stop()
	var err error
	go func() {
		defer close(values)
		err = run(running, func(v *T) {
			select {
			case values <- v:
			case <-quit:
			}
		})
	}()
	more := true
	for v := range values {
		if more = yield(v, nil); !more {
			close(quit)
			stop()
			abort()
			break
		}
	}
	for range values { // until run has returned
	}
	if err == nil {
		err = ctx.Err()
	}
	if more && err != nil {
		yield(nil, err)
	}
}

// discard is a Sink for a Scanner whose records go to a function.
type discard struct{}

func (discard) WriteLines([]byte) error { return nil }
func (discard) Sync() (int64, error)    { return 0, nil }
func (discard) Close() error            { return nil }

// deliverer returns an encoder that makes no lines: it gives the records of outcomes to
// deliver, in memory of their own.
func deliverer(deliver func(*output.Record)) encoder {
	return func(r *recorder, dst, outcomes []byte, _ int) (_, rest []byte) {
		for len(outcomes) > 0 {
			n := binary.LittleEndian.Uint32(outcomes)
			deliver(r.own(bytes.Clone(outcomes[:n])))
			outcomes = outcomes[n:]
		}
		return dst, nil
	}
}

// own returns the record of the outcome, of which nothing is used again.
func (r *recorder) own(outcome []byte) *output.Record {
	r.o.parse(outcome)
	r.players, r.rules, r.raw = nil, nil, nil
	r.fill()
	record := r.record
	if record.Info != nil {
		info := r.infoSection
		record.Info = &info
	}
	if record.Players != nil {
		players := r.playersSection
		record.Players = &players
	}
	if record.Rules != nil {
		rules := r.rulesSection
		record.Rules = &rules
	}
	return &record
}
