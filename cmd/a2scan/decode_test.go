package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// capturesDir returns the folder of real replies, which are not part of this
// repository, or skips the test.
func capturesDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("A2SCAN_CAPTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "captures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: no captures of real replies here; name their folder in A2SCAN_CAPTURES (%v)", err)
	}
	dir, err := filepath.Abs(dir)
	require.NoError(t, err)
	return dir
}

// A capturedMessage is one logical reply as the captures describe it.
type capturedMessage struct {
	Files     []string
	Transport string
	Kind      string
	Decoded   map[string]json.RawMessage
}

// text reads a string as the captures write it: plain, or in hex if it is not UTF-8.
func text(t *testing.T, raw json.RawMessage) []byte {
	t.Helper()
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return []byte(s)
	}
	var h struct{ Hex string }
	require.NoError(t, json.Unmarshal(raw, &h))
	b, err := hex.DecodeString(h.Hex)
	require.NoError(t, err)
	return b
}

// member reads a string of ours: the _b64 key if there is one.
func member(t *testing.T, o map[string]json.RawMessage, key string) []byte {
	t.Helper()
	if b64, ok := o[key+"_b64"]; ok {
		var b []byte
		require.NoError(t, json.Unmarshal(b64, &b))
		return b
	}
	var s string
	require.NoError(t, json.Unmarshal(o[key], &s), key)
	return []byte(s)
}

func object(t *testing.T, raw json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	var o map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &o))
	return o
}

func objects(t *testing.T, raw json.RawMessage) []map[string]json.RawMessage {
	t.Helper()
	var o []map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &o))
	return o
}

// TestCapturesDecode runs the command over every folder of real replies and
// compares its output with the known values.
func TestCapturesDecode(t *testing.T) {
	dir := capturesDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "expected.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		folder := filepath.Dir(file)
		name, err := filepath.Rel(dir, folder)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			var want struct{ Messages []capturedMessage }
			require.NoError(t, json.Unmarshal(b, &want))

			payloads, err := filepath.Glob(filepath.Join(folder, "*.bin"))
			require.NoError(t, err)
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitOK, run(append([]string{"decode"}, payloads...), nil, &stdout, &stderr))
			require.Empty(t, stderr.String())

			byFile := map[string]map[string]json.RawMessage{} // by the first file
			for line := range bytes.Lines(stdout.Bytes()) {
				o := object(t, line)
				var files []string
				require.NoError(t, json.Unmarshal(o["files"], &files))
				byFile[filepath.Base(files[0])] = o
			}
			for _, m := range want.Messages {
				got := byFile[m.Files[0]]
				require.NotNil(t, got, m.Files)
				var files []string
				require.NoError(t, json.Unmarshal(got["files"], &files))
				for i := range files {
					files[i] = filepath.Base(files[i])
				}
				require.Equal(t, m.Files, files)
				require.Equal(t, m.Transport, string(member(t, got, "transport")))
				require.Equal(t, "null", string(got["error"]))
				compare(t, m, got)
			}
		})
	}
}

func compare(t *testing.T, m capturedMessage, got map[string]json.RawMessage) {
	t.Helper()
	kind := m.Kind
	if kind == "info-goldsource" {
		kind = "info"
	}
	require.Equal(t, kind, string(member(t, got, "kind")))
	if kind == "challenge" {
		require.Equal(t, string(m.Decoded["challenge_le"]), string(got["challenge"]))
		return
	}
	section := object(t, got[kind])
	switch kind {
	case "info":
		for _, key := range []string{"name", "map", "folder", "game"} {
			require.Equal(t, text(t, m.Decoded[key]), member(t, section, key), key)
		}
		if v, ok := m.Decoded["version"]; ok {
			version := text(t, v)
			var vac byte
			if json.Unmarshal(m.Decoded["vac"], &vac) == nil && vac > 1 {
				// The byte is missing; what was read in its place begins the version.
				version = append([]byte{vac}, version...)
				require.Equal(t, "null", string(section["vac"]))
			}
			require.Equal(t, version, member(t, section, "version"))
		}
		for ours, theirs := range map[string]string{"format": "format", "protocol": "protocol", "players": "players", "max_players": "max_players",
			"bots": "bots", "edf": "edf", "game_port": "game_port", "app_id": "appid", "steam_id": "steamid", "game_id": "gameid", "spectator_port": "tv_port"} {
			if v, ok := m.Decoded[theirs]; ok && string(v) != "null" {
				require.JSONEq(t, string(v), string(section[ours]), ours)
			}
		}
		for ours, theirs := range map[string]string{"keywords": "keywords", "spectator_name": "tv_name"} {
			if v, ok := m.Decoded[theirs]; ok && string(v) != "null" {
				require.Equal(t, text(t, v), member(t, section, ours), ours)
			}
		}
	case "players":
		var want []map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(m.Decoded["players"], &want))
		list := objects(t, section["list"])
		require.Len(t, list, len(want))
		for i, w := range want {
			require.Equal(t, text(t, w["name"]), member(t, list[i], "name"))
			require.JSONEq(t, string(w["score"]), string(list[i]["score"]))
			require.JSONEq(t, string(w["index"]), string(list[i]["index"]))
			require.JSONEq(t, string(w["duration"]), string(list[i]["duration_s"]))
			for _, ship := range []string{"deaths", "money"} {
				if v, ok := w[ship]; ok {
					require.JSONEq(t, string(v), string(list[i][ship]))
				}
			}
		}
	case "rules":
		var want [][2]json.RawMessage
		require.NoError(t, json.Unmarshal(m.Decoded["rules"], &want))
		list := objects(t, section["list"])
		if string(section["a3sb"]) != "null" {
			// The chunks have left the list: their names are two small numbers.
			plain := want[:0]
			for _, w := range want {
				if name := text(t, w[0]); len(name) != 2 || name[0] >= ' ' {
					plain = append(plain, w)
				}
			}
			require.Less(t, len(plain), cap(want))
			want = plain
		}
		require.Len(t, list, len(want))
		for i, w := range want {
			require.Equal(t, text(t, w[0]), member(t, list[i], "name"))
			require.Equal(t, text(t, w[1]), member(t, list[i], "value"))
		}
	}
}

