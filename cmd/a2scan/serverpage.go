package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"

	"github.com/a2scan/a2scan/output"
)

// A serverPage is the text about one server for a person.
type serverPage struct {
	screen *terminal
	rules  bool // show the rules even if the terminal has no room for them
	b      strings.Builder
}

// unlimited is the width of a page that no terminal shows.
const unlimited = 1 << 20

func (p *serverPage) columns() int {
	if !p.screen.present {
		return unlimited
	}
	return p.screen.columns()
}

// line writes a line that is cut at the width of the terminal.
func (p *serverPage) line(c color, text string) {
	p.b.WriteString(p.screen.paint(c, fit(text, p.columns())) + "\n")
}

// write writes the page of a record.
func (p *serverPage) write(r *output.Record) {
	i := r.Info
	if i != nil && i.Has(output.InfoName) {
		name := cell(i.Name)
		if name == "" {
			name = "(no name)"
		}
		p.line(bold, name)
		p.addressLine(r)
		p.b.WriteByte('\n')
		p.info(r)
	} else {
		p.addressLine(r)
	}
	p.failures(r)
	if r.Players != nil && r.Players.List != nil {
		p.players(r.Players)
	}
	if r.Rules != nil && r.Rules.List != nil {
		p.mods(r.Rules.A3SB)
		p.ruleList(r.Rules)
	}
}

// addressLine has the address, the name that it was looked up by, and the round-trip time.
func (p *serverPage) addressLine(r *output.Record) {
	text := cell(addressOf(r))
	if host := hostIn(r.Input); host != "" && r.Addr.IsValid() {
		text += " (" + cell(host) + ")"
	}
	if r.RTT >= 0 {
		text += "  " + formatRTT(r.RTT)
	}
	p.line(plain, text)
}

// hostIn returns the host name in a target, or "" if the target is an address, a prefix
// or a range.
func hostIn(target string) string {
	host := target
	if i := strings.LastIndexByte(target, ':'); i >= 0 && strings.IndexByte(target, ':') == i {
		host = target[:i]
	}
	first, _, _ := strings.Cut(host, "-")
	first, _, _ = strings.Cut(first, "/")
	if _, err := netip.ParseAddr(first); err == nil || strings.ContainsAny(host, ":/[{") {
		return ""
	}
	return host
}

// connectAddress returns the address that players connect to: its port often differs from
// that of the queries.
func connectAddress(r *output.Record) netip.AddrPort {
	if i := r.Info; i.Has(output.InfoGamePort) && i.GamePort != 0 {
		return netip.AddrPortFrom(r.Addr.Addr(), i.GamePort)
	}
	return r.Addr
}

// info writes the fields of an INFO reply.
func (p *serverPage) info(r *output.Record) {
	const label = 12
	i := r.Info
	row := func(name, value string) {
		if value == "" {
			return
		}
		for n, part := range wrap(value, p.columns()-label-2) {
			if n > 0 {
				name = ""
			}
			p.b.WriteString("  " + p.screen.paint(dim, left(name, label)) + part + "\n")
		}
	}
	game := cell(i.Game)
	if folder := cell(i.Folder); folder != "" || i.Has(output.InfoAppID) {
		more := []string{}
		if folder != "" && folder != game {
			more = append(more, folder)
		}
		if i.Has(output.InfoAppID) {
			more = append(more, "app "+strconv.FormatUint(uint64(i.AppID), 10))
		}
		if len(more) > 0 {
			game = strings.TrimSpace(game + " (" + strings.Join(more, ", ") + ")")
		}
	}
	row("game", game)
	row("map", cell(i.Map))
	players, most := playersOf(i)
	count := fmt.Sprintf("%d/%d", players, most)
	if i.Bots > 0 {
		count += ", " + plural(uint64(i.Bots), "bot", "bots")
	}
	row("players", count)
	if r.Addr.IsValid() {
		row("connect", "steam://connect/"+connectAddress(r).String())
	}
	var kind []string
	for _, word := range []string{i.ServerType, i.Environment, i.Visibility} {
		if word != "" {
			kind = append(kind, cell(word))
		}
	}
	if i.Has(output.InfoVAC) {
		kind = append(kind, map[bool]string{true: "VAC", false: "no VAC"}[i.VAC])
	}
	row("server", strings.Join(kind, ", "))
	if version := cell(i.Version); version != "" {
		row("version", fmt.Sprintf("%s (protocol %d, %s)", version, i.Protocol, cell(i.Format)))
	} else {
		row("version", fmt.Sprintf("protocol %d, %s", i.Protocol, cell(i.Format)))
	}
	if s := i.Ship; s != nil {
		row("The Ship", fmt.Sprintf("mode %d, %s, arrest after %d s", s.Mode, plural(uint64(s.Witnesses), "witness", "witnesses"), s.Duration))
	}
	if i.GamePort != 0 {
		row("game port", strconv.Itoa(int(i.GamePort)))
	}
	if i.SpectatorPort != 0 {
		row("spectators", strings.TrimSpace(fmt.Sprintf("port %d %s", i.SpectatorPort, cell(i.SpectatorName))))
	}
	if m := i.Mod; m != nil {
		row("mod", strings.TrimSpace(cell(m.Link)+" "+cell(m.DownloadLink)))
	}
	row("keywords", cell(i.Keywords))
	if i.Has(output.InfoSteamID) && i.SteamID != 0 {
		row("steam id", strconv.FormatUint(i.SteamID, 10))
	}
	if i.Truncated {
		p.line(yellow, "  the server cut its reply short")
	}
}

