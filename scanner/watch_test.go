package scanner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// listSource yields the first n simulated addresses.
func listSource(n int) Source {
	list := make([]targets.Target, n)
	for i := range list {
		list[i] = targets.Target{Key: mux.KeyFrom(simAddr(uint64(i))), Seq: uint64(i)}
	}
	return &sliceSource{list: list}
}

// sliceSource yields a list once.
type sliceSource struct{ list []targets.Target }

func (s *sliceSource) Next(_ context.Context, dst []targets.Target) (int, error) {
	n := copy(dst, s.list)
	if s.list = s.list[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A part is a stretch of rounds in which a server is on a map, or away (no map).
type part struct {
	from, until int // rounds, from 1; until is exclusive
	mapName     string
}

// A script is the life of servers: each has parts one after another, of at least four rounds,
// so that lost packets hide none of them.
type script struct {
	start    time.Time
	interval time.Duration
	parts    [][]part
	port     int // of the servers, counted from the port in the list
}

func newScript(n, rounds int, interval time.Duration, seed uint64) *script {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &script{start: time.Now(), interval: interval, parts: make([][]part, n)}
	for i := range s.parts {
		if rng.IntN(5) > 0 { // most are there all the time
			s.parts[i] = []part{{1, rounds + 1, "de_dust2"}}
			continue
		}
		last := ""
		for from := 1; from <= rounds; {
			until := from + 4 + rng.IntN(8)
			if rounds+1-until < 4 {
				until = rounds + 1
			}
			mapName := ""
			if last == "" || rng.IntN(2) == 0 {
				mapName = fmt.Sprintf("map_%d", rng.IntN(1000)+1000*len(s.parts[i]))
			}
			s.parts[i] = append(s.parts[i], part{from, until, mapName})
			last, from = mapName, until
		}
	}
	return s
}

// want returns the events of server i: their kinds and, of those with a record, the map.
func (s *script) want(i int) (events []string) {
	seen, up, last := false, false, ""
	for _, p := range s.parts[i] {
		switch {
		case p.mapName == "" && up:
			events, up = append(events, "gone"), false
		case p.mapName == "":
		case !seen:
			events, seen = append(events, "appeared "+p.mapName), true
		case !up:
			events = append(events, "returned "+p.mapName)
		case p.mapName != last:
			events = append(events, "changed "+p.mapName)
		}
		if p.mapName != "" {
			up, last = true, p.mapName
		}
	}
	return events
}

// serve puts the servers into the network of a test.
func (s *script) serve(net *muxtest.Net) {
	index := map[mux.Key]int{}
	for i := range s.parts {
		index[onPort(mux.KeyFrom(simAddr(uint64(i))), s.port)] = i
	}
	net.SetEverywhere(func(to mux.Key) muxtest.Host {
		i, ok := index[to]
		if !ok {
			return muxtest.Host{}
		}
		return muxtest.Host{Handler: func(now time.Time, _ mux.Key, _ []byte, reply func(mux.Key, []byte, time.Duration)) {
			round := int(now.Sub(s.start)/s.interval) + 1
			for _, p := range s.parts[i] {
				if round >= p.from && round < p.until && p.mapName != "" {
					reply(mux.Key{}, prototest.AppendInfo(nil, &proto.Info{
						Protocol: 17, Name: fmt.Appendf(nil, "server %d", i), Map: []byte(p.mapName), Folder: []byte("cstrike"),
						Game: []byte("Counter-Strike"), AppID16: 240, Players: uint8(round), MaxPlayers: 32, ServerType: 'd', OS: 'l',
						VACKnown: true, Version: []byte("1.0"),
					}), 20*time.Millisecond)
				}
			}
		}}
	})
}

// seenEvent is an event as a reader of the output sees it.
type seenEvent struct {
	Schema  int              `json:"schema"`
	Event   output.EventKind `json:"event"`
	Time    time.Time        `json:"time"`
	Round   uint64           `json:"round"`
	IP      string           `json:"ip"`
	Changes map[string][]any `json:"changes"`
	Record  *struct {
		Info struct{ Map string }
	} `json:"record"`
	Counts map[string]uint64 `json:"counts"`
}

// parseEvents returns the events of lines, by address and in order; rounds under "".
func parseEvents(t testing.TB, lines []byte) map[string][]seenEvent {
	t.Helper()
	events := map[string][]seenEvent{}
	for line := range bytes.Lines(lines) {
		var e seenEvent
		require.NoError(t, json.Unmarshal(line, &e), "%s", line)
		events[e.IP] = append(events[e.IP], e)
	}
	return events
}

// requireScript checks that the events are those of the script, once each and in order.
func (s *script) requireScript(t testing.TB, lines []byte, rounds int) {
	t.Helper()
	events := parseEvents(t, lines)
	for i := range s.parts {
		var got []string
		for _, e := range events[simAddr(uint64(i)).Addr().String()] {
			text := string(e.Event)
			if e.Record != nil {
				text += " " + e.Record.Info.Map
			}
			got = append(got, text)
			if e.Event == output.Changed {
				require.Len(t, e.Changes, 1, "only the map counts: not the players")
				require.Equal(t, e.Record.Info.Map, e.Changes["map"][1])
			}
		}
		require.Equal(t, s.want(i), got, "server %d: %+v", i, s.parts[i])
	}
	var numbers []uint64
	for _, e := range events[""] {
		require.Equal(t, output.RoundEnded, e.Event)
		numbers = append(numbers, e.Round)
		require.EqualValues(t, len(s.parts), e.Counts["targets"])
	}
	want := make([]uint64, rounds)
	for i := range want {
		want[i] = uint64(i + 1)
	}
	require.Equal(t, want, numbers, "each round ends once")
}

func watchConfig(interval time.Duration, rounds int) WatchConfig {
	cfg := WatchConfig{Config: DefaultConfig(), Interval: interval, Rounds: uint64(rounds)}
	cfg.Rate, cfg.PerIPRate = 1e6, 0
	return cfg
}

// TestWatchTellsWhatChanged watches many servers that come, go and change their maps, over a
// network that loses 5 % of the datagrams each way. With three attempts per round a server
// seems silent in 0.09 % of its rounds, and in three rounds in a row once in a billion.
func TestWatchTellsWhatChanged(t *testing.T) {
	t.Parallel()
	n, rounds := 20_000, 20
	if testing.Short() || raceEnabled {
		n = 1000
	}
	virtual(t, func(s *scan) {
		sink := new(eventLog)
		s.net.Out, s.net.Back = muxtest.Loss(0.05), muxtest.Loss(0.05)
		sc := newScript(n, rounds, 30*time.Second, 7)
		sc.serve(s.net)
		w, err := NewWatcher(watchConfig(sc.interval, rounds), s.spy, sink)
		require.NoError(s.t, err)
		require.NoError(s.t, w.Run(s.t.Context(), listSource(n)))
		sc.requireScript(s.t, sink.lines, rounds)
		require.Equal(s.t, 1, sink.closed)
		require.WithinDuration(s.t, s.start.Add(time.Duration(rounds)*sc.interval), time.Now(), sc.interval)
	})
}

// TestWatchIsEven: in any tenth of a second of the stretch in which servers are begun, a
// watch sends as many packets as in any other, within 10 %.
func TestWatchIsEven(t *testing.T) {
	t.Parallel()
	const n = 20_000
	virtual(t, func(s *scan) {
		sink := new(eventLog)
		s.serve(prototest.Shares{Challenge: 100, DelayMin: 20 * time.Millisecond, DelayMax: 60 * time.Millisecond})
		w, err := NewWatcher(watchConfig(18*time.Second, 2), s.spy, sink)
		require.NoError(s.t, err)
		require.NoError(s.t, w.Run(s.t.Context(), listSource(n)))
		for round := range 2 {
			begin := s.start.Add(time.Duration(round) * 18 * time.Second)
			spread := time.Duration(n) * w.spacing(n)
			require.InDelta(s.t, (18*time.Second - w.cfg.SilentTime() - writeTime).Seconds(), spread.Seconds(), 0.1)
			window := 100 * time.Millisecond
			from, until := begin.Add(window), begin.Add(spread)
			mean := 2 * float64(n) * window.Seconds() / spread.Seconds()
			i := 0
			for at := from; at.Add(window).Before(until); at = at.Add(window / 4) {
				count := 0
				for ; i < len(s.sends) && s.sends[i].at.Before(at); i++ {
				}
				for j := i; j < len(s.sends) && s.sends[j].at.Before(at.Add(window)); j++ {
					count++
				}
				require.InDelta(s.t, mean, count, 0.1*mean, "at %v", at.Sub(begin))
			}
		}
		first := map[mux.Key]time.Duration{}
		for _, x := range s.sends {
			at := x.at.Sub(s.start)
			if _, again := first[x.to]; !again {
				first[x.to] = at
			} else if at >= 18*time.Second {
				require.InDelta(s.t, (first[x.to] + 18*time.Second).Seconds(), at.Seconds(), 0.2, "each keeps its moment")
				delete(first, x.to)
				first[x.to] = at - 18*time.Second
			}
		}
	})
}

// eventLog keeps the lines of events.
type eventLog struct {
	lines  []byte
	closed int
}

func (l *eventLog) WriteLines(p []byte) error { l.lines = append(l.lines, p...); return nil }
func (l *eventLog) Sync() (int64, error)      { return int64(len(l.lines)), nil }
func (l *eventLog) Close() error              { l.closed++; return nil }

// killedSink is a file of events until it is killed: nothing is written after that, and the
// line that was being written is cut.
type killedSink struct {
	at    time.Time
	lines *[]byte
}

func (k killedSink) WriteLines(p []byte) error {
	if time.Now().After(k.at) {
		if n := len(*k.lines); n == 0 || (*k.lines)[n-1] == '\n' {
			*k.lines = append(*k.lines, p[:len(p)/3]...)
		}
		return nil
	}
	*k.lines = append(*k.lines, p...)
	return nil
}

func (killedSink) Sync() (int64, error) { return 0, nil }
func (killedSink) Close() error         { return nil }

// stateOf returns what WriteState writes.
func stateOf(t testing.TB, w *Watcher, event []byte) []byte {
	var b bytes.Buffer
	require.NoError(t, w.WriteState(&b, event))
	return b.Bytes()
}

// TestWatchSurvivesKills kills a watch at a hundred random moments and starts it again with
// its state and its file of events. All events together are those of a watch that was not
// killed.
func TestWatchSurvivesKills(t *testing.T) {
	t.Parallel()
	n, rounds, kills := 200, 60, 100
	if testing.Short() || raceEnabled {
		kills = 20
	}
	virtual(t, func(s *scan) {
		s.net.Out, s.net.Back = muxtest.Loss(0.02), muxtest.Loss(0.02)
		sc := newScript(n, rounds, 20*time.Second, 3)
		sc.serve(s.net)
		rng := rand.New(rand.NewPCG(5, 5))
		var events, state []byte
		begin := time.Now()
		var killed []time.Duration
		for range kills {
			killed = append(killed, time.Duration(rng.Int64N(int64(sc.interval)*int64(rounds-1))))
		}
		slices.Sort(killed)
		killed = append(killed, 100*sc.interval) // never
		for _, at := range killed {
			if begin.Add(at).Before(time.Now()) {
				continue // it was killed while it was down
			}
			cfg := watchConfig(sc.interval, 0)
			sink := killedSink{begin.Add(at), &events}
			var w *Watcher
			cfg.OnRound = func(r *Round) error {
				if !time.Now().After(sink.at) {
					state = stateOf(t, w, r.Event)
				}
				return nil
			}
			w, err := NewWatcher(cfg, s.spy, sink)
			require.NoError(s.t, err)
			// The file system cuts off a torn line, as dataset.File.Load does.
			events = events[:bytes.LastIndexByte(events, '\n')+1]
			require.NoError(s.t, w.Resume(bytes.NewReader(state), func(each func([]byte) error) error {
				for line := range bytes.Lines(events) {
					if err := each(line); err != nil {
						return err
					}
				}
				return nil
			}))
			left := uint64(rounds) - w.Round()
			if left == 0 {
				break
			}
			w.cfg.Rounds = left
			// The script goes by the clock of the rounds: a round that was killed is asked again.
			sc.start = time.Now().Add(-time.Duration(w.Round()) * sc.interval)
			ctx, stop := context.WithDeadline(s.t.Context(), sink.at.Add(time.Millisecond))
			abort := context.AfterFunc(ctx, w.Abort)
			require.NoError(s.t, w.Run(ctx, listSource(n)))
			abort()
			stop()
		}
		sc.requireScript(s.t, events, rounds)
	})
}

// TestWatchForever: a watch of thousands of rounds takes no more memory than one of a
// hundred. A2SCAN_ROUNDS sets their number.
func TestWatchForever(t *testing.T) {
	rounds := 3000
	if testing.Short() || raceEnabled {
		rounds = 500
	}
	if n, err := strconv.Atoi(os.Getenv("A2SCAN_ROUNDS")); err == nil {
		rounds = n
	}
	virtual(t, func(s *scan) {
		const n = 6
		cfg := watchConfig(time.Minute, rounds)
		cfg.Batch = 4
		sc := newScript(n, rounds, cfg.Interval, 11)
		sc.serve(s.net)
		var early, late uint64
		cfg.OnRound = func(r *Round) error {
			s.sends = s.sends[:0]
			heap := func() uint64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			switch r.Number {
			case 100:
				early = heap()
			case uint64(rounds):
				late = heap()
			}
			return nil
		}
		w, err := NewWatcher(cfg, s.spy, killedSink{time.Now().Add(1e6 * time.Hour), new([]byte)})
		require.NoError(s.t, err)
		require.NoError(s.t, w.Run(s.t.Context(), listSource(n)))
		require.Less(s.t, late, early+4<<20, "%d bytes after 100 rounds", early)
	})
}

// TestWatchTakesInTargets lets the list grow to ten times its size and shrink again.
func TestWatchTakesInTargets(t *testing.T) {
	t.Parallel()
	virtual(t, func(s *scan) {
		sink := new(eventLog)
		sizes := []int{100, 1000, 100, 100}
		cfg := watchConfig(20*time.Second, 4)
		round := 0
		cfg.Refresh = func(context.Context) (Source, error) {
			if round == 3 {
				return nil, errors.New("the list is gone")
			}
			return listSource(sizes[round]), nil
		}
		cfg.RefreshEvery = time.Hour
		again := make(chan struct{}, 1)
		cfg.Again = again
		var failed []string
		cfg.Failed = func(err error) { failed = append(failed, err.Error()) }
		var counts []uint64
		cfg.OnRound = func(r *Round) error {
			counts = append(counts, r.Counts.Targets)
			round = int(r.Number)
			again <- struct{}{}
			return nil
		}
		w, err := NewWatcher(cfg, s.spy, sink)
		require.NoError(s.t, err)
		require.NoError(s.t, w.Run(s.t.Context(), listSource(100)))
		require.Equal(s.t, []uint64{100, 1000, 100, 100}, counts)
		require.Equal(s.t, []string{"the list is gone"}, failed, "and the targets stay")
		appeared := 0
		for ip, list := range parseEvents(s.t, sink.lines) {
			if ip != "" {
				require.Len(s.t, list, 1, "a target that stays in the list does not appear again")
				appeared++
			}
		}
		require.Greater(s.t, appeared, 900)
	})
}

// A Refresh that is asked for during a round counts from the next one on, even if another
// one has ended in the same round or is under way.
func TestWatchRefreshesAgain(t *testing.T) {
	t.Parallel()
	for name, every := range map[string]time.Duration{"each round": 0, "by request": time.Hour} {
		for _, slow := range []time.Duration{0, 5 * time.Second} {
			t.Run(fmt.Sprintf("%s, %v", name, slow), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(s *scan) {
					var size atomic.Int64
					size.Store(10)
					cfg := watchConfig(20*time.Second, 3)
					cfg.RefreshEvery = every
					cfg.Refresh = func(context.Context) (Source, error) {
						list := listSource(int(size.Load()))
						time.Sleep(slow)
						return list, nil
					}
					again := make(chan struct{}, 1)
					cfg.Again = again
					var counts []uint64
					cfg.OnRound = func(r *Round) error {
						counts = append(counts, r.Counts.Targets)
						return nil
					}
					w, err := NewWatcher(cfg, s.spy, new(eventLog))
					require.NoError(s.t, err)
					edit := func(at time.Duration, n int) {
						time.AfterFunc(at, func() { size.Store(int64(n)); again <- struct{}{} })
					}
					edit(time.Second, 20) // of the first round
					edit(2*time.Second, 30)
					edit(22*time.Second, 40) // of the second
					require.NoError(s.t, w.Run(s.t.Context(), listSource(10)))
					require.Equal(s.t, []uint64{10, 30, 40}, counts)
				})
			})
		}
	}
}

