package output

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Reading a line into a ParsedRecord and writing it again gives the same
// object: no member is forgotten, none changes its value.
func TestParsedRecordRoundTrip(t *testing.T) {
	for name, r := range goldenRecords() {
		t.Run(name, func(t *testing.T) {
			line := AppendJSON(nil, r)
			var p ParsedRecord
			d := json.NewDecoder(strings.NewReader(string(line)))
			d.DisallowUnknownFields()
			require.NoError(t, d.Decode(&p))
			again, err := json.Marshal(&p)
			require.NoError(t, err)
			require.Equal(t, canonical(t, line), canonical(t, again))
		})
	}
}

// The members of ParsedRecord stand in the order of the line.
func TestParsedRecordKeys(t *testing.T) {
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[Timestamp]() {
			return
		}
		var keys []string
		for _, f := range reflect.VisibleFields(typ) {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous || strings.HasSuffix(key, "_b64") {
				continue
			}
			keys = append(keys, key)
			walk(f.Type, strings.TrimPrefix(path+"."+key, "."))
		}
		require.Equal(t, wantKeys[path], strings.Join(keys, " "), path)
	}
	walk(reflect.TypeFor[ParsedRecord](), "")
}

func TestTrueBytes(t *testing.T) {
	var p ParsedRecord
	r := hostileRecord()
	require.NoError(t, json.Unmarshal(AppendJSON(nil, r), &p))
	require.Equal(t, r.Info.Data.Name, TrueBytes(*p.Info.Name, p.Info.NameB64))
	require.Equal(t, r.Rules.Data.List[0].Value, TrueBytes(p.Rules.List[0].Value, p.Rules.List[0].ValueB64))
	for i, want := range r.Rules.A3SB.Signatures {
		require.Equal(t, want, TrueBytes(p.Rules.A3SB.Signatures[i], p.Rules.A3SB.SignaturesB64[i]))
	}
	require.Equal(t, []byte("cstrike"), TrueBytes("cstrike", nil))
}

func TestSeq(t *testing.T) {
	for line, want := range map[string]int64{
		`{"schema":1,"seq":17,"ip":null}`:                   17,
		`{"schema":1,"seq":18446744073709551616,"ip":null}`: -1,
		`{"schema":1,"seq":17,"ip":nu`:                      -1,
		"{\"schema\":1,\"seq\":17,\"ip\":null} \r":          17,
		`{"schema":1,"seq":17`:                              -1,
		`{"schema":1,"seq":x,"ip":null}`:                    -1,
		`{"seq": 5, "schema": 1}`:                           5,
		`{"schema":2,"seq":5}`:                              5,
		`{"schema":1}`:                                      -1,
		`[]`:                                                -1,
		``:                                                  -1,
		"\x00\x00":                                          -1,
	} {
		seq, ok := Seq([]byte(line))
		require.Equal(t, want >= 0, ok, line)
		if ok {
			require.EqualValues(t, want, seq, line)
		}
	}
	line := AppendJSON(nil, sourceRecord())
	seq, ok := Seq(line[:len(line)-1])
	require.True(t, ok)
	require.EqualValues(t, 17, seq)
	require.Zero(t, testing.AllocsPerRun(100, func() { Seq(line[:len(line)-1]) }))
}

// FuzzSeq compares the shortcut with encoding/json, on lines that both have to
// understand, and gives it lines that neither does.
func FuzzSeq(f *testing.F) {
	f.Add(uint64(17), `,"ip":null}`)
	f.Add(uint64(0), `}`)
	f.Add(uint64(1), `7}`)
	f.Add(uint64(1), `.5,"a":1}`)
	f.Add(uint64(1), ` ,"a":1}`)
	f.Fuzz(func(t *testing.T, seq uint64, rest string) {
		line := fmt.Appendf(nil, `{"schema":1,"seq":%d%s`, seq, rest)
		got, ok := Seq(line)
		Seq([]byte(rest))
		var want struct {
			Seq uint64 `json:"seq"`
		}
		// A second seq would count there, also in capitals and escapes.
		once := !strings.Contains(strings.ToLower(rest), `eq"`) && !strings.Contains(rest, `\`)
		if ok && once && json.Unmarshal(line, &want) == nil {
			require.Equal(t, want.Seq, got)
		}
		if strings.HasPrefix(rest, ",") && json.Valid(line) {
			require.True(t, ok)
			require.Equal(t, seq, got)
		}
	})
}
