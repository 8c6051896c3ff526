package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/reply"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// FuzzDecode gives decode the datagrams of one server twice, once as payloads and
// once in a record, and expects the same words. Then its standard input is
// anything at all. What it prints is JSON, a line each, that no terminal obeys.
func FuzzDecode(f *testing.F) {
	pack := func(datagrams ...string) (b []byte) {
		for _, d := range datagrams {
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(d))), d...)
		}
		return b
	}
	info := "\xFF\xFF\xFF\xFFI\x11name\x00map\x00dir\x00game\x00\x0a\x00\x03\x20\x01dl\x00\x011.0\x00"
	f.Add(pack(info, "\xFF\xFF\xFF\xFFA\x01\x02\x03\x04", "\xFF\xFF\xFF\xFFE\x01\x00a\x00b\x00"), []byte(`{"schema":1,"seq":1,"status":"success","raw":[{"dir":"rx","b64":"/////0kR"},{"dir":"tx"}]}`))
	f.Add(pack("\xFE\xFF\xFF\xFF\x07\x00\x00\x00\x02\x01\xE0\x04mit\x0030\x00", "\xFE\xFF\xFF\xFF\x07\x00\x00\x00\x02\x00\xE0\x04\xFF\xFF\xFF\xFFE\x01\x00", ""), []byte("{}\n[]\n{\"raw\":[]}"))
	f.Add(pack("\xFF\xFF\xFF\xFFj\x1b[2J\x00", "\xFF\xFF\xFF\xFFD\x01\x00\xff\x9b\x00\x01\x00\x00\x00\x00\x00\xc0\x7f", "\xFF\xFF\xFF\xFFz"), []byte("\x28\xb5\x2f\xfd\x04\x00"))
	f.Add(pack(info), []byte(`b'\xff\xff\xff\xffI\x11na\me\0map'`+"\n"))
	f.Add(pack(info), []byte("00000000: ffff ffff 4911 6120                      ....I.a \n"))
	f.Add(pack(info), []byte(info))
	f.Fuzz(func(t *testing.T, b, stdin []byte) {
		var want bytes.Buffer
		var list []datagram
		record := `{"schema":1,"seq":3,"status":"success","raw":[`
		for len(b) >= 2 && len(list) < 64 {
			n := min(int(binary.LittleEndian.Uint16(b)), len(b)-2)
			payload := b[2 : 2+n]
			b = b[2+n:]
			record += fmt.Sprintf(`{"t_ms":0,"dir":"rx","b64":%q},`, base64.StdEncoding.EncodeToString(payload))
			list = append(list, datagram{fmt.Sprintf("raw[%d]", len(list)), payload})
		}
		require.NoError(t, decodeDatagrams(&want, `{"seq":3,"ip":null,"port":null}`, list))
		record = strings.TrimSuffix(record, ",") + "]}\n"
		named := map[string]bool{}
		for line := range bytes.Lines(want.Bytes()) {
			var reply struct {
				Kind  *string
				Files []string
				Error *string
			}
			require.NoError(t, json.Unmarshal(line, &reply), "%q", line)
			require.NotEmpty(t, reply.Files)
			require.True(t, reply.Kind != nil || reply.Error != nil, "%s", line)
			for _, name := range reply.Files {
				require.False(t, named[name], "%s is in two replies", name)
				named[name] = true
			}
		}

		got, words, err := decodeText([]byte(record))
		require.NoError(t, err)
		require.Empty(t, words)
		require.Equal(t, want.String(), got)

		got, words, _ = decodeText(stdin)
		for line := range strings.Lines(got) {
			require.True(t, json.Valid([]byte(line)), "%q", line)
		}
		for _, text := range []string{want.String(), got, words} {
			require.False(t, strings.ContainsFunc(text, func(r rune) bool {
				return unicode.IsControl(r) && r != '\n' || r == '\u2028' || r == '\u2029'
			}), "%q", text)
		}
	})
}

// decodeText returns what decode makes of records, and what it says.
func decodeText(stdin []byte) (out, words string, err error) {
	var stdout, stderr bytes.Buffer
	a := &app{stdin: bytes.NewReader(stdin), stdout: &stdout, ui: newUI(&stderr)}
	err = a.decodeStdin(&stdout)
	return stdout.String(), stderr.String(), err
}

// FuzzServerPage shows the page of any record. It is text that can be printed, and no
// line is wider than the terminal, except for text that wraps.
func FuzzServerPage(f *testing.F) {
	f.Add("I\x11name\x00map\x00dir\x00game\x00\x0a\x00\x03\x20\x01dl\x00\x011.0\x00", "D\x01\x00pl\x00\x01\x00\x00\x00\x00\x00\x80?", "E\x01\x00a\x00b\x00", "host")
	f.Add("I\x11\x1b]0;x\a\x00\xff\x00\u202e\x00\n\x00\x0a\x00\x03\x20\x01dl\x00\x011.0\x00", "D\x02\x00\x9b2J\x00\x01\x00\x00\x00\x00\x00\xc0\x7f\x01\x00\xff\xff\xff\xff\x00\x00\x80\xff", "E\x01\x00\t\x00\u2028\x00", "\x1b[2J")
	f.Add("m1.2.3.4:1\x00n\x00m\x00d\x00g\x00\x01\x02\x2fdl\x00\x01link\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00", "", "", "")
	f.Fuzz(func(t *testing.T, info, players, rules, input string) {
		lines := recordOf(t, []byte(info), []byte(players), []byte(rules), input)
		var stdout bytes.Buffer
		for _, columns := range []int{0, 40, 200} {
			a := &app{stdout: &stdout, ui: newUI(&bytes.Buffer{})}
			if columns > 0 {
				a.screen = screenOf(columns, 500)
			}
			stdout.Reset()
			takeRecords(t, a.querySink(&queryOptions{rules: true}, true), lines)
			if columns > 0 {
				requireFits(t, columns, stdout.String())
			}
		}
		require.NotEmpty(t, stdout.Bytes())
		for line := range strings.Lines(stdout.String()) {
			line, ended := strings.CutSuffix(line, "\n")
			require.True(t, ended)
			require.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
		}
	})
}

// recordOf returns the record of a server that sent these bodies; one that does
// not decode makes a section without an answer.
func recordOf(t *testing.T, info, players, rules []byte, input string) []byte {
	t.Helper()
	section := func(err error) output.Section {
		if err == nil {
			return output.Section{Attempts: 1, RTT: time.Millisecond}
		}
		return output.Section{Status: output.ProtocolError, Error: err.Error() + input, Attempts: 1, RTT: output.NoRTT}
	}
	r := output.Record{Addr: netip.MustParseAddrPort("192.0.2.1:27015"), Input: input, Status: output.Partial, Error: input, Time: time.Unix(1.8e9, 0)}
	i, p, l := new(proto.Info), new(proto.PlayerList), new(proto.RuleList)
	r.Info = &output.Info{Section: section(i.Decode(info))}
	if r.Info.Status == output.Success {
		reply.Info(r.Info, i)
	}
	r.Players = &output.Players{Section: section(p.Decode(players))}
	if r.Players.Status == output.Success {
		reply.Players(r.Players, p, nil)
	}
	r.Rules = &output.Rules{Section: section(l.Decode(rules))}
	if r.Rules.Status == output.Success {
		reply.Rules(r.Rules, l, i, nil)
	}
	return output.AppendJSON(nil, &r)
}
