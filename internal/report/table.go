package report

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/a2scan/a2scan/internal/display"
)

// A table collects the servers that the page lists: those with the most players, if
// there are more than a page should hold.
type table struct {
	total uint64
	rows  []row
}

const (
	maxTable = 100_000 // servers on a page
	maxBytes = 12 << 20
)

func newTable() *table { return &table{} }

func (t *table) add(r *row) {
	t.total++
	t.rows = append(t.rows, *r)
	if len(t.rows) >= 2*maxTable {
		t.cut(maxTable)
	}
}

// cut keeps the n servers with the most players.
func (t *table) cut(n int) {
	slices.SortFunc(t.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.players, a.players), a.addr.Compare(b.addr))
	})
	clear(t.rows[min(n, len(t.rows)):])
	t.rows = t.rows[:min(n, len(t.rows))]
}

// Columns are the servers of the page, in the order of their addresses. Texts that
// repeat are indexes into Texts, which is in the order of the alphabet.
type Columns struct {
	Total    uint64   `json:"total"` // of the dataset
	Texts    []string `json:"texts"`
	Name     []string `json:"name"`
	NameRank []int    `json:"name_rank"` // its place in the alphabet
	Addr     []string `json:"addr"`
	Game     []int    `json:"game"`
	AppID    []uint32 `json:"app_id"`
	Map      []int    `json:"map"`
	Version  []int    `json:"version"`
	Tag      []int    `json:"tag"`
	Players  []int    `json:"players"`
	Max      []int    `json:"max"`
	Bots     []int    `json:"bots"`
	Listed   []int    `json:"listed"`  // -1: not known
	RTT      []int64  `json:"rtt"`     // microseconds, -1: not known
	Flags    []int    `json:"flags"`   // environment | type<<2 | visibility<<4 | vac<<6
	Suspect  []int    `json:"suspect"` // bits of Reasons
}

func (t *table) columns() *Columns {
	t.cut(maxTable)
	t.shorten()
	slices.SortFunc(t.rows, func(a, b row) int { return a.addr.Compare(b.addr) })
	c := &Columns{Total: t.total}
	texts := map[string]int{"": 0}
	names := map[string]int{}
	for i := range t.rows {
		r := &t.rows[i]
		names[r.name] = 0
		for _, s := range []string{r.game, r.mapName, r.version, r.tag} {
			texts[s] = 0
		}
	}
	c.Texts = rank(texts)
	rank(names)
	for i := range t.rows {
		r := &t.rows[i]
		c.Name = append(c.Name, r.name)
		c.NameRank = append(c.NameRank, names[r.name])
		c.Addr = append(c.Addr, r.addr.String())
		c.Game = append(c.Game, texts[r.game])
		c.AppID = append(c.AppID, r.appID)
		c.Map = append(c.Map, texts[r.mapName])
		c.Version = append(c.Version, texts[r.version])
		c.Tag = append(c.Tag, texts[r.tag])
		c.Players = append(c.Players, r.players)
		c.Max = append(c.Max, r.maxPlayers)
		c.Bots = append(c.Bots, r.bots)
		c.Listed = append(c.Listed, r.listed)
		c.RTT = append(c.RTT, r.rtt)
		c.Flags = append(c.Flags, int(r.environment)|int(r.serverType)<<2|int(r.visibility)<<4|int(r.vac)<<6)
		c.Suspect = append(c.Suspect, int(r.reasons))
	}
	return c
}

// shorten makes the texts those that the page shows, and drops the last rows if the
// page would be too large.
func (t *table) shorten() {
	size := 0
	seen := map[string]string{}
	text := func(s *string) {
		out, ok := seen[*s]
		if !ok {
			out = short(*s)
			seen[*s] = out
			size += jsonSize(out)
		}
		*s = out
	}
	for i := range t.rows {
		r := &t.rows[i]
		r.name = display.Short(r.name, 100)
		text(&r.game)
		text(&r.mapName)
		text(&r.version)
		text(&r.tag)
		const numbers = 90 // bytes of a server's other columns
		if size += numbers + jsonSize(r.name); size > maxBytes {
			t.rows = t.rows[:i]
			return
		}
	}
}

// jsonSize returns the bytes that s takes in the page.
func jsonSize(s string) int {
	b, _ := json.Marshal(s) // never fails
	return len(b) + len(",")
}

// rank sets each value to the place of its key in the alphabet, and returns the keys
// in that order. Letters are compared without case.
func rank(m map[string]int) []string {
	type folded struct{ lower, text string }
	var list []folded
	for s := range m {
		list = append(list, folded{strings.ToLower(s), s})
	}
	slices.SortFunc(list, func(a, b folded) int {
		return cmp.Or(cmp.Compare(a.lower, b.lower), cmp.Compare(a.text, b.text))
	})
	keys := []string{}
	for i, f := range list {
		m[f.text] = i
		keys = append(keys, f.text)
	}
	return keys
}
