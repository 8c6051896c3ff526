// Package report summarizes datasets: counts, distributions and suspicious
// servers, as text, as JSON and as a page.
//
// Memory is bounded however many records there are. Rows that do not fit are
// sorted on disk, so all counts are exact.
package report

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/a2scan/a2scan/internal/extsort"
	"github.com/a2scan/a2scan/internal/jsontext"
	"github.com/a2scan/a2scan/output"
)

// A Report is the summary of a dataset, with the keys of `a2scan report --json`.
type Report struct {
	Records      uint64      `json:"records"`    // each address once
	Duplicates   uint64      `json:"duplicates"` // older records of the same addresses
	Files        []string    `json:"files"`
	Statuses     Counts      `json:"statuses"`
	Sections     Sections    `json:"sections"`
	Shards       Shards      `json:"shards"`
	Complete     *bool       `json:"complete"` // nil: there is no metadata that says so
	Servers      uint64      `json:"servers"`  // records whose INFO succeeded
	Players      Players     `json:"players"`
	Suspect      Suspect     `json:"suspect"`
	RTT          Percentiles `json:"rtt_ms"`
	Games        []Game      `json:"games"`
	Maps         []Map       `json:"maps"`
	Versions     []Version   `json:"versions"`
	Environments Counts      `json:"environments"`
	ServerTypes  Counts      `json:"server_types"`
	VAC          Counts      `json:"vac"`
	Passwords    Counts      `json:"passwords"`
	Hosts        []Host      `json:"hosts"`
	Errors       []Error     `json:"errors"`
}

// Sections are the statuses of each query. Those not asked for are not counted.
type Sections struct {
	Info    Counts `json:"info"`
	Players Counts `json:"players"`
	Rules   Counts `json:"rules"`
}

// Shards tells which parts of a scan the files hold, according to their metadata.
type Shards struct {
	Of      *int  `json:"of"` // nil: there is no metadata
	Present []int `json:"present"`
	Missing []int `json:"missing"`
}

// Players are sums over all servers.
type Players struct {
	Reported uint64 `json:"reported"` // by INFO: players_actual if known, else players
	Listed   uint64 `json:"listed"`   // entries of PLAYER lists
	Bots     uint64 `json:"bots"`
	Max      uint64 `json:"max"`
}

// Suspect counts the servers whose statements contradict each other.
type Suspect struct {
	Servers uint64 `json:"servers"`
	Reasons Counts `json:"reasons"` // a server can have several
}

