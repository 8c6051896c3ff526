package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
		var r output.Record
		if err := output.Unmarshal(n.line, &r); err != nil {
			return err
		}
		writeServer(&b, &r)
	}
	_, err := a.stdout.Write(b.Bytes())
	return err
}

// writeServer writes the record of a server for a person.
func writeServer(b *bytes.Buffer, r *output.Record) {
	name := r.Input
	if r.Addr.IsValid() {
		name = r.Addr.String()
		if in := r.Input; in != "" && in != name && in != r.Addr.Addr().String() {
			name = in + " (" + name + ")"
		}
	}
	fmt.Fprintf(b, "%s", clean(name))
	if r.Status != output.Success {
		fmt.Fprintf(b, ": %s: %s", r.Status, clean(r.Error))
	}
	b.WriteByte('\n')
	if r.Info != nil && r.Info.Fields != 0 {
		writeInfo(b, r)
	}
	if p := r.Players; p != nil && p.List != nil {
		writePlayers(b, p)
	}
	if u := r.Rules; u != nil && u.List != nil {
		writeRules(b, u)
	}
}

func writeInfo(b *bytes.Buffer, r *output.Record) {
	i := r.Info
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "  %s\t%s\n", name, value)
		}
	}
	// These two are always shown: empty ones are common.
	fmt.Fprintf(t, "  name\t%s\n  map\t%s\n", clean(i.Name), clean(i.Map))
	game := clean(i.Game)
	if folder := clean(i.Folder); folder != "" {
		game += " (" + folder
		if i.Has(output.InfoAppID) {
			game += ", app " + strconv.FormatUint(uint64(i.AppID), 10)
		}
		game += ")"
	}
	row("game", strings.TrimSpace(game))
	players, most := i.Players, i.MaxPlayers
	if i.Has(output.InfoPlayersActual) {
		players, most = i.PlayersActual, i.MaxPlayersActual
	}
	count := fmt.Sprintf("%d of %d", players, most)
	if i.Bots > 0 {
		count += ", " + plural(uint64(i.Bots), "bot", "bots")
	}
	row("players", count)
	kind := []string{i.ServerType, i.Environment, i.Visibility}
	if i.Has(output.InfoVAC) {
		kind = append(kind, map[bool]string{true: "VAC", false: "no VAC"}[i.VAC])
	}
	row("server", clean(strings.Join(kind, ", ")))
	row("version", fmt.Sprintf("%s (protocol %d, %s)", clean(i.Version), i.Protocol, clean(i.Format)))
	if i.GamePort != 0 {
		row("game port", strconv.Itoa(int(i.GamePort)))
	}
	if i.SpectatorPort != 0 {
		row("spectators", fmt.Sprintf("port %d, %s", i.SpectatorPort, clean(i.SpectatorName)))
	}
	if m := i.Mod; m != nil {
		row("mod", strings.TrimSpace(clean(m.Link)+" "+clean(m.DownloadLink)))
	}
	row("keywords", clean(i.Keywords))
	if i.Has(output.InfoSteamID) {
		row("steam id", strconv.FormatUint(i.SteamID, 10))
	}
	trip := plural(uint64(r.Attempts), "attempt", "attempts")
	if r.RTT >= 0 {
		trip = fmt.Sprintf("%.1f ms, %s", float64(r.RTT)/float64(time.Millisecond), trip)
	}
	row("round trip", trip)
	t.Flush()
}

// cut returns a remark about a list that is not whole.
func cut(truncated bool) string {
	if truncated {
		return ", cut short by the server"
	}
	return ""
}

func writePlayers(b *bytes.Buffer, p *output.Players) {
	fmt.Fprintf(b, "\n  %s%s\n", plural(uint64(len(p.List)), "player", "players"), cut(p.Truncated))
	if len(p.List) == 0 {
		return
	}
	// The name comes last because its width on a screen is unknown.
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "  score\ttime\t  name\n")
	for _, q := range p.List {
		played := "-"
		if q.Duration >= 0 && q.Duration < 1e9 { // not NaN either
			played = formatDuration(time.Duration(float64(q.Duration) * float64(time.Second)).Round(time.Second))
		}
		name := clean(q.Name)
		if p.Ship {
			name += fmt.Sprintf(" (%d deaths, %d money)", q.Deaths, q.Money)
		}
		fmt.Fprintf(t, "  %d\t%s\t  %s\n", q.Score, played, name)
	}
	t.Flush()
}

func writeRules(b *bytes.Buffer, u *output.Rules) {
	fmt.Fprintf(b, "\n  %s%s\n", plural(uint64(len(u.List)), "rule", "rules"), cut(u.Truncated))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, q := range u.List {
		fmt.Fprintf(t, "    %s\t%s\n", truncate(clean(q.Name), 40), clean(q.Value))
	}
	t.Flush()
	if x := u.A3SB; x != nil {
		fmt.Fprintf(b, "\n  %s%s\n", plural(uint64(len(x.Mods)), "mod", "mods"), cut(x.Truncated))
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for _, m := range x.Mods {
			fmt.Fprintf(t, "    %d\t%s\n", m.ID, clean(m.Name))
		}
		t.Flush()
	}
}
