package screen

import (
	"encoding/xml"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScreen(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"lines":             {"one\ntwo", "one\ntwo\n"},
		"redrawn":           {"12 %\r\x1b[K13 %\r\x1b[Kdone\n", "done\n"},
		"wrapped":           {"0123456789abc", "0123456789\nabc\n"},
		"full":              {"0123456789\nabc", "0123456789\nabc\n"},
		"wide":              {"日本語日本語", "日本語日本\n語\n"},
		"combined":          {"e\u0301e", "e\u0301e\n"},
		"colours":           {"\x1b[31mred\x1b[0m \x1b[1mbold\x1b[0m", "red bold\n"},
		"drawn again":       {"a\nb\x1b[H\x1b[2Jc", "c\n"},
		"drawn, with lines": {"1\n2\n3\n4\n5\x1b[H\x1b[2Jc", "1\n2\nc\n"},
	} {
		s := New(10, 3)
		for i := range len(c.in) { // in any parts
			_, err := io.WriteString(s, c.in[i:i+1])
			require.NoError(t, err)
		}
		require.Equal(t, c.want, s.String(), name)
	}
}

func TestUnknownSequences(t *testing.T) {
	for _, text := range []string{"\a", "\b", "\t", "\x7f", "\u009b", "\x1b]0;x\a", "\x1b[5A", "\x1b[2K", "\x1b[41m", "\x1b(0", "\u2028", "\u202e", "\xff!!!!"} {
		_, err := io.WriteString(New(80, 24), text+"    ")
		require.ErrorIs(t, err, errUnknown, "%q", text)
	}
}

func TestSVG(t *testing.T) {
	s := New(20, 3)
	_, err := io.WriteString(s, "\x1b[1mA  <B>\x1b[0m  & 日\n\n  \x1b[31mred\x1b[0m\n")
	require.NoError(t, err)
	var figure struct {
		Title string `xml:"title"`
		Texts []struct {
			X      string `xml:"x,attr"`
			Length string `xml:"textLength,attr"`
			Text   string `xml:",chardata"`
		} `xml:"g>text"`
	}
	require.NoError(t, xml.Unmarshal(s.SVG("a & b"), &figure))
	require.Equal(t, "a & b", figure.Title)
	type text = struct{ x, length, text string }
	var texts []text
	for _, e := range figure.Texts {
		texts = append(texts, text{e.X, e.Length, e.Text})
	}
	require.Equal(t, []text{{"16", "8.4", "A"}, {"41.2", "25.2", "<B>"}, {"83.2", "33.6", "& 日"}, {"32.8", "25.2", "red"}}, texts)
}
