package targets

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// The same four targets, as other tools write them.
var foreign = map[string]string{
	"plain": "# list\n127.0.0.1:27015\n127.0.0.1:27016\n[::1]:9\n127.0.0.2:27015\n",
	"records": `{"schema":1,"seq":3,"ip":"127.0.0.1","port":27015,"input":"127.0.0.0/30","tag":null,"status":"timeout","info":{"ip":"10.0.0.1"}}
{"schema":1,"seq":0,"ip":"127.0.0.1","port":27016,"input":"127.0.0.1:27016","tag":null,"status":"success"}
{"schema":1,"seq":1,"ip":"::1","port":9,"input":"[::1]:9","tag":null}
{"schema":1,"seq":2,"ip":"127.0.0.2","port":27015,"input":"127.0.0.2","tag":null}
`,
	"records, indented": `{
  "schema": 1, "rules": {"list": [
    {"name": "}", "value": "\"{"}
  ]},
  "ip": "127.0.0.1",
  "port": 27015
}
{
  "ip": "127.0.0.1", "port": 27016
}
{ "port": 9, "ip": "::1" } { "ip": "127.0.0.2", "port": 27015 }
`,
	"objects in a row": `{"ip":"127.0.0.1","port":27015}{"ip":"127.0.0.1","port":27016} {"ip":"::1","port":"9"},{"addr":"127.0.0.2"}`,
	"mixed":            "{\"addr\":\"127.0.0.1:27015\"}\n127.0.0.1:27016\n{\"host\":\"::1\",\"port\":9}\nsteam://connect/127.0.0.2:27015\n",
	"zmap objects":     "{\"saddr\":\"127.0.0.1\",\"sport\":27015}\n{\"saddr\":\"127.0.0.1\",\"sport\":\"27016\"}\n{\"saddr\":\"::1\",\"sport\":9}\n{\"saddr\":\"127.0.0.2\"}\n",
	"masscan -oJ": `[
{   "ip": "127.0.0.1",   "timestamp": "1600000000", "ports": [ {"port": 27015, "proto": "udp", "status": "open", "reason": "none", "ttl": 64} ] },
{   "ip": "127.0.0.1",   "timestamp": "1600000000", "ports": [ {"port": 80, "proto": "tcp"}, {"port": 27016, "proto": "udp"} ] }
,
{   "ip": "127.0.0.9",   "timestamp": "1600000000", "ports": [ {"port": 443, "proto": "tcp"} ] },
{   "ip": "::1",   "timestamp": "1600000000", "ports": [ {"port": 9, "proto": "udp"} ] },
{   "ip": "127.0.0.2",   "timestamp": "1600000000", "ports": [ {"port": 27015, "proto": "udp"} ] },
{finished: 1}
]
`,
	"masscan -oL": "#masscan\nopen udp 27015 127.0.0.1 1600000000\nopen tcp 80 127.0.0.1 1600000000\nbanner udp 27016 127.0.0.1 1600000000 steam x\\x00y {\nopen udp 9 ::1 1600000000\nopen tcp 443 127.0.0.9 1600000000\nopen udp 27015 127.0.0.2 1600000000\n# end\n",
	"array":       `[{"ip":"127.0.0.1","port":27015},{"ip":"127.0.0.1","port":27016},{"ip":"::1","port":9},{"ip":"127.0.0.2","port":27015}]`,
	"steam": `{"response":{"servers":[{"addr":"127.0.0.1:27015","gameport":27015,"steamid":"90071992547409920","name":"[x] \"{}\"","appid":440},` +
		`{"addr":"127.0.0.1:27016"},{"addr":"[::1]:9","gametype":"a,b"},{"addr":"127.0.0.2:27015"}]}}`,
	"steam, indented": `
{
	"response": {
		"success": true,
		"message": "servers [",
		"more": [ {"servers": [ {"addr": "10.9.9.9:1"} ]} ],
		"servers": [
			{
				"addr": "127.0.0.1:27015",
				"os": "l"
			},
			{ "addr": "127.0.0.1:27016" },
			{ "addr": "[::1]:9" },
			{ "addr": "127.0.0.2:27015" }
		]

	}
}`,
	"zmap csv":         "saddr,sport\n127.0.0.1,27015\n127.0.0.1,27016\n::1,9\n127.0.0.2,27015\n",
	"csv":              "ip,port\r\n127.0.0.1,27015\r\n\"127.0.0.1\",\"27016\"\r\n::1,9\r\n127.0.0.2,27015",
	"csv, bare":        "# from zmap\n127.0.0.1,27015\n127.0.0.1, 27016\n::1,9\n127.0.0.2,27015\n",
	"csv, proto":       "ip,proto,port,timestamp\n127.0.0.1,udp,27015,1\n127.0.0.1,tcp,80,1\n127.0.0.1,UDP,27016,1\n::1,udp,9,1\n127.0.0.9,tcp,443,1\n127.0.0.2,udp,27015,1\n",
	"csv, addr":        "addr\n127.0.0.1:27015\n127.0.0.1:27016\n[::1]:9\n127.0.0.2\n",
	"csv, floats":      "ip,name,port\n127.0.0.1,a,27015.0\n127.0.0.1,,27016.00\n::1,b,9.0\n127.0.0.2,c,27015\n",
	"csv, bare floats": "127.0.0.1,27015.0\n127.0.0.1,27016.0\n::1,9.0\n127.0.0.2,27015.0\n",
	"fractions":        `[{"ip":"127.0.0.1","port":27015.0},{"ip":"127.0.0.1","port":"27016.0"},{"ip":"::1","ports":[{"port":9.0,"proto":"udp"}]},{"ip":"127.0.0.2","port":"27015"}]`,
	"csv, one":         "saddr\n127.0.0.1:27015\n127.0.0.1:27016\n[::1]:9\n127.0.0.2\n",
	"csv, quotes":      "name,ip,port\n\"a\nb, \"\"c\"\"\n127.0.0.3\",127.0.0.1,27015\n,127.0.0.1,27016\nx,::1,9\n\"\",127.0.0.2,27015\n",
	"links":            "steam://connect/127.0.0.1:27015\nsteam://connect/127.0.0.1:27016/secret\nsteam://connect/[::1]:9\nsteam://connect/127.0.0.2\n",
}

