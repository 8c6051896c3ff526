package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"io"
	"time"

	"github.com/a2scan/a2scan/internal/display"
)

// A Page is a report with the data that only its HTML form shows.
type Page struct {
	report   *Report
	files    []File
	games    uint64 // distinct ones
	maps     uint64
	rtt      []Bar
	timeline Timeline
	servers  *Columns
	causes   []counted
}

// pageData is the input of the page's script. All text in it is clean and short.
type pageData struct {
	Made     time.Time `json:"made"`
	Tool     string    `json:"tool"`
	Report   *Report   `json:"report"`
	Files    []File    `json:"files"`
	Games    uint64    `json:"games"`
	Maps     uint64    `json:"maps"`
	RTT      []Bar     `json:"rtt"`
	Timeline Timeline  `json:"timeline"`
	Causes   []Cause   `json:"causes"`
	Reasons  []Reason  `json:"reasons"`
	Servers  *Columns  `json:"servers"`
}

// A Cause is the records with the same status and error text.
type Cause struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	N      uint64 `json:"n"`
}

var (
	//go:embed page/page.html
	pageHTML []byte
	//go:embed page/page.css
	pageCSS []byte
	//go:embed page/page.js
	pageJS []byte
)

// Write writes the page: one HTML file that needs no network. made is the time it
// shows, tool the program and its version.
//
// Text of servers is only ever in the page's data, a JSON block that no browser
// runs. The script puts it on the page as text. The Content-Security-Policy allows
// this script and this style and nothing else.
func (p *Page) Write(w io.Writer, made time.Time, tool string) error {
	data, err := json.Marshal(p.data(made, tool)) // which escapes <, > and &
	if err != nil {
		return err
	}
	page := pageHTML
	for _, part := range []struct {
		mark string
		text []byte
	}{
		{"{{script-hash}}", hash(pageJS)},
		{"{{style-hash}}", hash(pageCSS)},
		{"{{style}}", pageCSS},
		{"{{data}}", data}, // in which no mark is looked for
		{"{{script}}", pageJS},
	} {
		before, after, found := bytes.Cut(page, []byte(part.mark))
		if !found {
			panic("report: page.html lacks " + part.mark)
		}
		if _, err := w.Write(before); err != nil {
			return err
		}
		if _, err := w.Write(part.text); err != nil {
			return err
		}
		page = after
	}
	_, err = w.Write(page)
	return err
}

// hash returns the source expression of a script or style for the policy.
func hash(text []byte) []byte {
	sum := sha256.Sum256(text)
	return []byte("'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
}

func (p *Page) data(made time.Time, tool string) *pageData {
	d := &pageData{Made: made.UTC(), Tool: tool, Report: p.cleanReport(), Games: p.games, Maps: p.maps,
		RTT: p.rtt, Timeline: p.timeline, Causes: []Cause{}, Reasons: Reasons[:], Servers: p.servers}
	for _, c := range p.causes {
		d.Causes = append(d.Causes, Cause{c.parts[0], display.Short(c.parts[1], 200), c.n})
	}
	for _, f := range p.files {
		f.Name = display.Short(f.Name, 200)
		if f.Meta != nil {
			m := *f.Meta
			m.CommandLine = display.Short(m.CommandLine, 1000)
			m.UserNotes = display.Short(m.UserNotes, 1000)
			notes := m.Notes
			m.Notes = []string{}
			for _, n := range notes[:min(len(notes), 20)] {
				m.Notes = append(m.Notes, display.Short(n, 300))
			}
			f.Meta = &m
		}
		d.Files = append(d.Files, f)
	}
	return d
}

// short is foreign text as the page shows it.
func short(s string) string { return display.Short(s, 64) }

// cleanReport returns a copy of the report whose texts are clean and short.
func (p *Page) cleanReport() *Report {
	r := *p.report
	r.Files = nil
	r.Games = each(r.Games, func(g *Game) { g.Game = short(g.Game) })
	r.Maps = each(r.Maps, func(m *Map) { m.Game, m.Map = short(m.Game), short(m.Map) })
	r.Versions = each(r.Versions, func(v *Version) { v.Game, v.Version = short(v.Game), short(v.Version) })
	r.Errors = each(r.Errors, func(e *Error) { e.Error = short(e.Error) })
	return &r
}

// each returns a copy of list with change made to every element.
func each[T any](list []T, change func(*T)) []T {
	out := append([]T{}, list...)
	for i := range out {
		change(&out[i])
	}
	return out
}
