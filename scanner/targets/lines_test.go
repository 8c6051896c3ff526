package targets

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pieces is a reader that returns n bytes at a time, n from sizes in turn.
type pieces struct {
	text  []byte
	sizes []byte
	at    int
}

func (r *pieces) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	n := len(p)
	if len(r.sizes) > 0 {
		n = 1 + int(r.sizes[r.at%len(r.sizes)])
		r.at++
	}
	n = copy(p[:min(n, len(p))], r.text)
	r.text = r.text[n:]
	if len(r.text) == 0 && r.at%2 == 1 {
		return n, io.EOF // both at once, as a reader may
	}
	return n, nil
}

// FuzzLines checks that lines come out whole wherever the reads are cut.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nthree"), []byte("x\n"), []byte{0, 1, 2})
	f.Add([]byte(""), []byte("\n\n"), []byte{})
	f.Fuzz(func(t *testing.T, one, two, sizes []byte) {
		type numbered struct {
			name string
			n    int
			text string
		}
		var want, got []numbered
		for name, text := range map[string][]byte{"one": one, "two": two} {
			if len(text) == 0 {
				continue
			}
			for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
				want = append(want, numbered{name, i + 1, line})
			}
		}
		l := newLines([]File{{"one", &pieces{text: one, sizes: sizes}}, {"two", &pieces{text: two, sizes: sizes}}})
		l.open = func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }
		l.start()
		defer l.close()
		for b := range l.full {
			l.put(b)
			for {
				line, found := l.next()
				if found == needBlock {
					break
				}
				require.Equal(t, gotLine, found)
				got = append(got, numbered{l.name(), l.number, string(line)})
			}
		}
		require.ElementsMatch(t, want, got)
	})
}