func packed(t testing.TB, how, text string) []byte {
	var b bytes.Buffer
	switch how {
	case "":
		return []byte(text)
	case "gzip":
		w := gzip.NewWriter(&b)
		for half := range strings.SplitAfterSeq(text, "\n") { // several members
			_, err := w.Write([]byte(half))
			require.NoError(t, err)
			require.NoError(t, w.Close())
			w.Reset(&b)
		}
		require.NoError(t, w.Close())
	case "zstd":
		w, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		b.Write([]byte{0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3}) // a skippable frame
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	case "UTF-8 with a mark":
		return []byte("\xEF\xBB\xBF" + text)
	case "UTF-16LE":
		return encode16(text, binary.LittleEndian)
	case "UTF-16BE":
		return encode16(text, binary.BigEndian)
	}
	return b.Bytes()
}

func encode16(text string, order binary.AppendByteOrder) (b []byte) {
	b = order.AppendUint16(b, 0xFEFF)
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

var packings = []string{"", "gzip", "zstd", "UTF-8 with a mark", "UTF-16LE", "UTF-16BE"}

// Every form of every tool means the same targets, however it is packed and however the
// reads are cut.
func TestForeignLists(t *testing.T) {
	want := "0 127.0.0.1:27015\n1 127.0.0.1:27016\n2 [::1]:9\n3 127.0.0.2:27015\n"
	for name, text := range foreign {
		for _, how := range packings {
			t.Run(name+" "+how, func(t *testing.T) {
				b := packed(t, how, text)
				for kind, r := range map[string]io.Reader{
					"file":   bytes.NewReader(b),
					"stream": iotest.OneByteReader(bytes.NewReader(b)),
					"halves": iotest.HalfReader(bytes.NewReader(b)),
				} {
					all, c := drain(t, Config{Dedup: true, Files: []File{{"list", r}}, Log: func(file string, line int, msg string) {
						t.Errorf("%s: %s:%d: %s", kind, file, line, msg)
					}}, 64)
					for i := range all {
						if o := all[i].Origin; o != nil {
							require.NotContains(t, []string{"10.0.0.1", "127.0.0.3"}, o.Input)
							require.Empty(t, o.Tag)
							all[i].Origin = nil
						}
					}
					require.Equal(t, want, show(all), kind)
					require.Zero(t, c.Invalid)
					if strings.Contains(text, "tcp") {
						require.EqualValues(t, 2, c.NotUDP)
					}
				}
			})
		}
	}
}

// Lines keep their numbers in messages.
func TestForeignListsKeepLineNumbers(t *testing.T) {
	for name, text := range map[string]string{
		"objects over lines": "{\n\"ip\":\"127.0.0.1\"}\n\n{\"ip\":\n\"x y\"\n}\n127.0.0.2\n{\"ip\":\"127.0.0.3\"}\n",
		"an array":           "[\n{\"ip\":\"127.0.0.1\"},\n\n{\"ip\":\n\"x y\"\n},\n{\"ip\":\"127.0.0.2\"}\n,{\"ip\":\"127.0.0.3\"}\n]\n",
		"csv":                "name,ip\n\"a\n\",127.0.0.1\nb,x y\n\"\n\",127.0.0.2\n,127.0.0.3\n",
	} {
		var log []string
		all, c := drain(t, Config{Files: file(text), Log: func(file string, line int, msg string) {
			log = append(log, fmt.Sprintf("%s:%d", file, line))
		}}, 64)
		require.Len(t, all, 3, name)
		require.Equal(t, []string{"list.txt:4"}, log, name)
		require.EqualValues(t, strings.Count(strings.TrimSuffix(text, "\n"), "\n")+1, c.Lines, name)
	}
}

func TestTagsOfForeignLists(t *testing.T) {
	for _, text := range []string{
		"ip,port,tag\n127.0.0.1,27015,\"e u\"\n::1,9,7\n127.0.0.2,27015,\n",
		"{\"ip\":\"127.0.0.1\",\"port\":27015,\"tag\":\"e u\"}\n{\"ip\":\"::1\",\"port\":9,\"tag\":\"7\"}\n{\"ip\":\"127.0.0.2\",\"port\":27015,\"tag\":null}\n",
	} {
		all, _ := drain(t, Config{Files: file(text)}, 64)
		require.Equal(t, "0 127.0.0.1:27015 input= tag=e u\n1 [::1]:9 input= tag=7\n2 127.0.0.2:27015\n", show(all))
	}
}

// With KeepSource a target has the object that it was read from.
func TestKeepSource(t *testing.T) {
	text := `{"response":{"servers":[
{"addr":"127.0.0.1:27015","name":"a\u0000b` + "\xff" + `"},
{"addr":"127.0.0.2:27015",
 "players":5}]}}`
	all, _ := drain(t, Config{Files: file(text), Args: []string{"127.0.0.9:1"}, KeepSource: true}, 64)
	require.Len(t, all, 3)
	require.Nil(t, all[0].Origin)
	require.Equal(t, `{"addr":"127.0.0.1:27015","name":"a\u0000b`+"\uFFFD"+`"}`, string(all[1].Origin.Source))
	require.Equal(t, `{"addr":"127.0.0.2:27015",  "players":5}`, string(all[2].Origin.Source))
	require.Empty(t, all[1].Origin.Input)

	all, _ = drain(t, Config{Files: file(`{"host":"A.example","port":"1-2","tag":"x"}`), KeepSource: true, NoLookups: true}, 64)
	require.Len(t, all, 2)
	require.Equal(t, &Origin{"A.example:2", "x", []byte(`{"host":"A.example","port":"1-2","tag":"x"}`)}, all[1].Origin)

	all, _ = drain(t, Config{Files: file(text)}, 64)
	require.Nil(t, all[0].Origin)
}

func TestBinaryIsRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	noise[0] = 'a'
	for text, want := range map[string]string{
		string(noise):                         "this is binary data, not a list",
		"\xFD7zXZ\x00\x00":                    "this is xz data; decompress it first",
		"PK\x03\x04abc":                       "this is a zip archive; unpack it first",
		"PAR1\x15":                            "this is a Parquet file",
		"1\x000\x00.\x000\x00":                "UTF-16 without a byte order mark",
		"\xFF\xFE\x00\x001\x00\x00\x00":       "UTF-32",
		"\x1F\x8B\x08\x00":                    "EOF",
		"\x28\xB5\x2F\xFDnot a frame":         "frame",
		string(packed(t, "gzip", "\x00\x01")): "this is binary data",
	} {
		_, err := NewList(Config{Files: file(text)})
		require.Error(t, err, "%.20q", text)
		require.Contains(t, "list.txt: "+err.Error(), "list.txt: ")
		if !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "no line is a target") {
			t.Errorf("%.20q: %v", text, err)
		}

		l, err := NewList(Config{Files: stream(text), Log: func(f string, line int, msg string) { t.Errorf("%s:%d: %s", f, line, msg) }})
		require.NoError(t, err)
		_, err = l.Next(t.Context(), make([]Target, 5))
		require.Error(t, err)
		require.NotEqual(t, io.EOF, err, "%.20q", text)
		require.ErrorContains(t, err, "list.txt: ")
		l.Close()
	}
	// Text that is none of ASCII is no binary data.
	for _, text := range []string{"# \xE4\xF6\xFC\n127.0.0.1\n", "# \xcf\xf0\xe8\xe2\xe5\xf2 \xec\xe8\xf0\n127.0.0.1\n", "#\x1b[1m\n127.0.0.1\n", "#\x00\n127.0.0.1:1\n127.0.0.2:2\n127.0.0.3:3\n"} {
		_, err := NewList(Config{Files: file(text)})
		require.NoError(t, err, "%q", text)
	}
}