// failures writes why sections are missing. If the server answered nothing, one line is
// enough.
func (p *serverPage) failures(r *output.Record) {
	var sections []*output.Section
	var names []string
	answered := false
	add := func(name string, s *output.Section) {
		answered = answered || s.Status == output.Success
		if s.Status != output.Success {
			sections, names = append(sections, s), append(names, name)
		}
	}
	if r.Info != nil {
		add("info", &r.Info.Section)
	}
	if r.Players != nil {
		add("players", &r.Players.Section)
	}
	if r.Rules != nil {
		add("rules", &r.Rules.Section)
	}
	switch {
	case r.Status == output.Success:
	case answered:
		p.b.WriteByte('\n')
		for i, s := range sections {
			p.line(statusColor(s.Status), fmt.Sprintf("  %s: %s: %s", names[i], s.Status, reasonOf(s.Status, s.Error)))
		}
	case len(sections) > 0:
		p.line(statusColor(r.Status), fmt.Sprintf("  %s: %s", r.Status, reasonOf(r.Status, sections[0].Error)))
	default:
		p.line(statusColor(r.Status), fmt.Sprintf("  %s: %s", r.Status, reasonOf(r.Status, r.Error)))
	}
}

// reasonOf returns the text of a status for a person.
func reasonOf(s output.Status, text string) string {
	if text = cell(text); text == "" {
		return s.String()
	}
	return text
}

// players writes the players, the best first.
func (p *serverPage) players(list *output.Players) {
	score := 9
	for _, q := range list.List {
		score = max(score, len(strconv.Itoa(int(q.Score))))
	}
	title := fmt.Sprintf("%*s  %9s  %s", score, "SCORE", "TIME", plural(uint64(len(list.List)), "PLAYER", "PLAYERS"))
	if list.Truncated {
		title += " (the server cut the list short)"
	}
	p.b.WriteByte('\n')
	p.line(bold, title)
	sorted := slices.Clone(list.List)
	slices.SortStableFunc(sorted, func(a, b output.Player) int { return cmp.Compare(b.Score, a.Score) })
	for _, q := range sorted {
		played := ""
		if q.Duration >= 0 && q.Duration < 1e9 { // not NaN either
			played = formatDuration(time.Duration(float64(q.Duration) * float64(time.Second)).Round(time.Second))
		}
		name := cell(q.Name)
		if list.Ship {
			name += fmt.Sprintf(" (%d deaths, %d money)", q.Deaths, q.Money)
		}
		p.line(plain, strings.TrimRight(fmt.Sprintf("%*d  %9s  %s", score, q.Score, played, name), " "))
	}
}

// mods writes the mods of an Arma 3 or DayZ server.
func (p *serverPage) mods(x *output.A3SB) {
	if x == nil {
		return
	}
	title := fmt.Sprintf("%20s  %s", "WORKSHOP ID", plural(uint64(len(x.Mods)), "MOD", "MODS"))
	if x.Truncated {
		title += " (the list is incomplete)"
	}
	p.b.WriteByte('\n')
	p.line(bold, title)
	for _, m := range x.Mods {
		name := cell(m.Name)
		if m.DLC {
			name += " (DLC)"
		}
		p.line(plain, fmt.Sprintf("%20d  %s", m.ID, name))
	}
}

// ruleList writes the rules, if there is room for them or they were asked for.
func (p *serverPage) ruleList(u *output.Rules) {
	p.b.WriteByte('\n')
	rows := p.screen.rows()
	if p.screen.present && !p.rules && (rows == 0 || strings.Count(p.b.String(), "\n")+len(u.List)+2 >= rows) && len(u.List) > 0 {
		p.line(dim, fmt.Sprintf("  %s; --rules shows them", plural(uint64(len(u.List)), "rule", "rules")))
		return
	}
	count := plural(uint64(len(u.List)), "RULE", "RULES")
	names := width(count)
	for _, q := range u.List {
		names = min(max(names, width(cell(q.Name))), max(p.columns()/2-4, 4), 40)
	}
	title := "  " + left(count, names) + "  VALUE"
	if u.Truncated {
		title += " (the server cut the list short)"
	}
	p.line(bold, title)
	for _, q := range u.List {
		name := cell(q.Name)
		for n, part := range wrap(cell(q.Value), p.columns()-names-4) {
			if n > 0 {
				name = ""
			}
			p.b.WriteString(strings.TrimRight("  "+left(name, names)+"  "+part, " ") + "\n")
		}
	}
}

// wrap cuts a text into lines of at most n columns, at spaces if there are some. An empty
// text is one line.
func wrap(s string, n int) []string {
	n = max(n, 8)
	var lines []string
	for width(s) > n {
		line := displaywidth.TruncateString(s, n, "")
		if line == "" {
			break
		}
		if i := strings.LastIndexByte(line, ' '); i > len(line)/2 && s[len(line)] != ' ' {
			line = line[:i]
		}
		lines = append(lines, line)
		s = strings.TrimPrefix(s[len(line):], " ")
	}
	return append(lines, s)
}
