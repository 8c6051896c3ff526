package output

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// asRead returns the record that a reader gets from r's line: the values that a
// line has no place for are gone.
func asRead(r *Record) *Record {
	c := *r
	us := func(d time.Duration) time.Duration {
		if d < 0 {
			return NoRTT
		}
		return d.Round(time.Microsecond)
	}
	sec := func(s Section) Section {
		s.RTT = us(s.RTT)
		switch {
		case s.Status == Success:
			s.Error = ""
		case s.Error == "":
			s.Error = s.Status.words()
		}
		return s
	}
	if c.Input == "" && c.Addr.IsValid() {
		at := c.Target()
		c.Input = string([]rune(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()))
	}
	if c.Source != nil {
		c.Source = appendSource(nil, c.Source)
		if string(c.Source) == "null" {
			c.Source = nil
		}
	}
	var line struct {
		IP    *string `json:"ip"`
		Error *string `json:"error"`
		Time  *string `json:"timestamp"`
	}
	if err := json.Unmarshal(AppendJSON(nil, r), &line); err != nil {
		panic(err)
	}
	if c.Addr.IsValid() {
		c.Addr = netip.AddrPortFrom(netip.MustParseAddr(*line.IP), c.Addr.Port())
	}
	switch {
	case line.Error == nil:
		c.Error = ""
	case r.Error == "":
		c.Error = *line.Error
	}
	c.Time = time.Time{}
	if line.Time != nil {
		c.Time = r.Time.UTC().Truncate(time.Microsecond)
	}
	c.Duration, c.RTT = us(c.Duration), us(c.RTT)
	if r.Info != nil {
		i := *r.Info
		i.Section = sec(i.Section)
		for n, f := range reflect.VisibleFields(reflect.TypeFor[Info]()) {
			_ = n
			bit, ok := fieldBits[f.Name]
			if ok && !i.Has(bit) {
				reflect.ValueOf(&i).Elem().FieldByIndex(f.Index).SetZero()
			}
		}
		for _, word := range []*string{&i.Format, &i.ServerType, &i.Environment, &i.Visibility} {
			*word = string([]rune(*word)) // these have no _b64
		}
		c.Info = &i
	}
	if r.Players != nil {
		p := *r.Players
		p.Section = sec(p.Section)
		if p.List == nil {
			p.Count = 0
		}
		p.Ship = p.Ship && len(p.List) > 0
		p.List = slices.Clone(p.List)
		for i := range p.List {
			if !p.Ship {
				p.List[i].Deaths, p.List[i].Money = 0, 0
			}
			if d := float64(p.List[i].Duration); math.IsNaN(d) || math.IsInf(d, 0) {
				p.List[i].Duration = noDuration
			} else if d == 0 {
				p.List[i].Duration = 0 // not -0
			}
		}
		c.Players = &p
	}
	if r.Rules != nil {
		u := *r.Rules
		u.Section = sec(u.Section)
		if u.List == nil {
			u.Count = 0
		}
		if u.A3SB != nil {
			b := *u.A3SB
			if !b.HasDifficulty {
				b.Difficulty = 0
			}
			if !b.HasDescription {
				b.Description = ""
			}
			if len(b.Mods) == 0 {
				b.Mods = nil
			}
			if len(b.Signatures) == 0 {
				b.Signatures = nil
			}
			u.A3SB = &b
		}
		c.Rules = &u
	}
	c.Raw = slices.Clone(c.Raw)
	for i := range c.Raw {
		c.Raw[i].Time = max(us(c.Raw[i].Time), 0)
		if c.Raw[i].Data == nil {
			c.Raw[i].Data = []byte{}
		}
	}
	return &c
}

// noDuration is a number in place of NaN, which is not equal to itself.
const noDuration = -12345.5

func withoutNaN(r *Record) *Record {
	if r.Players != nil {
		for i := range r.Players.List {
			if d := &r.Players.List[i].Duration; *d != *d {
				*d = noDuration
			}
		}
	}
	for i := range r.Raw {
		if r.Raw[i].Data == nil {
			r.Raw[i].Data = []byte{}
		}
	}
	return r
}