// TestDecodeRecordsAgain: what decode says of files it says of the same
// datagrams in a record.
func TestDecodeRecordsAgain(t *testing.T) {
	fragment := func(id, i byte, payload string) []byte {
		return append([]byte{0xFE, 0xFF, 0xFF, 0xFF, id, 0, 0, 0, 2, i, 0xE0, 0x04}, payload...)
	}
	whole := "\xFF\xFF\xFF\xFFE\x02\x00mp_timelimit\x0030\x00\x00\x00"
	datagrams := [][]byte{
		[]byte("\xFF\xFF\xFF\xFFA\x01\x02\x03\x04"),
		fragment(7, 1, whole[10:]),
		fragment(7, 0, whole[:10]),
		[]byte("\xFF\xFF\xFF\xFFI\x11"),
		{},
		fragment(8, 0, whole[:10]),
	}

	dir := t.TempDir()
	args := []string{"decode"}
	record := `{"schema":1,"seq":3,"status":"success","ip":"192.0.2.1","port":27015,"raw":[{"t_ms":0,"dir":"tx","b64":"AA=="}`
	for i, d := range datagrams {
		name := filepath.Join(dir, string(rune('a'+i)))
		require.NoError(t, os.WriteFile(name, d, 0o600))
		args = append(args, name)
		record += `,{"t_ms":1,"dir":"rx","b64":"` + base64.StdEncoding.EncodeToString(d) + `"}`
	}
	record += "]}\n"

	var files, records, stderr bytes.Buffer
	require.Equal(t, exitOK, run(args, nil, &files, &stderr), stderr.String())
	require.Equal(t, exitOK, run([]string{"decode", "-"}, bytes.NewReader([]byte(record)), &records, &stderr), stderr.String())
	require.Empty(t, stderr.String())

	a, b := bytes.SplitAfter(files.Bytes(), []byte("\n")), bytes.SplitAfter(records.Bytes(), []byte("\n"))
	require.Equal(t, 5+1, len(a), files.String())
	require.Equal(t, 5+1, len(b), records.String())
	for i := range 5 {
		x, y := object(t, a[i]), object(t, b[i])
		require.JSONEq(t, `{"seq":3,"ip":"192.0.2.1","port":27015}`, string(y["from"]))
		delete(y, "from")
		delete(x, "files")
		delete(y, "files")
		require.Equal(t, x, y)
	}

	var got struct {
		Kind      *string
		Transport string
		Files     []string
		Error     *string
		Challenge uint32
		Info      struct{ Status, Error string }
		Rules     struct {
			Status string
			List   []struct{ Name, Value string }
		}
	}
	read := func(line []byte) {
		got.Kind, got.Error, got.Files = nil, nil, nil
		require.NoError(t, json.Unmarshal(line, &got))
	}
	read(b[0])
	require.Equal(t, "challenge", *got.Kind)
	require.Equal(t, uint32(0x04030201), got.Challenge, "as a little-endian number")
	read(b[1])
	require.Equal(t, "rules", *got.Kind)
	require.Equal(t, "split", got.Transport)
	require.Equal(t, []string{"raw[2]", "raw[3]"}, got.Files)
	require.Equal(t, "mp_timelimit", got.Rules.List[0].Name)
	require.Equal(t, "30", got.Rules.List[0].Value)
	read(b[2])
	require.Equal(t, "info", *got.Kind)
	require.Equal(t, "protocol_error", got.Info.Status)
	require.NotNil(t, got.Error)
	read(b[3])
	require.Nil(t, got.Kind, "nothing is known of an empty datagram")
	require.NotNil(t, got.Error)
	read(b[4])
	require.Equal(t, "rules", *got.Kind)
	require.Equal(t, "incomplete", got.Rules.Status)
	require.Equal(t, "1 of 2 fragments received", *got.Error)
}

