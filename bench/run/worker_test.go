package run

import (
	"encoding/json"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A testWorker is Work with pipes, as a process would have them.
type testWorker struct {
	in   *io.PipeWriter
	out  *json.Decoder
	done chan error
}

func startWorker(t *testing.T, j job) *testWorker {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	w := &testWorker{in: inW, out: json.NewDecoder(outR), done: make(chan error, 1)}
	go func() {
		err := Work(inR, outW)
		outW.CloseWithError(err)
		w.done <- err
	}()
	require.NoError(t, json.NewEncoder(inW).Encode(j))
	return w
}

func (w *testWorker) end(t *testing.T) {
	w.in.Close()
	select {
	case err := <-w.done:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("a worker outlives its standard input")
	}
}

func TestWorkRefuses(t *testing.T) {
	for in, want := range map[string]string{"": "no job", "{}\n": "a job without a task", "x\n": "not a job"} {
		require.ErrorContains(t, Work(strings.NewReader(in), io.Discard), want)
	}
}

// All workers, one after the other: a farm, the bare socket at it, a scan of
// it, and the check of that scan's records.
func TestWorkers(t *testing.T) {
	if farm.DefaultListen().IsSingleIP() {
		t.Skip("this system does not answer for all of 127/8")
	}
	const n = 200
	shares := prototest.Shares{Challenge: 100, Silent: 10}
	f := startWorker(t, job{Farm: &farmJob{Listen: netip.MustParsePrefix("127.0.0.0/8"), Ports: []uint16{0}, Seed: 3, Shares: shares}})
	var state farmState
	require.NoError(t, f.out.Decode(&state))
	require.Len(t, state.Ports, 1)
	p, err := placesOf(netip.MustParsePrefix("127.0.0.0/8"), state.Ports, n)
	require.NoError(t, err)
	live := p.live(&prototest.World{Seed: 3, Shares: shares}, proto.WantInfo)
	require.Greater(t, live, uint64(n/2))
	require.Less(t, live, uint64(n))

	b := startWorker(t, job{Bare: &bareJob{Places: p, Kinds: proto.WantInfo, Batch: 64, Window: 64, GiveUp: 20 * time.Millisecond, Rcvbuf: 1 << 20}})
	var result bareResult
	require.NoError(t, b.out.Decode(&result))
	b.end(t)
	require.Equal(t, uint64(n), result.Result.Asked)
	require.Equal(t, live, result.Result.Answered)

	_, err = f.in.Write([]byte{'\n'})
	require.NoError(t, err)
	require.NoError(t, f.out.Decode(&state))
	require.Equal(t, result.Result.Sent, state.Counters.Requests)

	// The scan.
	file := filepath.Join(t.TempDir(), "records.ndjson")
	sink, err := dataset.Create(file, dataset.CompressAuto)
	require.NoError(t, err)
	port, err := mux.Listen(mux.Options{})
	require.NoError(t, err)
	defer port.Close()
	list, err := targets.NewList(targets.Config{Args: []string{p.target()}})
	require.NoError(t, err)
	cfg := scanner.DefaultConfig()
	cfg.Rate, cfg.PerIPRate, cfg.Timeout, cfg.Retries = 0, 0, time.Second, 1
	s, err := scanner.New(cfg, port, list, sink)
	require.NoError(t, err)
	scanned, err := s.Run(t.Context())
	require.NoError(t, err)
	f.end(t)

	// The check.
	j := checkJob{File: file, Start: scanned.Start, Seed: 3, Shares: shares, Kinds: proto.WantInfo, Step: 1, Times: true}
	c, err := j.check(dataset.Lines(file))
	require.NoError(t, err)
	require.Equal(t, uint64(n), c.Records)
	require.Equal(t, uint64(n), c.Verified)
	require.Zero(t, c.Wrong, "%v", c.First)
	require.Equal(t, live, c.Expected)
	require.Equal(t, live, c.Found)
	require.Positive(t, c.LiveS)
	require.Less(t, c.LiveS, scanned.End.Sub(scanned.Start).Seconds()-0.2, "the silent ones took longer")

	j.Step, j.Times = 7, false
	c, err = j.check(dataset.Lines(file))
	require.NoError(t, err)
	require.Equal(t, uint64(n), c.Records)
	require.Equal(t, uint64(n+6)/7, c.Verified)
	require.Zero(t, c.LiveS)

	j.Step = 0
	c, err = j.check(dataset.Lines(file))
	require.NoError(t, err)
	require.Equal(t, uint64(n), c.Records)
	require.Zero(t, c.Verified)

	// Records of another world are wrong, in every server that answered.
	j.Step, j.Seed = 1, 4
	c, err = j.check(dataset.Lines(file))
	require.NoError(t, err)
	require.Greater(t, c.Wrong, live)
	require.Len(t, c.First, 5)

	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, whole[:len(whole)-10], 0o600))
	_, err = j.check(dataset.Lines(file))
	require.ErrorContains(t, err, "cut off")
}

func TestFoundAt(t *testing.T) {
	at, ok, err := foundAt([]byte(`{"schema":1,"seq":17,"ip":"x","input":"\"status\":","tag":null,"status":"success","error":null,"timestamp":"2026-11-22T06:30:12.345678Z","duration_ms":1500.25,"rtt_ms":null}`))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "2026-11-22T06:30:13.845928Z", at.Format(time.RFC3339Nano))

	_, ok, err = foundAt([]byte(`{"schema":1,"status":"timeout","timestamp":"2026-11-22T06:30:12.345678Z","duration_ms":1}`))
	require.NoError(t, err)
	require.False(t, ok)

	for _, bad := range []string{"", "[]", `{"status":"success"}`, `{"status":5}`, `{"status":"success","timestamp":"soon","duration_ms":1}`} {
		_, ok, err := foundAt([]byte(bad))
		require.Error(t, err, bad)
		require.False(t, ok)
	}
}

// A file that cannot be read is an error, not an empty dataset.
func TestCheckOfNothing(t *testing.T) {
	j := checkJob{Step: 1, Kinds: proto.WantInfo}
	_, err := j.check(dataset.Lines(filepath.Join(t.TempDir(), "none")))
	require.ErrorIs(t, err, os.ErrNotExist)
	var lines iter.Seq2[[]byte, error] = func(func([]byte, error) bool) {}
	c, err := j.check(lines)
	require.NoError(t, err)
	require.Zero(t, c.Records)
}