// A file that is not a list gets a few messages, and no name in it is looked up.
func TestFewMessages(t *testing.T) {
	for _, stop := range []bool{false, true} {
		var log []string
		cfg := Config{
			Log:    func(file string, line int, msg string) { log = append(log, fmt.Sprintf("%s:%d: %s", file, line, msg)) },
			Lookup: nil,
		}
		bad := strings.Repeat("d41d8cd98f00b204e9800998ecf8427e\n", 50) + strings.Repeat("x y z\n", 50)
		cfg.Args = []string{"127.0.0.1", "127.0.0.1:x"}
		cfg.Files = append(stream(bad), File{"two.txt", struct{ io.Reader }{strings.NewReader(strings.Repeat("?\n", 21) + "127.0.0.2")}})
		if stop {
			cfg.Files[0].R = strings.NewReader(bad)
			_, err := NewList(cfg)
			require.EqualError(t, err, "list.txt: no line is a target")
			require.Len(t, log, 1+21)
			continue
		}
		all, c := drain(t, cfg, 5)
		require.Len(t, all, 2)
		require.EqualValues(t, 1+100+21, c.Invalid)
		require.Len(t, log, 1+21+21)
		require.Equal(t, `list.txt:1: "d41d8cd98f00b204e9800998ecf8427e" is neither an address nor a host name with a domain; write "d41d8cd98f00b204e9800998ecf8427e." if it is a host`, log[1])
		require.Equal(t, "list.txt:0: and 80 more lines like these", log[21])
		require.Equal(t, "two.txt:0: and 1 more lines like these", log[42])
	}
}