// The game of INFO decides how the block of Arma 3 and DayZ is read, and INFO may come
// behind it: a scan knows both when it writes its record, and decode says the same.
func TestDecodeKnowsTheGame(t *testing.T) {
	// What is behind the description only a decoder takes that knows the game.
	rules := "\xFF\xFF\xFF\xFFE\x01\x00\x01\x01\x00\x02" + strings.Repeat("\x01\x02", 5) + "\x01\x01xzz\x00"
	info := func(typ, folder string) string {
		if typ == "m" {
			return "\xFF\xFF\xFF\xFFm1.2.3.4:1\x00n\x00m\x00" + folder + "\x00g\x00\x01\x02\x2fdl\x00\x00\x00\x00"
		}
		return "\xFF\xFF\xFF\xFFI\x11name\x00map\x00" + folder + "\x00game\x00\x00\x00\x03\x20\x00dl\x00\x011.0\x00"
	}
	for name, c := range map[string]struct {
		datagrams []string
		block     bool
	}{
		"INFO first":                    {[]string{info("I", "dayz"), rules}, true},
		"INFO behind":                   {[]string{rules, info("I", "dayz")}, true},
		"no INFO":                       {[]string{rules}, false},
		"another game":                  {[]string{rules, info("I", "cstrike")}, false},
		"one that does not decode":      {[]string{"\xFF\xFF\xFF\xFFI\x11cstrike", rules, info("I", "dayz")}, true},
		"the first counts":              {[]string{info("I", "dayz"), info("I", "cstrike"), rules}, true},
		"the better format counts":      {[]string{info("m", "cstrike"), rules, info("I", "dayz")}, true},
		"the other format, where alone": {[]string{rules, info("m", "dayz")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"decode"}
			var raw []string
			for i, d := range c.datagrams {
				args = append(args, filepath.Join(dir, string(rune('a'+i))))
				require.NoError(t, os.WriteFile(args[i+1], []byte(d), 0o600))
				raw = append(raw, `{"t_ms":1,"dir":"rx","b64":"`+base64.StdEncoding.EncodeToString([]byte(d))+`"}`)
			}
			var files, records, stderr bytes.Buffer
			require.Equal(t, exitOK, run(args, nil, &files, &stderr), stderr.String())
			stdin := strings.NewReader(`{"schema":1,"seq":0,"status":"success","raw":[` + strings.Join(raw, ",") + "]}\n")
			require.Equal(t, exitOK, run([]string{"decode", "-"}, stdin, &records, &stderr), stderr.String())
			for _, out := range []string{files.String(), records.String()} {
				lines := strings.SplitAfter(out, "\n")
				require.Len(t, lines, len(c.datagrams)+1)
				for i, d := range c.datagrams {
					if d == rules {
						block := string(object(t, object(t, []byte(lines[i]))["rules"])["a3sb"])
						require.Equal(t, c.block, block != "null", "%s", lines[i])
					}
				}
			}
		})
	}
}

// The game of INFO decides too whether bytes behind a player list are The Ship's block.
func TestDecodeKnowsTheShip(t *testing.T) {
	// One player and behind it 8 bytes: The Ship's block, or the beginning of another player.
	players := "\xFF\xFF\xFF\xFFD\x01\x00a\x00" + strings.Repeat("\x01", 8) + strings.Repeat("\x02", 8)
	info := func(app string) string {
		return "\xFF\xFF\xFF\xFFI\x11name\x00map\x00\x00game\x00" + app + "\x01\x20\x00dl\x00\x01"
	}
	for name, c := range map[string]struct {
		datagrams []string
		ship      bool
	}{
		"no INFO":      {[]string{players}, true},
		"The Ship":     {[]string{info("\x60\x09"), players}, true},
		"another game": {[]string{players, info("\x00\x01")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"decode"}
			for i, d := range c.datagrams {
				args = append(args, filepath.Join(dir, string(rune('a'+i))))
				require.NoError(t, os.WriteFile(args[i+1], []byte(d), 0o600))
			}
			var out, stderr bytes.Buffer
			require.Equal(t, exitOK, run(args, nil, &out, &stderr), stderr.String())
			require.Equal(t, c.ship, strings.Contains(out.String(), `"deaths":33686018`), out.String())
			require.Equal(t, !c.ship, strings.Contains(out.String(), `"deaths":null`), out.String())
		})
	}
}
