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
	records := make(chan *output.Record)
	quit := make(chan struct{})
	s, err := newScanner(cfg, port, source, discard{}, writing{encode: deliverer(func(r *output.Record) {
		select {
		case records <- r:
		case <-quit:
		}
	})})
	if err != nil {
		yield(nil, err)
		return
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(records)
		_, err = s.Run(running)
	}()
	more := true
	for r := range records {
		if more = yield(r, nil); !more {
			close(quit)
			stop()
			s.Abort()
			break
		}
	}
	for range records { // until Run has returned
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