// fieldBits has the bit of each field of an Info that can be absent.
var fieldBits = func() map[string]InfoFields {
	bits := map[string]InfoFields{}
	n := 0
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Info]()) {
		switch f.Name {
		case "Section", "Status", "Error", "Attempts", "RTT", "Fields", "Ship", "Mod", "Truncated":
			continue
		}
		bits[f.Name] = 1 << n
		n++
	}
	return bits
}()

func TestInfoFieldsAreInTheOrderOfTheStruct(t *testing.T) {
	require.Equal(t, InfoMaxPlayersActual, fieldBits["MaxPlayersActual"])
	require.Equal(t, InfoSpectatorName, fieldBits["SpectatorName"])
	require.Equal(t, InfoAddress, fieldBits["Address"])
}

func TestUnmarshalRoundTrip(t *testing.T) {
	var reused Record
	for name, r := range goldenRecords() {
		t.Run(name, func(t *testing.T) {
			line := AppendJSON(nil, r)
			var got Record
			require.NoError(t, Unmarshal(line, &got))
			require.Equal(t, string(line), string(AppendJSON(nil, &got)))
			require.Equal(t, asRead(r), withoutNaN(&got))
			require.NoError(t, Unmarshal(line, &reused))
			require.Equal(t, string(line), string(AppendJSON(nil, &reused)))
		})
	}
}

// FuzzUnmarshalRoundTrip: AppendJSON, Unmarshal, AppendJSON gives the same line
// whatever the record holds, and Unmarshal the same record.
func FuzzUnmarshalRoundTrip(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xFF}, 600))
	f.Add(bytes.Repeat([]byte("\x01\x05ab\xE2\x80\xA8"), 100))
	f.Add(bytes.Repeat([]byte("\x03\x0Fcp1,mp2\x00\xC2\x9B\xED\xA0\x80\""), 60))
	var reused Record
	f.Fuzz(func(t *testing.T, data []byte) {
		var r, got Record
		src := byteSource(data)
		src.fill(reflect.ValueOf(&r).Elem())
		line := AppendJSON(nil, &r)
		require.NoError(t, Unmarshal(line, &got), "%s", line)
		require.Equal(t, string(line), string(AppendJSON(nil, &got)))
		require.NoError(t, Unmarshal(line, &reused), "%s", line)
		require.Equal(t, string(line), string(AppendJSON(nil, &reused)), "a Record that was used before")
		require.Equal(t, asRead(&r), withoutNaN(&got))
		requireBrief(t, line, &got)
	})
}

// FuzzUnmarshal compares Unmarshal with a slow reader on top of encoding/json.
func FuzzUnmarshal(f *testing.F) {
	for _, r := range goldenRecords() {
		line := AppendJSON(nil, r)
		f.Add(line)
		f.Add(rewritten(line, rand.New(rand.NewPCG(1, 2))))
	}
	f.Add([]byte(`{"schema":1.0,"seq":1e2,"status":"success","info":{"rtt_ms":1e-7,"name":"\ud83d\ude00\ud800x"},"duration_ms":-0}`))
	f.Add([]byte(` { "x" : [ {}, [], "", -0.5E+3, true, null ] , "status" : "\u0073uccess" , "seq" : 1 , "schema" : 1 } `))
	f.Fuzz(func(t *testing.T, line []byte) {
		var got Record
		err := Unmarshal(line, &got)
		want, wantErr := slowUnmarshal(line)
		if errors.Is(wantErr, errTwice) {
			return
		}
		if wantErr != nil {
			require.Error(t, err, "want %v", wantErr)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, withoutNaN(&got))
		requireBrief(t, line, &got)
	})
}

// requireBrief compares UnmarshalBrief with Unmarshal, whose result is full.
func requireBrief(t *testing.T, line []byte, full *Record) {
	t.Helper()
	var brief Record
	require.NoError(t, brief.UnmarshalBrief(line), "%s", line)
	want := *full
	want.Raw = nil
	if p := full.Players; p != nil {
		players := *p
		players.List, players.Ship, players.spare = brief.Players.List, brief.Players.Ship, nil
		require.Len(t, brief.Players.List, len(p.List), "%s", line)
		want.Players = &players
		brief.Players.spare = nil
	}
	if r := full.Rules; r != nil {
		rules := *r
		rules.List, rules.A3SB, rules.spare = nil, nil, nil
		want.Rules = &rules
		brief.Rules.spare = nil
	}
	require.Equal(t, *withoutNaN(&want), *withoutNaN(&brief), "%s", line)
}

