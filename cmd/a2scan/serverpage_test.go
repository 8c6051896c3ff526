package main

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// someRecord is an Arma server with hostile text in every place.
func someRecord() *output.Record {
	return &output.Record{
		Addr: netip.MustParseAddrPort("192.0.2.7:2303"), Input: "gs1.example.net:2303", Status: output.Success, RTT: 41 * time.Millisecond,
		Info: &output.Info{
			Section: output.Section{RTT: 41 * time.Millisecond}, Fields: 1<<25 - 1,
			Format: "source", Protocol: 17, Name: "[EU] Livonia \x1b[2J最後の砦 🔥", Map: "enoch\n", Folder: "Arma3", Game: "Arma 3\u202e", AppID: 107410,
			Players: 3, MaxPlayers: 64, PlayersActual: 3, MaxPlayersActual: 64, Bots: 1, ServerType: "dedicated", Environment: "linux", Visibility: "public", VAC: true, Version: "2.18.152405",
			GamePort: 2302, SteamID: 90071992547409920, SpectatorPort: 2310, SpectatorName: "\x1b]0;x\aTV",
			Keywords: "bt,r218,n152405,s7,i0,mf,lf,vt,dt,twarlord,g65545,hb6be40ae,f0,c-2147483648--2147483648,pw,e0,j0,k0,\x07",
		},
		Players: &output.Players{Count: 3, List: []output.Player{
			{Name: "first", Score: -5, Duration: 61}, {Name: "\x1b[31mbest 最", Score: 2_000_000_000, Duration: 12345},
			{Name: "", Score: 7, Duration: float32(math.NaN())}, {Name: "worst", Score: -2_000_000_000, Duration: 1},
		}},
		Rules: &output.Rules{Count: 2, List: []output.Rule{{Name: "sv_\x1bgravity", Value: "800"}, {Name: "motd", Value: "a long text " + string(make([]byte, 3)) + " that a narrow terminal wraps over several lines"}},
			A3SB: &output.A3SB{Mods: []output.A3SBMod{{ID: 450814997, Name: "CBA_A3"}, {ID: 463939057, Name: "ace\x1b[2J", DLC: true}}}},
	}
}

func TestServerPage(t *testing.T) {
	for _, c := range []struct{ columns, rows int }{{0, 0}, {40, 50}, {80, 24}, {80, 50}} {
		var screen terminal
		name := "page-file"
		if c.columns > 0 {
			screen = screenOf(c.columns, c.rows)
			name = fmt.Sprintf("page-%dx%d", c.columns, c.rows)
		}
		page := serverPage{screen: &screen}
		page.write(someRecord())
		requireInert(t, page.b.String())
		if c.columns > 0 {
			requireFits(t, c.columns, page.b.String())
		}
		requireScreen(t, name, page.b.String())
	}
	small := screenOf(80, 10)
	page := serverPage{screen: &small, rules: true}
	page.write(someRecord())
	require.Contains(t, page.b.String(), "sv_\\x1bgravity", "rules that were asked for need no room")
}

func TestServerPageWithoutRules(t *testing.T) {
	r := someRecord()
	r.Rules.List, r.Rules.A3SB = []output.Rule{}, nil
	page := serverPage{screen: &terminal{}}
	page.write(r)
	require.Contains(t, page.b.String(), "\n  0 RULES  VALUE\n")
}

// The page of a server that answered in part, or not at all, has the reason.
func TestServerPageFailures(t *testing.T) {
	r := someRecord()
	r.Status, r.Players.Status, r.Players.Error, r.Players.List = output.Partial, output.Timeout, "no answer after 3 attempts", nil
	page := serverPage{screen: &terminal{}}
	page.write(r)
	require.Contains(t, page.b.String(), "\n  players: timeout: no answer after 3 attempts\n")

	silent := &output.Record{
		Addr: r.Addr, Input: r.Addr.String(), Status: output.Timeout, RTT: output.NoRTT,
		Info:  &output.Info{Section: output.Section{Status: output.Timeout, Error: "no answer after 3 attempts"}},
		Rules: &output.Rules{Section: output.Section{Status: output.Timeout, Error: "not asked"}},
	}
	page = serverPage{screen: &terminal{}}
	page.write(silent)
	require.Equal(t, "192.0.2.7:2303\n  timeout: no answer after 3 attempts\n", page.b.String())

	page = serverPage{screen: &terminal{}}
	page.write(&output.Record{Input: "gs1.example.net:1", Status: output.ResolveError, RTT: output.NoRTT, Error: "no such host"})
	require.Equal(t, "gs1.example.net:1\n  resolve_error: no such host\n", page.b.String())
}

func TestHostIn(t *testing.T) {
	for target, want := range map[string]string{
		"gs1.example.net": "gs1.example.net", "a-b.example:27015": "a-b.example", "192.0.2.7": "", "192.0.2.7:1": "", "192.0.2.0/24:1": "",
		"192.0.2.1-192.0.2.9": "", "2001:db8::7": "", "[2001:db8::7]:1": "", `{"ip":"192.0.2.7","port":1}`: "", "": "",
	} {
		require.Equal(t, want, hostIn(target), target)
	}
}