// A list that holds a target twice lacks another one of as many.
func TestWatchForgetsTargets(t *testing.T) {
	k := newKnown(output.Fields{}, 3)
	a, b := targets.Target{Key: mux.KeyFrom(simAddr(0))}, targets.Target{Key: mux.KeyFrom(simAddr(1))}
	k.setTargets([]targets.Target{a, b})
	require.Len(t, k.servers, 2)
	k.setTargets([]targets.Target{a, a})
	require.Len(t, k.servers, 1)
	require.Equal(t, a.Key, k.servers[0].key)
}

// A rate that cannot fit one packet per server in the interval is an error at the start.
func TestWatchNamesTheRate(t *testing.T) {
	virtual(t, func(s *scan) {
		sink := new(eventLog)
		cfg := watchConfig(10*time.Second, 1)
		cfg.Rate = 50
		w, err := NewWatcher(cfg, s.spy, sink)
		require.NoError(s.t, err)
		err = w.Run(s.t.Context(), listSource(1001))
		require.ErrorIs(s.t, err, ErrRate)
		require.ErrorContains(s.t, err, "101 or more")

		cfg.Rate, cfg.Bandwidth = 0, 29_000
		w, err = NewWatcher(cfg, s.spy, sink)
		require.NoError(s.t, err)
		err = w.Run(s.t.Context(), listSource(1000))
		require.ErrorIs(s.t, err, ErrRate)
		require.ErrorContains(s.t, err, "29000 bits per second cannot reach 1000 servers in 10s; 29600 or more can")
		require.Empty(s.t, s.sends)
	})
}