// Percentiles are those of rtt_ms, by nearest rank; nil if no record has one.
type Percentiles struct {
	P50 *float64 `json:"p50"`
	P90 *float64 `json:"p90"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

// A Game is the servers with the same app id and game text.
type Game struct {
	AppID      uint32 `json:"app_id"`
	Game       string `json:"game"`
	Servers    uint64 `json:"servers"`
	Players    uint64 `json:"players"`
	MaxPlayers uint64 `json:"max_players"`
}

// A Map is the servers with the same game text and map.
type Map struct {
	Game    string `json:"game"`
	Map     string `json:"map"`
	Servers uint64 `json:"servers"`
	Players uint64 `json:"players"`
}

// A Version is the servers with the same game text and version.
type Version struct {
	Game    string `json:"game"`
	Version string `json:"version"`
	Servers uint64 `json:"servers"`
	Players uint64 `json:"players"`
}

// A Host is the servers of one IP address.
type Host struct {
	IP      string `json:"ip"`
	Servers uint64 `json:"servers"`
	Players uint64 `json:"players"`
}

// An Error is the records with the same error text.
type Error struct {
	Error string `json:"error"`
	Count uint64 `json:"count"`
}

// Counts is an object of counts, in the order of its list.
type Counts []Count

// A Count is one member of Counts.
type Count struct {
	Name string
	N    uint64
}

// MarshalJSON returns the object.
func (c Counts) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range c {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, m.Name)
		b = append(b, ':')
		b = strconv.AppendUint(b, m.N, 10)
	}
	return append(b, '}'), nil
}

// Get returns the count of name.
func (c Counts) Get(name string) uint64 {
	for _, m := range c {
		if m.Name == name {
			return m.N
		}
	}
	return 0
}

// AppendJSON appends r as one line.
func (r *Report) AppendJSON(dst []byte) ([]byte, error) {
	dst, err := jsontext.AppendValue(dst, r)
	return append(dst, '\n'), err
}

// A File is a file of records with its metadata.
type File struct {
	Name string    `json:"name"`
	Cut  bool      `json:"cut"`  // it ends in the middle of a record, or has damaged lines
	Meta *Metadata `json:"meta"` // nil: there is none
}

// A Metadata is the part of a scan's metadata that the report uses.
type Metadata struct {
	Version     string     `json:"version"`
	CommandLine string     `json:"command_line"`
	Start       *time.Time `json:"start"`
	End         *time.Time `json:"end"`
	DurationS   float64    `json:"duration_s"`
	EndReason   string     `json:"end_reason"` // empty: the scan is running, or was killed
	Shard       int        `json:"shard"`
	Shards      int        `json:"shards"`
	Targets     uint64     `json:"targets"`
	Sent        uint64     `json:"sent"`
	Received    uint64     `json:"received"`
	Dropped     uint64     `json:"dropped"` // by the kernel, for want of buffer
	RatePPS     float64    `json:"rate_pps"`
	Notes       []string   `json:"notes"`
	UserNotes   string     `json:"user_notes"`
}

// Options say how much a Builder keeps.
type Options struct {
	Top     int    // entries of each list
	Page    bool   // keep the data of the page
	TempDir string // empty: the system's
}

// rowMemory bounds the rows that a Builder keeps in memory.
const rowMemory = 48 << 20

// A Row is the part of a record that a Builder needs. It may be set again.
type Row struct {
	rec output.Record
	key []byte
	enc []byte
}

// Parse sets r to the record in line. Any goroutine may call it.
func Parse(line []byte, r *Row) error {
	if err := r.rec.UnmarshalBrief(line); err != nil {
		return err
	}
	var parts row
	parts.set(&r.rec)
	r.key = parts.appendKey(r.key[:0], &r.rec)
	r.enc = parts.append(r.enc[:0])
	return nil
}

// A Builder makes a report of the records it is given.
type Builder struct {
	opts Options
	rows *extsort.Sorter
}

// NewBuilder returns a Builder. Close it.
func NewBuilder(o Options) *Builder {
	return &Builder{opts: o, rows: extsort.New(o.TempDir, rowMemory)}
}

// Add adds a row, of which it keeps nothing. An error is one of temporary files.
func (b *Builder) Add(r *Row) error { return b.rows.Add(r.key, r.enc) }

// Close removes temporary files.
func (b *Builder) Close() error { return b.rows.Close() }

// Result returns the report and, with Options.Page, the page. Call it once, after
// the last Add.
func (b *Builder) Result(files []File) (*Report, *Page, error) {
	s := newSummary(b.opts)
	defer s.close()
	var group []row // of one host, each address once
	var last []byte // the key before
	for e, err := range b.rows.All() {
		if err != nil {
			return nil, nil, err
		}
		sameTarget := last != nil && bytes.Equal(target(last), target(e.Key))
		sameHost := last != nil && host(e.Key) != nil && bytes.Equal(host(last), host(e.Key))
		switch {
		case sameTarget:
			s.report.Duplicates++
			group = group[:len(group)-1] // the later record counts
		case !sameHost:
			if err := s.addHost(group); err != nil {
				return nil, nil, err
			}
			group = group[:0]
		}
		last = append(last[:0], e.Key...)
		var r row
		if err := r.decode(e.Value); err != nil {
			return nil, nil, err
		}
		group = append(group, r)
	}
	if err := s.addHost(group); err != nil {
		return nil, nil, err
	}
	return s.result(files)
}

// A summary counts rows, each address once.
type summary struct {
	opts   Options
	report Report

	statuses                        [output.NumStatuses]uint64
	sections                        [3][output.NumStatuses]uint64
	environments, serverTypes       [8]uint64
	visibilities, vacs              [8]uint64
	reasons                         [numReasons]uint64
	rtt                             histogram
	games, maps, versions, errTexts *counter
	hosts                           topList

	timeline *timeline
	table    *table
	byStatus *counter // errors by status, for the page
}

func newSummary(o Options) *summary {
	s := &summary{opts: o, hosts: topList{n: o.Top}}
	for _, c := range []**counter{&s.games, &s.maps, &s.versions, &s.errTexts, &s.byStatus} {
		*c = newCounter(o.TempDir)
	}
	if o.Page {
		s.timeline, s.table = newTimeline(), newTable()
	}
	return s
}

func (s *summary) close() {
	for _, c := range []*counter{s.games, s.maps, s.versions, s.errTexts, s.byStatus} {
		c.close()
	}
}

// addHost counts the rows of one host.
func (s *summary) addHost(rows []row) error {
	markSame(rows)
	var t tally
	for i := range rows {
		r := &rows[i]
		if r.info {
			t.add(tally{1, count(r.players), 0})
		}
		if err := s.add(r); err != nil {
			return err
		}
	}
	if t.n > 0 {
		s.hosts.offer(string(appendPart(nil, rows[0].addr.Addr().String())), t)
	}
	return nil
}

// markSame finds the rows of a host that report the same as many others.
func markSame(rows []row) {
	if len(rows) < manyServers {
		return
	}
	type words struct {
		name    uint64
		mapName string
		players int
	}
	counts := map[words]int{}
	for i := range rows {
		if r := &rows[i]; r.info {
			counts[words{r.nameHash, r.mapName, r.players}]++
		}
	}
	for i := range rows {
		if r := &rows[i]; r.info && counts[words{r.nameHash, r.mapName, r.players}] >= manyServers {
			r.reasons |= sameOnOneIP
		}
	}
}

// count returns n as a number to add; nothing sensible is negative.
func count(n int) uint64 { return uint64(max(n, 0)) }

func (s *summary) add(r *row) error {
	out := &s.report
	out.Records++
	if int(r.status) < len(s.statuses) {
		s.statuses[r.status]++
	}
	for i, status := range r.sections {
		if int(status) < len(s.statuses) {
			s.sections[i][status]++
		}
	}
	if r.rtt >= 0 {
		s.rtt.add(r.rtt)
	}
	if r.listed >= 0 {
		out.Players.Listed += uint64(r.listed)
	}
	if r.status != output.Success {
		if err := s.errTexts.add(tally{n: 1}, r.err); err != nil {
			return err
		}
		if s.opts.Page {
			if err := s.byStatus.add(tally{n: 1}, r.status.String(), r.err); err != nil {
				return err
			}
		}
	}
	if s.timeline != nil {
		s.timeline.add(r.micros/1e6, r.status == output.Success || r.status == output.Partial)
	}
	if !r.info {
		return nil
	}
	out.Servers++
	out.Players.Reported += count(r.players)
	out.Players.Max += count(r.maxPlayers)
	out.Players.Bots += count(r.bots)
	s.environments[r.environment]++
	s.serverTypes[r.serverType]++
	s.visibilities[r.visibility]++
	s.vacs[r.vac]++
	if r.reasons != 0 {
		out.Suspect.Servers++
		for i := range s.reasons {
			if r.reasons&(1<<i) != 0 {
				s.reasons[i]++
			}
		}
	}
	if s.table != nil {
		s.table.add(r)
	}
	t := tally{1, count(r.players), count(r.maxPlayers)}
	return errors.Join(
		s.games.add(t, r.game, strconv.FormatUint(uint64(r.appID), 10)),
		s.maps.add(t, r.game, r.mapName),
		s.versions.add(t, r.game, r.version))
}

// result completes the report.
func (s *summary) result(files []File) (*Report, *Page, error) {
	r := &s.report
	r.Files = []string{}
	for _, f := range files {
		r.Files = append(r.Files, f.Name)
	}
	r.Shards, r.Complete = completeness(files)
	r.Statuses = statusCounts(&s.statuses)
	r.Sections = Sections{statusCounts(&s.sections[0]), statusCounts(&s.sections[1]), statusCounts(&s.sections[2])}
	for i, n := range s.reasons {
		r.Suspect.Reasons = append(r.Suspect.Reasons, Count{Reasons[i].Name, n})
	}
	r.Environments, r.ServerTypes = environments.counts(&s.environments), serverTypes.counts(&s.serverTypes)
	r.VAC, r.Passwords = vacs.counts(&s.vacs), visibilities.counts(&s.visibilities)
	r.RTT = Percentiles{s.millis(0.5), s.millis(0.9), s.millis(0.99), s.millis(1)}

	r.Games, r.Maps, r.Versions, r.Hosts, r.Errors = []Game{}, []Map{}, []Version{}, []Host{}, []Error{}
	games, numGames, err := s.games.top(s.opts.Top)
	for _, c := range games {
		id, _ := strconv.ParseUint(c.parts[1], 10, 32) // add made it
		r.Games = append(r.Games, Game{uint32(id), c.parts[0], c.n, c.players, c.maxPlayers})
	}
	maps, numMaps, err2 := s.maps.top(s.opts.Top)
	for _, c := range maps {
		r.Maps = append(r.Maps, Map{c.parts[0], c.parts[1], c.n, c.players})
	}
	versions, _, err3 := s.versions.top(s.opts.Top)
	for _, c := range versions {
		r.Versions = append(r.Versions, Version{c.parts[0], c.parts[1], c.n, c.players})
	}
	for _, c := range s.hosts.sorted() {
		r.Hosts = append(r.Hosts, Host{c.parts[0], c.n, c.players})
	}
	reasons, _, err4 := s.errTexts.top(s.opts.Top)
	for _, c := range reasons {
		r.Errors = append(r.Errors, Error{c.parts[0], c.n})
	}
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return nil, nil, err
	}
	if !s.opts.Page {
		return r, nil, nil
	}
	causes, _, err := s.byStatus.top(s.opts.Top)
	if err != nil {
		return nil, nil, err
	}
	p := &Page{report: r, files: files, games: numGames, maps: numMaps, rtt: s.rtt.bars(48), timeline: s.timeline.result(),
		servers: s.table.columns(), causes: causes}
	return r, p, nil
}

// millis returns a percentile of the round trips in milliseconds.
func (s *summary) millis(p float64) *float64 {
	us, ok := s.rtt.percentile(p)
	if !ok {
		return nil
	}
	ms := float64(us) / 1000
	return &ms
}

func statusCounts(n *[output.NumStatuses]uint64) (c Counts) {
	for i, n := range n {
		c = append(c, Count{output.Status(i).String(), n})
	}
	return c
}

func (w words) counts(n *[8]uint64) (c Counts) {
	for i, word := range w {
		c = append(c, Count{word, n[i]})
	}
	return c
}

// completeness tells which shards the files hold, and whether they are everything
// that the scans were to find.
func completeness(files []File) (Shards, *bool) {
	s := Shards{Present: []int{}, Missing: []int{}}
	known, whole := true, true
	present := map[int]bool{}
	for _, f := range files {
		if f.Cut {
			whole = false
		}
		m := f.Meta
		if m == nil {
			known = false
			continue
		}
		if m.EndReason != "complete" {
			whole = false
		}
		if s.Of == nil || m.Shards > *s.Of {
			of := m.Shards
			s.Of = &of
		}
		present[m.Shard] = true
	}
	if s.Of != nil {
		const most = 1 << 16 // shards to list
		for i := range min(*s.Of, most) {
			if present[i] {
				s.Present = append(s.Present, i)
			} else {
				s.Missing = append(s.Missing, i)
				whole = false
			}
		}
	}
	if s.Of == nil || !known && whole {
		return s, nil
	}
	return s, &whole
}
