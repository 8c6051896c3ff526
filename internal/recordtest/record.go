// Package recordtest makes records for tests: likely ones and hostile ones.
package recordtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/a2scan/a2scan/output"
)

// Hostile are texts that servers send to harm programs, pages, terminals and
// spreadsheets.
var Hostile = []string{
	"<script>window.pwned=1</script>", `"><img src=x onerror="window.pwned=1">`, "</script><script>window.pwned=1</script>",
	"<style>*{display:none}</style>", "<!--", "]]>", "\u202eevil\u202c", "\x1b]0;title\a\x1b[2J\x1b[31mred", "a\nb\r\nc\td", "\x00", "\xff\xfe\x80bytes",
	`=cmd|' /C calc'!A0`, "+1", "-1", "@SUM(A1)", `"quoted", comma`, "'; DROP TABLE servers; --", "$(id) `id` ../../etc/passwd", "日本語サーバー", "e\u0301\u200d\ufeff",
	"", " ", "{{data}}", "{{script}}", `\u0022\`, "\u2028\u2029", strings.Repeat("A", 64<<10), strings.Repeat("\x1b", 3000), "null", "NaN", "0123", "＝1+1",
}

var games = []struct {
	id   uint32
	name string
	max  int
}{{730, "Counter-Strike 2", 32}, {440, "Team Fortress", 24}, {252490, "Rust", 200}, {4000, "Garry's Mod", 64}, {10, "Counter-Strike", 32}, {0, "日本語", 16}}

// A Maker makes records, the same ones for the same seed.
type Maker struct {
	r       *rand.Rand
	seq     uint64
	Start   time.Time // of the first record
	Hostile float64   // share of texts that are hostile
	Hosts   int       // number of IP addresses
}

// New returns a Maker.
func New(seed uint64) *Maker {
	return &Maker{r: rand.New(rand.NewPCG(seed, seed)), Start: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), Hosts: 1 << 20}
}

func (m *Maker) chance(p float64) bool { return m.r.Float64() < p }

func (m *Maker) text(usual ...string) string {
	if m.chance(m.Hostile) {
		return Hostile[m.r.IntN(len(Hostile))]
	}
	return usual[m.r.IntN(len(usual))]
}

// Next returns a new record.
func (m *Maker) Next() *output.Record {
	r := &output.Record{
		Seq:      m.seq,
		Time:     m.Start.Add(time.Duration(m.seq)*7*time.Millisecond + time.Duration(m.r.IntN(1000))*time.Microsecond),
		Duration: time.Duration(m.r.IntN(3e9)).Truncate(time.Microsecond),
		RTT:      output.NoRTT, Attempts: 1 + m.r.IntN(3), PacketsSent: m.r.IntN(9), PacketsReceived: m.r.IntN(9), BytesReceived: m.r.Int64N(5000),
		Challenged: m.chance(0.5),
	}
	m.seq++
	host := m.r.IntN(m.Hosts)
	ip := netip.AddrFrom4([4]byte{byte(1 + host>>16), byte(host >> 8), byte(host), 7})
	if host%50 == 0 {
		ip = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(host)})
	}
	r.Addr = netip.AddrPortFrom(ip, uint16(27015+m.r.IntN(60)))
	r.Input = r.Addr.String()
	if m.chance(0.1) {
		r.Tag = m.text("eu", "us")
	}
	if m.chance(0.02) {
		r.Addr, r.Input = netip.AddrPort{}, fmt.Sprintf("gs%d.example.net:27015", m.r.IntN(200))
		r.Status, r.Error = output.ResolveError, "no such host"
		return r
	}
	failed := output.Section{Status: output.Timeout, Error: "no reply", Attempts: 3, RTT: output.NoRTT}
	switch x := m.r.Float64(); {
	case x < 0.2:
		r.Status, r.Error = output.Timeout, "no reply"
		r.Info, r.Players, r.Rules = &output.Info{Section: failed}, &output.Players{Section: failed}, &output.Rules{Section: failed}
		return r
	case x < 0.25:
		failed.Status, failed.Error = output.ProtocolError, m.text("info: reply is cut off", "info: bad header")
		r.Status, r.Error = failed.Status, failed.Error
		r.Info = &output.Info{Section: failed}
		return r
	}
	rtt := time.Duration(5e6+m.r.ExpFloat64()*4e7) / time.Microsecond * time.Microsecond
	ok := output.Section{Status: output.Success, Attempts: 1, RTT: rtt}
	r.RTT = rtt
	r.Info = m.info(ok)
	r.Players = m.players(ok, r.Info.Players)
	r.Rules = m.rules(ok)
	if m.chance(0.1) {
		r.Status, r.Error = output.Partial, "rules: 2 of 3 fragments received"
		r.Rules = &output.Rules{Section: output.Section{Status: output.Incomplete, Error: "2 of 3 fragments received", Attempts: 3, RTT: output.NoRTT}}
	}
	if m.chance(0.05) {
		r.Raw = []output.Datagram{{Sent: true, Data: []byte("\xff\xff\xff\xffT")}, {Time: rtt, Data: []byte("\xff\xff\xff\xffI\x00\xff")}}
		r.Source = []byte(`{"addr":"` + r.Addr.String() + `","appid":730,"steamid":"90071992547409920","gamedir":"x","players":1}`)
	}
	return r
}

func (m *Maker) info(s output.Section) *output.Info {
	g := games[m.r.IntN(len(games))]
	i := &output.Info{
		Section: s,
		Fields: output.InfoFormat | output.InfoProtocol | output.InfoName | output.InfoMap | output.InfoFolder | output.InfoGame | output.InfoAppID | output.InfoPlayers |
			output.InfoMaxPlayers | output.InfoBots | output.InfoServerType | output.InfoEnvironment | output.InfoVisibility | output.InfoVAC | output.InfoVersion,
		Format: "source", Protocol: 17, Name: m.text("Vanilla", "Chill", "Noobs Only") + " " + g.name, Map: m.text("de_dust2", "ctf_2fort", "Procedural Map", "gm_flatgrass"),
		Folder: m.text("csgo", "tf"), Game: g.name, AppID: g.id, MaxPlayers: g.max, ServerType: "dedicated",
		Environment: []string{"linux", "windows", "mac", "unknown"}[m.r.IntN(4)], Visibility: []string{"public", "private"}[m.r.IntN(2)],
		VAC: m.chance(0.7), Version: m.text("1.0.0", "2578"),
	}
	if m.chance(m.Hostile) {
		i.Game = m.text("x")
	}
	if m.chance(0.5) {
		i.Players = m.r.IntN(g.max + 1)
	}
	if m.chance(0.01) {
		i.Players = g.max + 5
	}
	i.Bots = m.r.IntN(3)
	if m.chance(0.5) {
		i.Fields |= output.InfoEDF | output.InfoGamePort | output.InfoSteamID | output.InfoKeywords | output.InfoGameID
		i.EDF, i.GamePort, i.SteamID, i.Keywords, i.GameID = 177, 27015, 90071992547409920+m.r.Uint64N(1000), m.text("a,b", "secure"), uint64(g.id)
	}
	if g.name == "Rust" {
		i.Fields |= output.InfoPlayersActual | output.InfoMaxPlayersActual
		i.PlayersActual, i.MaxPlayersActual = m.r.IntN(400), 400
	}
	if m.chance(0.03) {
		i.Ship = &output.Ship{Mode: 1, Witnesses: 2, Duration: 3}
	}
	if m.chance(0.03) {
		i.Fields |= output.InfoAddress
		i.Address = "10.0.0.1:27015"
		i.Mod = &output.Mod{Link: m.text("http://a"), DownloadLink: "", HLVersion: "x", Version: 1, Size: 184000000, Type: 1, DLL: 1}
	}
	return i
}

func (m *Maker) players(s output.Section, n int) *output.Players {
	p := &output.Players{Section: s, Count: n, List: []output.Player{}}
	if m.chance(0.03) {
		n = 0 // the server hides them
	}
	for k := range n {
		p.List = append(p.List, output.Player{Index: uint8(k), Name: m.text("Bob", "Alice", ""), Score: m.r.Int32() - 1<<30, Duration: m.r.Float32() * 5000})
	}
	return p
}

func (m *Maker) rules(s output.Section) *output.Rules {
	r := &output.Rules{Section: s, List: []output.Rule{}}
	for range m.r.IntN(5) {
		r.List = append(r.List, output.Rule{Name: m.text("mp_timelimit", "sv_gravity"), Value: m.text("30", "800")})
	}
	r.Count = len(r.List)
	if m.chance(0.02) {
		r.A3SB = &output.A3SB{Version: 3, DLC: 5, Mods: []output.A3SBMod{{Hash: 7, ID: 450814997, Name: "CBA_A3"}}, Signatures: []string{"cba", "\xff"}}
	}
	return r
}