// errTwice is the error of slowUnmarshal if an object has a key twice, of which
// JSON does not say what it means.
var errTwice = errors.New("a key stands there twice")

// slowUnmarshal reads a record by way of a tree of maps.
func slowUnmarshal(line []byte) (r *Record, err error) {
	if !utf8.Valid(line) || !json.Valid(line) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	tree, err := treeOf(d)
	if err != nil {
		return nil, err
	}
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(slowError)
			if !ok {
				panic(v)
			}
			r, err = nil, e
		}
	}()
	o, ok := tree.(object)
	if !ok {
		return nil, errors.New("not an object")
	}
	return slowRecord(o, line), nil
}

func treeOf(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := treeOf(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		o := object{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			if _, ok := o[k.(string)]; ok {
				return nil, errTwice
			}
			if o[k.(string)], err = treeOf(d); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return o, err
	}
	return tok, nil
}

type slowError string

func (e slowError) Error() string { return string(e) }

func slowUint(o object, key string, most uint64) (uint64, bool) {
	v, ok := o[key]
	if !ok || v == nil {
		return 0, false
	}
	n, ok := v.(json.Number)
	if !ok {
		panic(slowError(key + " is no number"))
	}
	u, err := strconv.ParseUint(strings.TrimPrefix(n.String(), "-"), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(strings.TrimPrefix(n.String(), "-"), 64)
		if err != nil || f != math.Trunc(f) || f >= 1<<53 {
			panic(slowError(key + " is not whole"))
		}
		u = uint64(f)
	}
	if u > most || u > 0 && n.String()[0] == '-' {
		panic(slowError(key + " is out of range"))
	}
	return u, true
}

func slowInt(o object, key string, most int64) (int64, bool) {
	if n, ok := o[key].(json.Number); ok && n.String()[0] == '-' {
		u, ok := slowUint(object{key: n[1:]}, key, uint64(most)+1)
		return -int64(u), ok
	}
	u, ok := slowUint(o, key, uint64(most))
	return int64(u), ok
}

func slowInt32(o object, key string) (int32, bool) {
	n, ok := slowInt(o, key, 1<<31-1)
	return int32(n), ok
}

func slowText(o object, key string) (string, bool) {
	b, exact := slowBase64(o, key+"_b64")
	s, there := slowWord(o, key)
	if exact {
		return string(b), there
	}
	return s, there
}

func slowWord(o object, key string) (string, bool) {
	v, ok := o[key]
	if !ok || v == nil {
		return "", false
	}
	s, ok := v.(string)
	if !ok {
		panic(slowError(key + " is no string"))
	}
	return s, true
}

func slowBase64(o object, key string) ([]byte, bool) {
	s, there := slowWord(o, key)
	if !there {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(slowError(err.Error()))
	}
	return b, true
}

func slowBool(o object, key string) (v, there bool) {
	if o[key] == nil {
		return false, false
	}
	v, there = o[key].(bool)
	if !there {
		panic(slowError(key + " is no bool"))
	}
	return v, true
}

func slowID(o object, key string) (uint64, bool) {
	s, there := slowWord(o, key)
	if !there {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(slowError(err.Error()))
	}
	return n, true
}

func slowMillis(o object, key string) time.Duration {
	if o[key] == nil {
		return NoRTT
	}
	n, ok := o[key].(json.Number)
	f, err := strconv.ParseFloat(n.String(), 64)
	if !ok || err != nil || f < 0 || f >= maxMillis {
		panic(slowError(key + " is no duration"))
	}
	return time.Duration(math.Round(f * 1e6))
}

func slowObject(o object, key string) object {
	if o[key] == nil {
		return nil
	}
	v, ok := o[key].(object)
	if !ok {
		panic(slowError(key + " is no object"))
	}
	return v
}

func slowList(o object, key string) []any {
	if o[key] == nil {
		return nil
	}
	v, ok := o[key].([]any)
	if !ok {
		panic(slowError(key + " is no array"))
	}
	return v
}

func slowSection(o object) (s Section) {
	if w, ok := o["status"]; ok {
		word, _ := w.(string)
		status, ok := parseStatus(word)
		if !ok {
			panic(slowError("no status"))
		}
		s.Status = status
	}
	s.Error, _ = slowText(o, "error")
	n, _ := slowInt(o, "attempts", 1<<53-1)
	s.Attempts = int(n)
	s.RTT = slowMillis(o, "rtt_ms")
	return s
}

func slowRecord(o object, line []byte) *Record {
	schema, okSchema := slowUint(o, "schema", 1<<53)
	seq, okSeq := slowUint(o, "seq", 1<<64-1)
	if _, okStatus := o["status"]; !okSchema || !okSeq || !okStatus || schema != 1 {
		panic(slowError("no record"))
	}
	top := slowSection(o)
	r := &Record{Seq: seq, Status: top.Status, Error: top.Error, RTT: top.RTT, Attempts: top.Attempts, Duration: slowMillis(o, "duration_ms")}
	var ip netip.Addr
	if s, there := slowWord(o, "ip"); there {
		a, err := netip.ParseAddr(s)
		if err != nil {
			panic(slowError(err.Error()))
		}
		ip = a.Unmap()
	}
	port, _ := slowUint(o, "port", 1<<16-1)
	r.Addr = netip.AddrPortFrom(ip, uint16(port))
	given, _ := slowUint(o, "port_given", 1<<16-1)
	r.PortGiven = uint16(given)
	r.Input, _ = slowText(o, "input")
	r.Tag, _ = slowText(o, "tag")
	if slowObject(o, "source") != nil {
		var raw struct{ Source json.RawMessage }
		members := map[string]json.RawMessage{}
		if err := json.Unmarshal(line, &members); err != nil {
			panic(slowError(err.Error()))
		}
		raw.Source = members["source"]
		r.Source = bytes.TrimSpace(raw.Source)
	}
	if s, there := slowWord(o, "timestamp"); there {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			panic(slowError(err.Error()))
		}
		r.Time = at.UTC()
	}
	for key, p := range map[string]*int{"packets_sent": &r.PacketsSent, "packets_received": &r.PacketsReceived} {
		n, _ := slowInt(o, key, 1<<53-1)
		*p = int(n)
	}
	n, _ := slowInt(o, "bytes_received", 1<<53-1)
	r.BytesReceived = n
	r.Challenged, _ = slowBool(o, "challenged")
	if i := slowObject(o, "info"); i != nil {
		r.Info = slowInfo(i)
	}
	if p := slowObject(o, "players"); p != nil {
		r.Players = slowPlayers(p)
	}
	if u := slowObject(o, "rules"); u != nil {
		r.Rules = slowRules(u)
	}
	if raw := slowList(o, "raw"); raw != nil {
		r.Raw = []Datagram{}
		for _, v := range raw {
			g := asObject(v)
			data, _ := slowBase64(g, "b64")
			if data == nil {
				data = []byte{}
			}
			dir, there := g["dir"]
			if there && dir != "tx" && dir != "rx" {
				panic(slowError("dir"))
			}
			r.Raw = append(r.Raw, Datagram{Time: max(slowMillis(g, "t_ms"), 0), Sent: dir == "tx", Data: data})
		}
	}
	return r
}

