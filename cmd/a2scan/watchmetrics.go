package main

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/a2scan/a2scan/internal/metrics"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
)

// A metricsServer collects the metrics of a watch and serves them. A nil one does nothing.
type metricsServer struct {
	handler *metrics.Handler
	server  *http.Server
	most    int // servers with metrics of their own

	// Of the round that runs. They belong to the writer's goroutine of the round, and
	// between rounds to the watch.
	servers map[netip.AddrPort]metrics.Server
	many    bool
	games   map[string]metrics.Game

	totals metrics.Totals
	text   []byte
	limit  time.Duration // in which a round must end
	begun  bool          // the first round has begun
}

// metricsOff is the value of --metrics that turns them off.
const metricsOff = "off"

// openMetrics begins to serve metrics. If the default address is in use, the watch goes on
// without them.
func (r *watchRun) openMetrics() error {
	addr := r.options.metrics
	if addr == metricsOff {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if !r.flags.Changed("metrics") {
			r.ui.sayf("no metrics: %s", clean(err.Error()))
			r.ui.hintf("choose another address with --metrics ADDR, or turn them off with --metrics off")
			return nil
		}
		return withHint(usagef("--metrics: %w", err), "use a free address such as 127.0.0.1:9138, or off")
	}
	m := &metricsServer{handler: new(metrics.Handler), most: r.options.metricsServers}
	m.reset()
	m.server = &http.Server{Handler: m.handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := m.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.ui.sayf("the metrics ended: %s", clean(err.Error()))
		}
	}()
	r.ui.notef("metrics at http://%s/metrics", l.Addr())
	r.metrics = m
	return nil
}

func (m *metricsServer) reset() {
	m.servers, m.games, m.many = map[netip.AddrPort]metrics.Server{}, map[string]metrics.Game{}, false
}

// close ends the serving.
func (m *metricsServer) close() {
	if m != nil {
		_ = m.server.Close()
	}
}

// add takes in a record of the round.
func (m *metricsServer) add(r *output.Record) {
	if m == nil || r.Status == output.Aborted || !r.Addr.IsValid() {
		return
	}
	if !m.begun {
		m.begun = true
		m.handler.Publish(m.text, time.Now().Add(m.limit))
	}
	s := metrics.Server{Target: r.Target().String(), Up: r.Answered(), RTT: r.RTT}
	if i := r.Info; i != nil && i.Status == output.Success {
		players, most := playersOf(i)
		s.Name, s.Map, s.Game, s.Version = label(i.Name), label(i.Map), label(i.Game), label(i.Version)
		s.Players, s.MaxPlayers, s.Bots = uint64(max(players, 0)), uint64(max(most, 0)), uint64(i.Bots)
		if s.Game == "" {
			s.Game = label(i.Folder)
		}
		g := m.games[s.Game]
		m.games[s.Game] = metrics.Game{Servers: g.Servers + 1, Players: g.Players + s.Players}
	}
	if m.many {
		return
	}
	if m.servers[r.Target()] = s; len(m.servers) > m.most {
		m.many = true
		clear(m.servers)
	}
}

// label returns a copy of the part of a text that metrics show: a server may send a
// megabyte.
func label(text string) string { return strings.Clone(text[:min(len(text), metrics.LongestLabel)]) }

// publish makes the metrics of a round that has ended the present ones. A round that was
// stopped adds to the counters only; nil is the beginning.
func (m *metricsServer) publish(o *watchOptions, round *scanner.Round) {
	if m == nil {
		return
	}
	t := &m.totals
	t.Interval = o.cfg.Interval
	now := time.Now()
	if t.Start.IsZero() {
		t.Start = now
	}
	var servers []metrics.Server
	games := map[string]metrics.Game{}
	if round != nil {
		t.PacketsSent += round.Stats.Sent
		t.PacketsReceived += round.Stats.Received
		t.Drops += round.Stats.Drops
		c := &round.Counts
		t.Appeared += c.Events[output.Appeared]
		t.Changed += c.Events[output.Changed]
		t.Gone += c.Events[output.Gone]
		t.Returned += c.Events[output.Returned]
		if !round.Whole {
			return
		}
		t.Rounds++
		if round.Late {
			t.LateRounds++
		}
		t.LastStart, t.LastEnd = round.Start, round.End
		t.Targets, t.Answered = int(c.Targets), int(c.Statuses.Answered())
		for _, s := range m.servers {
			servers = append(servers, s)
		}
		games = m.games
	}
	m.text = metrics.Append(nil, t, games, servers)
	// The next round begins an interval after this one, and has as long again.
	m.limit = 2*o.cfg.Interval + o.scan.ask.cfg.TargetTimeout
	var healthy time.Time
	if round != nil {
		healthy = now.Add(m.limit)
	}
	m.handler.Publish(m.text, healthy)
	m.reset()
}
