package targets

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainLines returns n different lines in canonical form.
func plainLines(n int) []byte {
	var b []byte
	for i := range uint32(n) {
		k := address4(0x01000000 + i*2654435761%0x7F000000).key(27015)
		b = k.AddrPort().AppendTo(b)
		b = append(b, '\n')
	}
	return b
}

// endless is a list of different plain lines that does not end.
type endless struct {
	next uint32
	buf  [32]byte
	line []byte // what is left of the line before, in buf
}

func (r *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(r.line) == 0 {
			k := address4(0x01000000 + r.next*2654435761%0x7F000000).key(27015)
			r.line = append(k.AddrPort().AppendTo(r.buf[:0]), '\n')
			r.next++
		}
		c := copy(p[n:], r.line)
		n, r.line = n+c, r.line[c:]
	}
	return n, nil
}

func TestPlainLinesDoNotAllocate(t *testing.T) {
	for name, cfg := range map[string]Config{
		"with dedup":    {Dedup: true}, // but for a chunk of the set every 45,000 targets
		"without dedup": {},
		"as a shard":    {Shards: 2, Shard: 1},
		"shuffled":      {Shuffle: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Files = []File{{"list.txt", new(endless)}}
			l, err := NewList(cfg)
			require.NoError(t, err)
			defer l.Close()
			dst := make([]Target, 256)
			next := func() {
				if _, err := l.Next(context.Background(), dst); err != nil {
					t.Fatal(err)
				}
			}
			for range 1000 {
				next()
			}
			require.Zero(t, testing.AllocsPerRun(1000, next))
		})
	}
}

func BenchmarkNext(b *testing.B) {
	text := plainLines(1 << 20)
	other := bytes.ReplaceAll(text, []byte(":27015"), []byte(" eu"))
	object := append(bytes.ReplaceAll(bytes.TrimSpace(text), []byte(":27015\n"), []byte("\",\"port\":27015}\n{\"ip\":\"")), '\n')
	object = append([]byte(`{"ip":"`), bytes.Replace(object, []byte(":27015\n"), []byte("\"}\n"), 1)...)
	for _, bench := range []struct {
		name string
		text []byte
		cfg  Config
	}{
		{"plain", text, Config{}},
		{"plain dedup", text, Config{Dedup: true}},
		{"plain shuffle", text, Config{Shuffle: true}},
		{"tagged default port", other, Config{Dedup: true}},
		{"objects", object, Config{Dedup: true}},
		{"prefix", []byte("10.0.0.0/12\n"), Config{Dedup: true}},
		{"prefix shuffle", []byte("10.0.0.0/12\n"), Config{Dedup: true, Shuffle: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]Target, 256)
			targets := 0
			for targets < b.N {
				cfg := bench.cfg
				cfg.Files = []File{{"list.txt", bytes.NewReader(bench.text)}}
				l, err := NewList(cfg)
				require.NoError(b, err)
				for targets < b.N {
					n, err := l.Next(context.Background(), dst)
					targets += n
					if err == io.EOF {
						break
					}
					require.NoError(b, err)
				}
				if targets == 0 {
					b.Fatal(l.Counts())
				}
				l.Close()
			}
		})
	}
}