func asObject(v any) object {
	o, ok := v.(object)
	if !ok {
		panic(slowError("no object"))
	}
	return o
}

func slowInfo(o object) *Info {
	i := &Info{Section: slowSection(o)}
	v := reflect.ValueOf(i).Elem()
	for name, bit := range fieldBits {
		key := infoKeyOf(name)
		f := v.FieldByName(name)
		there := false
		switch {
		case name == "Format" || name == "ServerType" || name == "Environment" || name == "Visibility":
			var s string
			s, there = slowWord(o, key)
			f.SetString(s)
		case f.Kind() == reflect.String:
			var s string
			s, there = slowText(o, key)
			f.SetString(s)
		case f.Kind() == reflect.Bool:
			var b bool
			b, there = slowBool(o, key)
			f.SetBool(b)
		case f.Kind() == reflect.Uint64:
			var n uint64
			n, there = slowID(o, key)
			f.SetUint(n)
		case f.Kind() == reflect.Int:
			var n int64
			n, there = slowInt(o, key, 1<<31-1)
			f.SetInt(n)
		default:
			var n uint64
			n, there = slowUint(o, key, 1<<(8*f.Type().Size())-1)
			f.SetUint(n)
		}
		if there {
			i.Fields |= bit
		}
	}
	number := func(o object, key string, most uint64) uint64 {
		n, _ := slowUint(o, key, most)
		return n
	}
	if s := slowObject(o, "ship"); s != nil {
		i.Ship = &Ship{uint8(number(s, "mode", 255)), uint8(number(s, "witnesses", 255)), uint8(number(s, "duration_s", 255))}
	}
	if m := slowObject(o, "mod"); m != nil {
		i.Mod = &Mod{Version: uint32(number(m, "version", 1<<32-1)), Size: uint32(number(m, "size", 1<<32-1)),
			Type: uint8(number(m, "type", 255)), DLL: uint8(number(m, "dll", 255))}
		i.Mod.Link, _ = slowText(m, "link")
		i.Mod.DownloadLink, _ = slowText(m, "download_link")
		i.Mod.HLVersion, _ = slowText(m, "hl_version")
	}
	i.Truncated, _ = slowBool(o, "truncated")
	return i
}

