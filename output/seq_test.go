package output

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
