package scanner

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// The records that Scan yields are those that a Scanner writes, and stay what they were.
func TestScanYieldsTheRecords(t *testing.T) {
	virtual(t, func(s *scan) {
		shares := prototest.Shares{Challenge: 50, Silent: 10, GoldSource: 10, Split: 20, Ship: 5, DelayMin: time.Millisecond, DelayMax: 50 * time.Millisecond}
		cfg := scanConfig()
		cfg.Kinds, cfg.Raw = allKinds, true
		s.serve(shares)
		_, err := s.run(s.t.Context(), cfg, &countSource{n: 300})
		require.NoError(s.t, err)

		s.serve(shares)
		s.listen(muxtest.Options{})
		records := map[uint64]*output.Record{}
		scanOver(s.t.Context(), cfg, s.spy, &countSource{n: 300}, func(r *output.Record, err error) bool {
			require.NoError(s.t, err)
			records[r.Seq] = r
			return true
		})
		require.Len(s.t, records, 300)
		require.Len(s.t, s.sink.records(), 300)
		for _, want := range s.sink.records() {
			got := records[want.Seq]
			got.Time = want.Time
			require.Equal(s.t, string(output.AppendJSON(nil, &want)), string(output.AppendJSON(nil, got)))
		}
	})
}

// A loop that breaks ends the scan, whatever is in flight.
func TestScanEndsWithItsLoop(t *testing.T) {
	virtual(t, func(s *scan) {
		n := 0
		scanOver(s.t.Context(), scanConfig(), s.spy, &countSource{n: 1e9}, func(*output.Record, error) bool {
			n++
			return n < 10
		})
		require.Equal(s.t, 10, n)
	})
}

// The error of a scan as a whole comes last.
func TestScanErrors(t *testing.T) {
	collect := func(s *scan, ctx context.Context, cfg Config, source Source) (records int, err error) {
		scanOver(ctx, cfg, s.spy, source, func(r *output.Record, e error) bool {
			require.NoError(s.t, err, "nothing comes after an error")
			if err = e; e != nil {
				require.Nil(s.t, r)
			} else {
				records++
			}
			return true
		})
		return records, err
	}
	virtual(t, func(s *scan) {
		lost := errors.New("the list is gone")
		n := 0
		records, err := collect(s, s.t.Context(), scanConfig(), sourceFunc(func(_ context.Context, dst []targets.Target) (int, error) {
			if n++; n > 5 {
				return 0, lost
			}
			dst[0] = targets.Target{Key: mux.KeyFrom(simAddr(uint64(n))), Seq: uint64(n)}
			return 1, nil
		}))
		require.ErrorIs(s.t, err, lost)
		require.Equal(s.t, 5, records)
	})
	virtual(t, func(s *scan) {
		_, err := collect(s, s.t.Context(), Config{}, &countSource{n: 1})
		require.Error(s.t, err)
	})
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Rate = 100
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		records, err := collect(s, ctx, cfg, &countSource{n: 1e6})
		require.ErrorIs(s.t, err, context.DeadlineExceeded)
		require.InDelta(s.t, 100, records, 5, "targets in flight end")
	})
}
