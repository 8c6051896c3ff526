package output_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

func TestEvent(t *testing.T) {
	var fields output.Fields
	require.NoError(t, fields.UnmarshalText([]byte("name, map,players,vac,steam_id,rules.mp_timelimit,rules.new,map")))
	record := func(name string, players int, rules ...output.Rule) *output.Record {
		return &output.Record{
			RTT: output.NoRTT,
			Info: &output.Info{Fields: output.InfoName | output.InfoMap | output.InfoPlayers | output.InfoVAC, Name: name, Map: "m", Players: players,
				VAC: players > 1, Section: output.Section{RTT: output.NoRTT}},
			Rules: &output.Rules{List: rules, Section: output.Section{RTT: output.NoRTT}},
		}
	}
	a := record("\xff\n", 1, output.Rule{Name: "mp_timelimit", Value: "30"})
	b := record(`"b"`, 2, output.Rule{Name: "mp_timelimit", Value: "30"}, output.Rule{Name: "new", Value: ""})
	b.Info.Fields |= output.InfoSteamID
	b.Info.SteamID = 90071992547409921
	changes, err := fields.Changes(fields.AppendState(nil, a), fields.AppendState(nil, b))
	require.NoError(t, err)
	e := output.Event{Kind: output.Changed, Time: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), Round: 7,
		Addr: netip.MustParseAddrPort("203.0.113.7:27015"), Changes: changes, Record: output.AppendJSON(nil, b)}
	line := string(e.AppendJSON(nil))
	require.JSONEq(t, `{"schema":1,"event":"changed","time":"2026-12-01T09:00:00.000000Z","round":7,"ip":"203.0.113.7","port":27015,"tag":null,
		"changes":{"name":["�\n","\"b\""],"name_b64":["/wo=",null],"players":[1,2],"vac":[false,true],"steam_id":[null,"90071992547409921"],"rules.new":[null,""]},
		"record":`+string(e.Record)+`}`, line)
	require.Regexp(t, `^\{"schema":1,"event":"changed","time":"[^"]*","round":7,"ip":"203.0.113.7","port":27015,"tag":null,"changes":\{.*\},"record":\{.*\}\}\n$`, line)

	e = output.Event{Kind: output.Gone, Addr: e.Addr, Tag: "eu"}
	require.Equal(t, `{"schema":1,"event":"gone","time":null,"round":null,"ip":"203.0.113.7","port":27015,"tag":"eu","changes":null,"record":null}`+"\n", string(e.AppendJSON(nil)))

	none, err := fields.Changes(fields.AppendState(nil, b), fields.AppendState(nil, b))
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestFields(t *testing.T) {
	require.NoError(t, new(output.Fields).UnmarshalText([]byte(output.Fields{}.String())))
	for _, bad := range []string{"", "nam", "rules.", "players.list", "map,,name"} {
		require.Error(t, new(output.Fields).UnmarshalText([]byte(bad)), bad)
	}
}

// FuzzState: states of any bytes give an error or changes, the same ones in both
// directions.
func FuzzState(f *testing.F) {
	var fields output.Fields
	require.NoError(f, fields.UnmarshalText([]byte("name,map")))
	r := &output.Record{Info: &output.Info{Fields: output.InfoName | output.InfoMap, Name: "n", Map: "m"}}
	state := fields.AppendState(nil, r)
	f.Add(state, state)
	f.Add(state, []byte{0, 0})
	f.Add([]byte{2, 't', 0}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		changes, err := fields.Changes(a, b)
		if err != nil {
			return
		}
		back, err := fields.Changes(b, a)
		require.NoError(t, err)
		require.Len(t, back, len(changes))
		e := output.Event{Changes: changes}
		require.True(t, json.Valid(e.AppendJSON(nil)))
	})
}