// Which list removed how many targets is counted.
func TestCountsByList(t *testing.T) {
	cfg := Config{
		Args:      []string{"127.0.0.0/24:1-2", "127.0.0.1:3", "127.0.0.130:3", "127.0.0.200:3", "224.0.0.0/31:1", "224.0.0.1:1", "127.0.0.65:3"},
		Blocklist: addrSet(t, "127.0.0.0/26"),
		Exclude:   addrSet(t, "127.0.0.0/25"),
		Allowlist: addrSet(t, "127.0.0.0-127.0.0.199"),
	}
	_, c := drain(t, cfg, 64)
	require.Equal(t, Counts{
		Lines: 7, Targets: (200-128)*2 + 5, Allowed: (200-128)*2 + 1,
		Blocked:  2 + 1 + 128 + 1 + 128 + 1 + 112 + 1,
		Reserved: 3, Blocklisted: 129, Excluded: 129, NotAllowed: 113,
	}, c)
}

// FuzzText reads any bytes as a list: it ends, lines stay lines, and packing changes
// nothing.
func FuzzText(f *testing.F) {
	for _, text := range foreign {
		f.Add([]byte(text), uint8(1))
		f.Add(packed(f, "gzip", text), uint8(2))
		f.Add(packed(f, "UTF-16LE", text), uint8(3))
	}
	f.Add([]byte("\xFF\xFE\x3d\xd8"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		if len(b) > 1<<14 {
			return
		}
		read := func(r io.Reader) (string, error) {
			text, err := openText(r)
			if err != nil {
				return "", err
			}
			defer text.Close()
			all, err := io.ReadAll(io.LimitReader(text, 1<<22))
			return string(all), err
		}
		want, wantErr := read(bytes.NewReader(b))
		got, gotErr := read(&pieces{text: b, sizes: []byte{cut % 8, cut / 8}})
		if wantErr == nil && gotErr == nil {
			require.Equal(t, want, got)
		}
		if wantErr != nil || !utf8.Valid(b) || bytes.HasPrefix(b, byteOrderMark) || len(b) == 0 || checkText(b) != nil {
			return
		}
		if s := (&sniffer{r: bytes.NewReader(b)}); s.magic() != magicNone {
			return
		}
		for _, how := range packings[1:] {
			got, err := read(bytes.NewReader(packed(t, how, string(b))))
			if err == nil {
				require.Equal(t, want, got, how)
			}
		}
	})
}