// A round that takes longer than the interval is late and delays the next: they never
// overlap.
func TestWatchLateRounds(t *testing.T) {
	virtual(t, func(s *scan) {
		sink := new(eventLog)
		s.silence()
		cfg := watchConfig(2*time.Second, 3)
		var ends []time.Duration
		cfg.OnRound = func(r *Round) error {
			require.True(s.t, r.Late)
			require.True(s.t, r.Whole)
			ends = append(ends, s.elapsed())
			return nil
		}
		w, err := NewWatcher(cfg, s.spy, sink)
		require.NoError(s.t, err)
		require.NoError(s.t, w.Run(s.t.Context(), listSource(5)))
		require.Len(s.t, ends, 3)
		require.Greater(s.t, ends[1]-ends[0], 7*time.Second)
		for ip := range parseEvents(s.t, sink.lines) {
			require.Empty(s.t, ip, "a server that never answered is never gone")
		}
	})
}

func TestWatchYieldsEvents(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := watchConfig(20*time.Second, 2)
		watch := func(ctx context.Context) iter.Seq2[*output.Event, error] {
			return func(yield func(*output.Event, error) bool) { watchOver(ctx, cfg, s.spy, listSource(10), yield) }
		}
		kinds := map[output.EventKind]int{}
		for e, err := range watch(s.t.Context()) {
			require.NoError(s.t, err)
			if kinds[e.Kind]++; e.Kind == output.Appeared {
				var r output.Record
				require.NoError(s.t, output.Unmarshal(e.Record, &r))
				require.Equal(s.t, e.Addr, r.Addr)
			}
		}
		require.Equal(s.t, map[output.EventKind]int{output.Appeared: 10, output.RoundEnded: 2}, kinds)
		for range watch(s.t.Context()) {
			break
		}
		ctx, cancel := context.WithCancel(s.t.Context())
		defer cancel()
		var last error
		for e, err := range watch(ctx) {
			if last = err; e != nil {
				cancel()
			}
		}
		require.ErrorIs(s.t, last, context.Canceled)
	})
}