// infoKeyOf returns the key of a field of Info: AppID is app_id.
func infoKeyOf(name string) string {
	var b strings.Builder
	for i, r := range name {
		if upper := r >= 'A' && r <= 'Z'; upper && i > 0 && name[i-1] >= 'a' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}

func slowPlayers(o object) *Players {
	p := &Players{Section: slowSection(o)}
	count, _ := slowInt(o, "count", 1<<53-1)
	p.Count = int(count)
	p.Truncated, _ = slowBool(o, "truncated")
	list := slowList(o, "list")
	if list != nil {
		p.List = []Player{}
	}
	for _, v := range list {
		e := asObject(v)
		q := Player{Duration: noDuration}
		n, _ := slowUint(e, "index", 255)
		q.Index = uint8(n)
		q.Name, _ = slowText(e, "name")
		q.Score, _ = slowInt32(e, "score")
		if e["duration_s"] != nil {
			n, ok := e["duration_s"].(json.Number)
			f, err := strconv.ParseFloat(n.String(), 32)
			if !ok || err != nil {
				panic(slowError("duration_s"))
			}
			q.Duration = float32(f)
		}
		var ship [2]bool
		q.Deaths, ship[0] = slowInt32(e, "deaths")
		q.Money, ship[1] = slowInt32(e, "money")
		p.Ship = p.Ship || ship[0] || ship[1]
		p.List = append(p.List, q)
	}
	return p
}

func slowRules(o object) *Rules {
	u := &Rules{Section: slowSection(o)}
	count, _ := slowInt(o, "count", 1<<53-1)
	u.Count = int(count)
	u.Truncated, _ = slowBool(o, "truncated")
	list := slowList(o, "list")
	if list != nil {
		u.List = []Rule{}
	}
	for _, v := range list {
		e := asObject(v)
		var q Rule
		q.Name, _ = slowText(e, "name")
		q.Value, _ = slowText(e, "value")
		u.List = append(u.List, q)
	}
	b := slowObject(o, "a3sb")
	if b == nil {
		return u
	}
	a := &A3SB{}
	n, _ := slowUint(b, "version", 255)
	a.Version = uint8(n)
	n, _ = slowUint(b, "dlc", 1<<16-1)
	a.DLC = uint16(n)
	n, a.HasDifficulty = slowUint(b, "difficulty", 1<<16-1)
	a.Difficulty = uint16(n)
	for _, v := range slowList(b, "mods") {
		e := asObject(v)
		var m A3SBMod
		n, _ := slowUint(e, "hash", 1<<32-1)
		m.Hash = uint32(n)
		m.ID, _ = slowID(e, "id")
		m.Name, _ = slowText(e, "name")
		m.DLC, _ = slowBool(e, "dlc")
		a.Mods = append(a.Mods, m)
	}
	exact := slowList(b, "signatures_b64")
	for i, v := range slowList(b, "signatures") {
		s, _ := slowWord(object{"s": v}, "s")
		if i < len(exact) {
			if b, ok := slowBase64(object{"s": exact[i]}, "s"); ok {
				s = string(b)
			}
		}
		a.Signatures = append(a.Signatures, s)
	}
	for _, v := range exact {
		slowBase64(object{"s": v}, "s") // or it panics
	}
	a.Description, a.HasDescription = slowText(b, "description")
	a.Truncated, _ = slowBool(b, "truncated")
	u.A3SB = a
	return u
}

// rewritten returns the JSON of line as another program could have written it:
// keys in another order, white space, other escapes, and keys that are unknown.
func rewritten(line []byte, rnd *rand.Rand) []byte {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	tree, err := treeOf(d)
	if err != nil {
		panic(err)
	}
	space := func(b []byte) []byte {
		for rnd.IntN(3) == 0 {
			b = append(b, " \t\r\n"[rnd.IntN(4)])
		}
		return b
	}
	text := func(b []byte, s string) []byte {
		b = append(b, '"')
		for _, r := range s {
			switch {
			case r > 0xFFFF || r == '"' || r == '\\' || r < ' ' || rnd.IntN(8) == 0:
				for _, u := range utf16Units(r) {
					b = fmt.Appendf(b, "\\u%04X", u)
				}
			case r == '/':
				b = append(b, "\\/"...)
			default:
				b = utf8.AppendRune(b, r)
			}
		}
		return append(b, '"')
	}
	var write func(b []byte, v any) []byte
	write = func(b []byte, v any) []byte {
		b = space(b)
		switch v := v.(type) {
		case object:
			keys := make([]string, 0, len(v)+1)
			for k := range v {
				keys = append(keys, k)
			}
			slices.SortFunc(keys, cmp.Compare)
			rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			b = append(b, '{')
			for i, k := range keys {
				if i > 0 {
					b = append(b, ',')
				}
				b = space(text(space(b), k))
				b = write(append(b, ':'), v[k])
			}
			if rnd.IntN(2) == 0 && len(keys) > 0 {
				b = append(b, `,"unknown":{"name":["x",{"status":null}]}`...)
			}
			b = append(space(b), '}')
		case []any:
			b = append(b, '[')
			for i, e := range v {
				if i > 0 {
					b = append(b, ',')
				}
				b = write(b, e)
			}
			b = append(space(b), ']')
		case string:
			b = text(b, v)
		case json.Number:
			b = append(b, v...)
		default:
			b = fmt.Append(b, map[any]string{nil: "null", true: "true", false: "false"}[v])
		}
		return space(b)
	}
	return write(nil, tree)
}

func utf16Units(r rune) []uint16 {
	if r <= 0xFFFF {
		return []uint16{uint16(r)}
	}
	r -= 0x10000
	return []uint16{0xD800 + uint16(r>>10), 0xDC00 + uint16(r&0x3FF)}
}

// A record that another program rewrote has the same values.
func TestUnmarshalRewritten(t *testing.T) {
	for name, r := range goldenRecords() {
		r.Source = nil // unknown keys would be part of it
		line := AppendJSON(nil, r)
		for seed := range uint64(100) {
			again := rewritten(line, rand.New(rand.NewPCG(seed, 0)))
			var got Record
			require.NoError(t, Unmarshal(again, &got), "%s\n%s", name, again)
			require.Equal(t, string(line), string(AppendJSON(nil, &got)), "%s\n%s", name, again)
		}
	}
}

// Each byte of a line cut off, and each replaced, is an error or gives a record:
// never a panic.
func TestUnmarshalDamaged(t *testing.T) {
	line := AppendJSON(nil, hostileRecord())
	line = line[:len(line)-1]
	var r Record
	for i := range line {
		require.Error(t, Unmarshal(line[:i], &r), "%s", line[:i])
		damaged := bytes.Clone(line)
		for _, c := range []byte{0, '"', '\\', 'x', ',', 0xFF} {
			damaged[i] = c
			_ = Unmarshal(damaged, &r)
		}
	}
	for _, c := range []struct{ line, want string }{
		{``, "unexpected end"},
		{`[]`, "want '{'"},
		{`{"schema":1,"seq":1}`, "no record"},
		{`{"schema":1,"status":"success","seq":null}`, "no record"},
		{`{"seq":1,"status":"success"}`, "no record"},
		{`{"schema":2,"seq":1,"status":"success"}`, "another schema"},
		{`{"schema":1,"seq":1,"status":"successful"}`, `byte 41: unknown status "successful"`},
		{`{"schema":1,"seq":1,"status":"success"} x`, "want the end"},
		{`{"schema":1,"seq":01,"status":"success"}`, "unexpected"},
		{`{"schema":1,"seq":-1,"status":"success"}`, "whole number"},
		{`{"schema":1,"seq":1.5,"status":"success"}`, "whole number"},
		{`{"schema":1,"seq":1,"status":"success","port":65536}`, "65536 is larger than 65535"},
		{`{"schema":1,"seq":1,"status":"success","ip":"x"}`, "no IP address"},
		{`{"schema":1,"seq":1,"status":"success","source":[1]}`, "want '{'"},
		{"{\"schema\":1,\"seq\":1,\"status\":\"success\",\"tag\":\"\xff\"}", "invalid UTF-8"},
		{"{\"schema\":1,\"seq\":1,\"status\":\"success\",\"tag\":\"\n\"}", "control character"},
		{`{"schema":1,"seq":1,"status":"success","tag":"\x"}`, "invalid escape"},
		{`{"schema":1,"seq":1,"status":"success","tag_b64":"?"}`, "invalid base64"},
		{`{"schema":1,"seq":1,"status":"success","timestamp":"2026-02-30T00:00:00.000000Z"}`, "no time"},
		{`{"schema":1,"seq":1,"status":"success","raw":[{"dir":"up"}]}`, "neither tx nor rx"},
		{`{"schema":1,"seq":1,"status":"success","x":` + strings.Repeat("[", 20000), "too deeply nested"},
	} {
		err := Unmarshal([]byte(c.line), &r)
		require.Error(t, err, c.line)
		require.Contains(t, err.Error(), c.want)
	}
}

// The strings of a record stay valid when the line's memory and the Record are
// used again.
func TestUnmarshalKeepsNothingOfTheLine(t *testing.T) {
	line := AppendJSON(nil, sourceRecord())
	var r Record
	require.NoError(t, Unmarshal(line, &r))
	info, rule, player := *r.Info, r.Rules.List[0], r.Players.List[0]
	clear(line)
	require.NoError(t, Unmarshal(AppendJSON(nil, hostileRecord()), &r))
	require.Equal(t, "Example server", info.Name)
	require.Equal(t, Rule{"sv_gravity", "800"}, rule)
	require.Equal(t, "x", player.Name)
	require.Equal(t, evil, r.Info.Name)
}

// What is read again and again into one Record costs few allocations.
func TestUnmarshalAllocs(t *testing.T) {
	r := rulesRecord()
	line := AppendJSON(nil, r)
	var got Record
	require.NoError(t, Unmarshal(line, &got))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if err := Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
	}), 2.0)
}

func benchmarkUnmarshal(b *testing.B, r *Record) {
	line := AppendJSON(nil, r)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var got Record
	for b.Loop() {
		if err := Unmarshal(line, &got); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshalInfo(b *testing.B) { benchmarkUnmarshal(b, infoRecord()) }

func BenchmarkUnmarshalTimeout(b *testing.B) { benchmarkUnmarshal(b, goldenRecords()["silent"]) }

func BenchmarkUnmarshal64Players(b *testing.B) { benchmarkUnmarshal(b, playersRecord()) }

func BenchmarkUnmarshal100Rules(b *testing.B) { benchmarkUnmarshal(b, rulesRecord()) }

func BenchmarkUnmarshalEncodingJSON(b *testing.B) {
	line := AppendJSON(nil, rulesRecord())
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		var v struct {
			Schema int
			Info   struct{ Name string }
			Rules  struct {
				List []struct{ Name, Value string }
			}
		}
		if err := json.Unmarshal(line, &v); err != nil {
			b.Fatal(err)
		}
	}
}
