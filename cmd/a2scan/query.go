package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

func queryCommand() *command {
	return &command{
		name:     "query",
		synopsis: "TARGET…",
		short:    "show one server, or a few",
		long: `Shows info, players and rules of each TARGET (host, host:port, [v6]:port) as a table for people, or
		with --json as the record that scan would write. Exit status 1 means that none of them answered.`,
		examples: []string{
			"a2scan query gs1.example.net",
			"a2scan query --json 192.0.2.7:27016 | jq .info",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := &queryOptions{ask: newAskOptions(), ports: targets.OnePort(targets.DefaultPort)}
			o.ask.cfg.Kinds = proto.WantInfo | proto.WantPlayers | proto.WantRules
			fs.group("Output", func() {
				fs.toggle(&o.json, "json", "", "print records instead of tables")
				fs.toggle(&o.ask.cfg.Raw, "raw", "", "with --json, keep every datagram, in base64")
			})
			fs.group("What to query", func() {
				o.ask.registerQueries(fs)
				fs.ports(&o.ports, "target-ports", "p", "ports for targets that name none")
			})
			fs.group("Timeouts and retries", func() { o.ask.registerTimeouts(fs) })
			fs.group("Network socket", func() {
				add(fs, &o.ask.sourceIP, "source-ip", "S", "ADDRESS", "send from this address", parseAddr, formatAddr)
				fs.count(&o.ask.port, "source-port", "", "PORT", "send from this port")
			})
			return func(a *app, args []string) error { return a.query(o, args) }
		},
	}
}

type queryOptions struct {
	ask   askOptions
	ports targets.Ports
	json  bool
}

// maxQuery bounds the servers that query asks: their records are all held in
// memory, and more than a person reads.
const maxQuery = 1000

func (a *app) query(o *queryOptions, args []string) error {
	if len(args) == 0 {
		return withHint(usagef("no servers to ask"), "a2scan query HOST[:PORT]…")
	}
	if err := o.ask.validate(); err != nil {
		return &usageError{err}
	}
	o.ask.cfg.Seed = randomSeed()
	var wrong []error
	list, err := targets.NewList(targets.Config{
		Args:       args,
		Ports:      o.ports,
		Dedup:      true,
		MaxTargets: maxQuery + 1,
		AllowHuge:  true,
		Log:        func(_ string, _ int, msg string) { wrong = append(wrong, errors.New(clean(msg))) },
	})
	if err != nil {
		return err
	}
	defer list.Close()
	if len(wrong) > 0 {
		return &usageError{errors.Join(wrong...)}
	}
	if n, _ := list.Size(); n > maxQuery {
		return withHint(usagef("too many servers to look at, the most is %d", maxQuery), "a2scan scan is for many")
	}
	port, err := a.openSocket(&o.ask)
	if err != nil {
		return err
	}
	defer port.Close()

	records := &memorySink{}
	s, err := scanner.New(o.ask.cfg, port, list, records)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := a.watchSignals(func() { cancel(); s.Abort() }, s.Abort)
	result, err := s.Run(ctx)
	stopped := w.stop()
	if err != nil {
		return err
	}
	if err := a.printRecords(records.lines, o.json); err != nil {
		return err
	}
	if result.Reason == scanner.EndInterrupted {
		return stopped
	}
	if result.Stats.Statuses[output.Success]+result.Stats.Statuses[output.Partial] == 0 {
		return errSilent
	}
	return nil
}

// errSilent makes the exit status 1 where the records have said everything.
var errSilent = errors.New("no server answered")

// A memorySink is a Sink of records that are to be looked at.
type memorySink struct{ lines []byte }

func (m *memorySink) WriteLines(p []byte) error { m.lines = append(m.lines, p...); return nil }
func (m *memorySink) Sync() (int64, error)      { return int64(len(m.lines)), nil }
func (m *memorySink) Close() error              { return nil }