// FuzzJSONText compares the objects that a jsonReader finds in valid JSON with those that
// encoding/json finds.
func FuzzJSONText(f *testing.F) {
	for _, text := range foreign {
		f.Add(text)
	}
	f.Add(`[[{"a":1}],2,{"b":{}}] {"response":{"servers":[1,{"c":"\""}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		d := json.NewDecoder(strings.NewReader(text))
		for {
			var v json.RawMessage
			if err := d.Decode(&v); err == io.EOF {
				break
			} else if err != nil {
				return
			}
			switch v[0] {
			case '{':
				want = append(want, objects(v)...)
			case '[':
				var list []json.RawMessage
				require.NoError(t, json.Unmarshal(v, &list))
				for _, e := range list {
					if e[0] != '{' {
						return // other text, which is as it was
					}
					want = append(want, objects(e)...)
				}
			default:
				return
			}
		}
		all, err := io.ReadAll(newJSONReader(strings.NewReader(text)))
		require.NoError(t, err)
		var got []string
		for line := range strings.Lines(string(all)) {
			if line = strings.TrimSpace(line); line != "" {
				got = append(got, compact([]byte(line)))
			}
		}
		require.Equal(t, want, got)
	})
}

// objects returns an object, or the servers of a response.
func objects(v json.RawMessage) []string {
	var key string
	d := json.NewDecoder(bytes.NewReader(v))
	_, _ = d.Token()
	if tok, err := d.Token(); err == nil {
		key, _ = tok.(string)
	}
	if key != "response" || !bytes.HasPrefix(bytes.TrimLeft(v[1:], " \t\r\n"), []byte(responseKey)) {
		return []string{compact(v)}
	}
	found := []string{}
	var walk func(v []byte, depth int)
	walk = func(v []byte, depth int) {
		if v[0] != '{' {
			return
		}
		fields(v, func(key []byte, value jsonValue) {
			switch {
			case depth == 1 && value[0] == '{':
				walk(value, 2)
			case depth == 2 && string(key) == serversKey && value[0] == '[':
				var rows []json.RawMessage
				if json.Unmarshal(value, &rows) == nil {
					for _, r := range rows {
						if r[0] == '{' {
							found = append(found, compact(r))
						}
					}
				}
			}
		})
	}
	walk(v, 1)
	return found
}

func compact(v []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, v); err != nil {
		return "not JSON: " + string(v)
	}
	return b.String()
}

// FuzzCSV compares the rows with those of encoding/csv.
func FuzzCSV(f *testing.F) {
	f.Add("ip,port\n127.0.0.1,27015\n\"a\nb\",\"c\"\"d\"\n")
	f.Add("x,ip,proto,port,tag,input\n1,::1,udp,9,t,\n,,,,,host.example:1\n,1.2.3.4,tcp,5\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line != "" && (line[0] == '#' || line[0] == ';') {
				return
			}
		}
		c := newCSVReader(strings.NewReader(text), &columns{addr: 0, port: 1, proto: -1, tag: -1, input: -1})
		all, err2 := io.ReadAll(c)
		require.NoError(t, err2)
		require.GreaterOrEqual(t, bytes.Count(all, []byte{'\n'}), strings.Count(text, "\n"), "line numbers stay")
		if err != nil || strings.Contains(text, "\r") {
			return
		}
		var want []string
		for _, row := range rows {
			cells := row
			for i := range cells {
				bare := strings.Trim(cells[i], " \t")
				if bare != cells[i] && strings.Contains(text, `"`) {
					return // blanks inside quotes belong to the cell
				}
				cells[i] = bare
			}
			if len(cells) > 1 && strings.Count(cells[0], ":") == 0 && cells[0] != "" && cells[1] != "" {
				want = append(want, string(appendWord(nil, []byte(cells[0])))+":"+string(appendWord(nil, wholeNumber([]byte(cells[1])))))
			}
		}
		for _, w := range want {
			if !strings.Contains(string(all), w) && !strings.ContainsAny(w, "_\u0085\u00a0") {
				t.Errorf("%q is not in %q, of %q", w, all, text)
			}
		}
	})
}
