package targets

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFields checks the walk over an object against encoding/json.
func FuzzFields(f *testing.F) {
	for _, text := range []string{`{}`, `{ "a" : 1 , "b":[1,{"a":"]"}], "c":"\"}" }`, `{"a":{},"a":-1.5e3,"":null,"\u0061":true}`, `{"a":"\\"}`,
		"{\"\xc3\xc3\":\"\"}", "{\"\xff\":\"\xff\"}"} { // each bad byte of a key is one U+FFFD, not each run of them
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.Trim(text, " \t\r")
		if !json.Valid([]byte(text)) || text == "" || text[0] != '{' {
			return
		}
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		got := make(map[string]json.RawMessage)
		fields([]byte(text), func(key []byte, value jsonValue) {
			got[string(key)] = json.RawMessage(value)
		})
		for k, v := range want {
			require.Equal(t, string(v), string(got[k]), "key %q of %q", k, text)
			var want string
			if json.Unmarshal(v, &want) == nil && v[0] == '"' {
				s, ok := jsonValue(v).text()
				require.True(t, ok)
				require.Equal(t, want, s)
			}
		}
	})
}