// printRecords prints records in the order of their targets.
func (a *app) printRecords(lines []byte, asJSON bool) error {
	type numbered struct {
		seq  uint64
		line []byte
	}
	var all []numbered
	for line := range bytes.Lines(lines) {
		seq, _ := output.Seq(bytes.TrimSuffix(line, []byte{'\n'}))
		all = append(all, numbered{seq, line})
	}
	slices.SortFunc(all, func(a, b numbered) int { return int(a.seq) - int(b.seq) })
	var b bytes.Buffer
	for i, n := range all {
		if asJSON {
			b.Write(n.line)
			continue
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		var r output.ParsedRecord
		if err := json.Unmarshal(n.line, &r); err != nil {
			return err
		}
		writeServer(&b, &r)
	}
	_, err := a.stdout.Write(b.Bytes())
	return err
}

// writeServer writes what a server said, for a person.
func writeServer(b *bytes.Buffer, r *output.ParsedRecord) {
	name := deref(r.Input)
	if r.IP != nil && r.Port != nil {
		if ip, err := netip.ParseAddr(*r.IP); err == nil {
			name = netip.AddrPortFrom(ip, *r.Port).String()
		}
		if in := deref(r.Input); in != "" && in != name && in != *r.IP {
			name = in + " (" + name + ")"
		}
	}
	fmt.Fprintf(b, "%s", clean(name))
	if r.Error != nil {
		fmt.Fprintf(b, ": %s: %s", r.Status, clean(*r.Error))
	}
	b.WriteByte('\n')
	if r.Info != nil && r.Info.Status == output.Success {
		writeInfo(b, r)
	}
	if p := r.Players; p != nil && p.Status == output.Success {
		writePlayers(b, p)
	}
	if u := r.Rules; u != nil && u.Status == output.Success {
		writeRules(b, u)
	}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func writeInfo(b *bytes.Buffer, r *output.ParsedRecord) {
	i := r.Info
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "  %s\t%s\n", name, value)
		}
	}
	// These two are always shown: empty ones are common.
	fmt.Fprintf(t, "  name\t%s\n  map\t%s\n", clean(deref(i.Name)), clean(deref(i.Map)))
	game := clean(deref(i.Game))
	if folder := clean(deref(i.Folder)); folder != "" {
		game += " (" + folder
		if i.AppID != nil {
			game += ", app " + strconv.FormatUint(uint64(*i.AppID), 10)
		}
		game += ")"
	}
	row("game", strings.TrimSpace(game))
	players, most := deref(i.Players), deref(i.MaxPlayers)
	if i.PlayersActual != nil {
		players, most = *i.PlayersActual, deref(i.MaxPlayersActual)
	}
	count := fmt.Sprintf("%d of %d", players, most)
	if n := deref(i.Bots); n > 0 {
		count += ", " + plural(uint64(n), "bot", "bots")
	}
	row("players", count)
	kind := []string{deref(i.ServerType), deref(i.Environment), deref(i.Visibility)}
	if i.VAC != nil {
		kind = append(kind, map[bool]string{true: "VAC", false: "no VAC"}[*i.VAC])
	}
	row("server", strings.Join(kind, ", "))
	row("version", fmt.Sprintf("%s (protocol %d, %s)", clean(deref(i.Version)), deref(i.Protocol), deref(i.Format)))
	if p := deref(i.GamePort); p != 0 {
		row("game port", strconv.Itoa(int(p)))
	}
	if p := deref(i.SpectatorPort); p != 0 {
		row("spectators", fmt.Sprintf("port %d, %s", p, clean(deref(i.SpectatorName))))
	}
	if m := i.Mod; m != nil {
		row("mod", strings.TrimSpace(clean(m.Link)+" "+clean(m.DownloadLink)))
	}
	row("keywords", clean(deref(i.Keywords)))
	row("steam id", deref(i.SteamID))
	trip := plural(uint64(r.Attempts), "try", "tries")
	if r.RTTMS != nil {
		trip = fmt.Sprintf("%.1f ms, %s", *r.RTTMS, trip)
	}
	row("round trip", trip)
	t.Flush()
}

// cut says that a list stops short.
func cut(truncated bool) string {
	if truncated {
		return ", cut short by the server"
	}
	return ""
}

func writePlayers(b *bytes.Buffer, p *output.ParsedPlayers) {
	fmt.Fprintf(b, "\n  %s%s\n", plural(uint64(len(p.List)), "player", "players"), cut(p.Truncated))
	if len(p.List) == 0 {
		return
	}
	// The name comes last: nobody knows how wide it is on a screen.
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "  score\ttime\t  name\n")
	for _, q := range p.List {
		played := "-"
		if q.DurationS != nil && *q.DurationS >= 0 && *q.DurationS < 1e9 {
			played = formatDuration(time.Duration(*q.DurationS * float64(time.Second)).Round(time.Second))
		}
		name := clean(q.Name)
		if q.Deaths != nil && q.Money != nil {
			name += fmt.Sprintf(" (%d deaths, %d money)", *q.Deaths, *q.Money)
		}
		fmt.Fprintf(t, "  %d\t%s\t  %s\n", q.Score, played, name)
	}
	t.Flush()
}

func writeRules(b *bytes.Buffer, u *output.ParsedRules) {
	fmt.Fprintf(b, "\n  %s%s\n", plural(uint64(len(u.List)), "rule", "rules"), cut(u.Truncated))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, q := range u.List {
		fmt.Fprintf(t, "    %s\t%s\n", truncate(clean(q.Name), 40), clean(q.Value))
	}
	t.Flush()
	if x := u.A3SB; x != nil {
		fmt.Fprintf(b, "\n  %s\n", plural(uint64(len(x.Mods)), "mod", "mods"))
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for _, m := range x.Mods {
			fmt.Fprintf(t, "    %s\t%s\n", m.ID, clean(m.Name))
		}
		t.Flush()
	}
}