// A state of other fields keeps who was there, and compares nothing.
func TestWatchStateOfOtherFields(t *testing.T) {
	fields := func(list string) (f output.Fields) {
		require.NoError(t, f.UnmarshalText([]byte(list)))
		return f
	}
	virtual(t, func(s *scan) {
		sink := new(eventLog)
		var state []byte
		for i, list := range []string{"map", "map,name", "map"} {
			cfg := watchConfig(20*time.Second, 1)
			cfg.Fields = fields(list)
			var w *Watcher
			cfg.OnRound = func(r *Round) error {
				state = stateOf(t, w, r.Event)
				require.EqualValues(s.t, i+1, r.Number)
				return nil
			}
			w, err := NewWatcher(cfg, s.spy, sink)
			require.NoError(s.t, err)
			require.NoError(s.t, w.Resume(bytes.NewReader(state), nil))
			require.NoError(s.t, w.Run(s.t.Context(), listSource(10)))
		}
		events := parseEvents(s.t, sink.lines)
		require.Len(s.t, events, 11)
		for ip, list := range events {
			require.Len(s.t, list, map[bool]int{true: 3, false: 1}[ip == ""])
		}
	})
}

// FuzzWatchState: no state and no file of events makes Resume panic, and what it took in can
// be written and read again.
func FuzzWatchState(f *testing.F) {
	head := `{"schema":1,"watch":"state","round":7,"fields":"map","event":""}` + "\n"
	f.Add(head+`{"addr":"192.0.2.1:27015","phase":"up","silent":1,"time":1,"state":"A3Rt"}`+"\n",
		`{"schema":1,"event":"gone","time":"2026-12-01T09:00:00.000000Z","round":8,"ip":"192.0.2.1","port":27015,"tag":null,"changes":null,"record":null}`)
	f.Add(head, `{"event":"round","round":7}`)
	f.Add("", "{}")
	var fields output.Fields
	require.NoError(f, fields.UnmarshalText([]byte("map")))
	fresh := func() *Watcher { return &Watcher{cfg: WatchConfig{Fields: fields}, known: newKnown(fields, 3)} }
	f.Fuzz(func(t *testing.T, state, events string) {
		w := fresh()
		err := w.Resume(strings.NewReader(state), func(each func([]byte) error) error {
			for line := range strings.Lines(events) {
				if err := each([]byte(line)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return
		}
		written := stateOf(t, w, w.pending)
		again := fresh()
		require.NoError(t, again.Resume(bytes.NewReader(written), nil))
		require.Equal(t, string(written), string(stateOf(t, again, w.pending)))
	})
}
