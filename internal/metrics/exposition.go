// Package metrics writes the state of a watch in the text format of Prometheus and serves
// it over HTTP.
package metrics

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Server is the state of a server at the end of a round.
type Server struct {
	Target                   string // ip:port
	Up                       bool   // it answered in the last round; otherwise only Target counts
	Name, Map, Game, Version string
	Players, MaxPlayers      uint64
	Bots                     uint64
	RTT                      time.Duration // negative: not measured
}

// A Game sums up the servers of a game that answered in the last round.
type Game struct{ Servers, Players uint64 }

// Totals count since the start of the watch.
type Totals struct {
	Rounds, LateRounds                  uint64
	PacketsSent, PacketsReceived, Drops uint64
	Appeared, Changed, Gone, Returned   uint64
	Start                               time.Time // of the watch
	LastStart, LastEnd                  time.Time // of the last whole round
	Targets, Answered                   int       // in the last whole round
	Interval                            time.Duration
}

// mostGames bounds the series per game. Servers choose the names of their games, so the
// rest is summed up as otherGame.
const (
	mostGames = 200
	otherGame = "other"
)

// Append appends the metrics in the text format. Each name has HELP and TYPE lines. Without
// servers (there are too many of them) only totals and games are written.
func Append(dst []byte, t *Totals, games map[string]Game, servers []Server) []byte {
	w := writer{dst}
	w.family("a2scan_rounds_total", "counter", "Rounds that asked every server.").value("", float64(t.Rounds))
	w.family("a2scan_late_rounds_total", "counter", "Rounds that took longer than the interval.").value("", float64(t.LateRounds))
	w.family("a2scan_packets_sent_total", "counter", "Packets sent.").value("", float64(t.PacketsSent))
	w.family("a2scan_packets_received_total", "counter", "Packets received.").value("", float64(t.PacketsReceived))
	w.family("a2scan_receive_drops_total", "counter", "Packets that this machine dropped because the receive buffer was full.").value("", float64(t.Drops))
	events := w.family("a2scan_events_total", "counter", "Events by kind.")
	for _, e := range []struct {
		kind string
		n    uint64
	}{{"appeared", t.Appeared}, {"changed", t.Changed}, {"gone", t.Gone}, {"returned", t.Returned}} {
		events.value(`{event="`+e.kind+`"}`, float64(e.n))
	}
	w.family("a2scan_interval_seconds", "gauge", "Time between the beginnings of two rounds.").value("", t.Interval.Seconds())
	if !t.Start.IsZero() {
		w.family("a2scan_start_timestamp_seconds", "gauge", "Start of the watch, in seconds since 1970.").value("", float64(t.Start.UnixMilli())/1000)
	}
	w.family("a2scan_targets", "gauge", "Targets in the last round.").value("", float64(t.Targets))
	w.family("a2scan_targets_answered", "gauge", "Targets that answered in the last round.").value("", float64(t.Answered))
	if !t.LastEnd.IsZero() {
		w.family("a2scan_round_duration_seconds", "gauge", "Duration of the last round.").value("", t.LastEnd.Sub(t.LastStart).Seconds())
		w.family("a2scan_last_round_timestamp_seconds", "gauge", "End of the last round, in seconds since 1970.").value("", float64(t.LastEnd.UnixMilli())/1000)
	}
	w.games(games)
	w.servers(servers)
	return w.dst
}

// writer appends to dst.
type writer struct{ dst []byte }

// sample is a writer of the samples of one metric.
type sample struct {
	*writer
	name string
}

func (w *writer) family(name, kind, help string) sample {
	w.dst = append(w.dst, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"...)
	return sample{w, name}
}

// value appends a sample; labels are in braces, or empty.
func (s sample) value(labels string, v float64) {
	s.dst = append(s.dst, s.name...)
	s.dst = append(s.dst, labels...)
	s.dst = append(s.dst, ' ')
	s.dst = strconv.AppendFloat(s.dst, v, 'f', -1, 64)
	s.dst = append(s.dst, '\n')
}

func (w *writer) games(games map[string]Game) {
	bounded := make(map[string]Game, min(len(games), mostGames+1))
	names := slices.SortedFunc(maps.Keys(games), func(a, b string) int {
		return cmp.Or(cmp.Compare(games[b].Servers, games[a].Servers), cmp.Compare(a, b))
	})
	for i, name := range names {
		g, label := games[name], clean(name)
		if i >= mostGames {
			label = otherGame
		}
		sum := bounded[label]
		bounded[label] = Game{sum.Servers + g.Servers, sum.Players + g.Players}
	}
	labels := slices.Sorted(maps.Keys(bounded))
	servers := w.family("a2scan_game_servers", "gauge", "Servers of a game that answered in the last round.")
	for _, l := range labels {
		servers.value(`{game="`+escape(l)+`"}`, float64(bounded[l].Servers))
	}
	players := w.family("a2scan_game_players", "gauge", "Players on the servers of a game, by INFO.")
	for _, l := range labels {
		players.value(`{game="`+escape(l)+`"}`, float64(bounded[l].Players))
	}
}

func (w *writer) servers(servers []Server) {
	if len(servers) == 0 {
		return
	}
	slices.SortFunc(servers, func(a, b Server) int { return cmp.Compare(a.Target, b.Target) })
	each := func(name, help string, value func(*Server) (float64, bool)) {
		f := w.family(name, "gauge", help)
		for i := range servers {
			if v, ok := value(&servers[i]); ok {
				f.value(`{target="`+escape(clean(servers[i].Target))+`"}`, v)
			}
		}
	}
	each("a2scan_server_up", "1 if the server answered in the last round, else 0.", func(s *Server) (float64, bool) {
		if s.Up {
			return 1, true
		}
		return 0, true
	})
	each("a2scan_server_players", "Players, by INFO.", func(s *Server) (float64, bool) { return float64(s.Players), s.Up })
	each("a2scan_server_max_players", "Slots, by INFO.", func(s *Server) (float64, bool) { return float64(s.MaxPlayers), s.Up })
	each("a2scan_server_bots", "Bots, by INFO.", func(s *Server) (float64, bool) { return float64(s.Bots), s.Up })
	each("a2scan_server_rtt_seconds", "Round-trip time of the last answer.", func(s *Server) (float64, bool) { return s.RTT.Seconds(), s.Up && s.RTT >= 0 })
	info := w.family("a2scan_server_info", "gauge", "The texts of INFO as labels; the value is always 1.")
	for i := range servers {
		if s := &servers[i]; s.Up {
			info.value(`{target="`+escape(clean(s.Target))+`",name="`+escape(clean(s.Name))+`",map="`+escape(clean(s.Map))+
				`",game="`+escape(clean(s.Game))+`",version="`+escape(clean(s.Version))+`"}`, 1)
		}
	}
}

// LongestLabel bounds a label's value, in bytes: a server may send 64 KB as its name.
const LongestLabel = 256

// clean returns text as a label's value: valid UTF-8 without control characters.
func clean(text string) string {
	if len(text) > LongestLabel {
		text = text[:LongestLabel]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// escape writes a label's value as the format wants it.
func escape(value string) string { return escaper.Replace(value) }
