package dataset

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/osfile"
)

// endings has a file name for each compression.
var endings = map[Compression]string{CompressNone: "r.ndjson", CompressZstd: "r.ndjson.zst", CompressGzip: "r.ndjson.gz"}

// lines returns n lines of various lengths that end in their number.
func lines(from, n int) []byte {
	var b []byte
	for i := from; i < from+n; i++ {
		b = fmt.Appendf(b, "{\"schema\":1,\"seq\":%d,\"x\":%q}\n", i, strings.Repeat("ab", i*7%50))
	}
	return b
}

// recordLine returns the record of an INFO query that was answered, as AppendJSON
// writes it.
func recordLine(seq uint64) []byte {
	return fmt.Appendf(nil, `{"schema":1,"seq":%d,"ip":"203.0.113.7","port":27015,"port_given":null,"input":"gs1.example.net:27015","tag":"eu",`+
		`"source":null,"status":"success","error":null,"timestamp":"2026-11-22T06:30:12.345678Z","duration_ms":83.412,"rtt_ms":41.207,`+
		`"attempts":1,"packets_sent":2,"packets_received":2,"bytes_received":310,"challenged":true,"info":{"status":"success","error":null,`+
		`"attempts":1,"rtt_ms":41.207,"format":"source","protocol":17,"name":"Example server","map":"de_dust2","folder":"cstrike",`+
		`"game":"Counter-Strike: Source","app_id":240,"players":12,"max_players":32,"bots":1,"server_type":"dedicated","environment":"linux",`+
		`"visibility":"public","vac":true,"version":"1.0.0.34","edf":241,"game_port":27015,"steam_id":"%d","spectator_port":27020,`+
		`"spectator_name":"tv","keywords":"a,b","game_id":"240","ship":null,"address":null,"mod":null,"players_actual":null,`+
		`"max_players_actual":null,"truncated":false},"players":null,"rules":null,"raw":null}`+"\n", seq, 90071992547409920+977*seq)
}

// unpack returns the content of b, read by the readers of the libraries.
func unpack(t *testing.T, c Compression, b []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	switch c {
	case CompressZstd:
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		require.NoError(t, err)
		defer d.Close()
		r = d
	case CompressGzip:
		g, err := gzip.NewReader(r)
		require.NoError(t, err)
		r = g
	}
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return out
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func TestCompression(t *testing.T) {
	for path, want := range map[string]Compression{"-": CompressNone, "a.ndjson": CompressNone, "a.ZST": CompressZstd, "a.gz": CompressGzip, "gz": CompressNone, "a.zst/b": CompressNone} {
		require.Equal(t, want, CompressAuto.For(path), path)
	}
	require.Equal(t, CompressNone, CompressNone.For("a.gz"))
	require.Equal(t, CompressGzip, CompressGzip.For("-"))
	for _, c := range []Compression{CompressAuto, CompressNone, CompressZstd, CompressGzip} {
		var got Compression
		require.NoError(t, got.UnmarshalText([]byte(c.String())))
		require.Equal(t, c, got)
	}
	require.EqualError(t, new(Compression).UnmarshalText([]byte("lzma")), `"lzma" is not one of auto, none, zstd, gzip`)
}

// After a Sync the file holds all lines that were written before: a run that is killed
// leaves them behind.
func TestSinkSyncedIsReadable(t *testing.T) {
	for c, name := range endings {
		t.Run(c.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s, err := Create(path, CompressAuto)
			require.NoError(t, err)
			var want []byte
			for i := range 5 {
				for j := range 3 {
					p := lines(10*i+j, 1)
					require.NoError(t, s.WriteLines(p))
					want = append(want, p...)
				}
				committed, err := s.Sync()
				require.NoError(t, err)
				b := readFile(t, path)
				require.EqualValues(t, len(b), committed)
				require.Equal(t, string(want), string(unpack(t, c, b)))

				again, err := s.Sync()
				require.NoError(t, err)
				require.Equal(t, committed, again, "no frame for nothing")
			}
			require.NoError(t, s.Close())
			require.Equal(t, string(want), string(unpack(t, c, readFile(t, path))))
		})
	}
}

func TestFileOverwritesOrAppends(t *testing.T) {
	for c, name := range endings {
		t.Run(c.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			open := func(load bool) *File {
				f, err := Open(path, CompressAuto)
				require.NoError(t, err)
				if load {
					require.NoError(t, f.Load(func([]byte) (bool, error) { return true, nil }))
				}
				require.NoError(t, f.Start())
				return f
			}
			for i, p := range [][]byte{lines(0, 3), lines(10, 2), lines(12, 2)} {
				f := open(i == 2)
				require.NoError(t, f.WriteLines(p))
				require.NoError(t, f.Close())
			}
			require.Equal(t, string(lines(10, 4)), string(unpack(t, c, readFile(t, path))))
			before := readFile(t, path)

			f := open(true)
			committed, err := f.Sync()
			require.NoError(t, err)
			require.EqualValues(t, len(before), committed, "what was there counts")
			require.NoError(t, f.Close())
			require.Equal(t, before, readFile(t, path), "a run without records leaves it alone")
		})
	}
}

// A run without records leaves a file that zstd and gzip take for one of theirs.
func TestSinkEmpty(t *testing.T) {
	for c, name := range endings {
		t.Run(c.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			s, err := Create(path, CompressAuto)
			require.NoError(t, err)
			require.NoError(t, s.Close())
			b := readFile(t, path)
			require.Empty(t, unpack(t, c, b))
			require.Equal(t, c != CompressNone, len(b) > 0)
		})
	}
}

func TestSinkCompresses(t *testing.T) {
	var p []byte
	for seq := range uint64(2000) {
		p = append(p, recordLine(seq)...)
	}
	for _, c := range []Compression{CompressZstd, CompressGzip} {
		path := filepath.Join(t.TempDir(), "r")
		s, err := Create(path, c)
		require.NoError(t, err)
		require.NoError(t, s.WriteLines(p))
		require.NoError(t, s.Close())
		b := readFile(t, path)
		require.Less(t, len(b), len(p)/10, c)
		require.Equal(t, p, unpack(t, c, b))
	}
}

func TestOpenErrors(t *testing.T) {
	_, err := Create(filepath.Join(t.TempDir(), "no", "such", "directory"), CompressAuto)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Create(filepath.Join(t.TempDir(), "r"), 9)
	require.EqualError(t, err, "no compressor for unknown")
}

// failAfter writes to s until it fails, and returns the error.
func failAfter(t *testing.T, s Sink) error {
	t.Helper()
	for range 1000 {
		err := s.WriteLines(lines(0, 100))
		if err == nil {
			_, err = s.Sync()
		}
		if err != nil {
			require.Equal(t, err, s.WriteLines(lines(0, 1)), "an error is final")
			_, syncErr := s.Sync()
			require.Equal(t, err, syncErr)
			require.Equal(t, err, s.Close())
			return err
		}
	}
	require.Fail(t, "it never failed")
	return nil
}

func TestSinkNoSpace(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	for c := range endings {
		s, err := Create("/dev/full", c)
		require.NoError(t, err)
		err = failAfter(t, s)
		require.True(t, osfile.IsNoSpace(err), "%v", err)
		require.False(t, osfile.IsBrokenPipe(err))
		require.ErrorContains(t, err, "/dev/full")
	}
}

// pipeSink returns a File that writes to a pipe, and the other end of the pipe.
func pipeSink(t *testing.T, c Compression) (reader *os.File, s Sink) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	f, err := Create(fmt.Sprintf("/dev/fd/%d", w.Fd()), c)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return r, f
}

func TestSinkBrokenPipe(t *testing.T) {
	for c := range endings {
		r, s := pipeSink(t, c)
		require.NoError(t, r.Close())
		err := failAfter(t, s)
		require.True(t, osfile.IsBrokenPipe(err), "%v", err)
		require.False(t, osfile.IsNoSpace(err))
	}
}

// FuzzCompression: a word is one of ours and comes back the same, or is
// named in the error.
func FuzzCompression(f *testing.F) {
	for _, word := range []string{"auto", "none", "zstd", "gzip", "", "ZSTD", "gz"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		var c Compression
		if err := c.UnmarshalText([]byte(word)); err != nil {
			require.ErrorContains(t, err, strconv.Quote(word))
			return
		}
		require.Equal(t, word, c.String())
	})
}

func benchmarkSink(b *testing.B, c Compression) {
	s, err := Create(os.DevNull, c)
	if err != nil {
		b.Fatal(err)
	}
	var p []byte
	for seq := uint64(0); len(p) < 64<<10; seq++ {
		p = append(p, recordLine(seq)...)
	}
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.WriteLines(p); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkSinkZstd(b *testing.B) { benchmarkSink(b, CompressZstd) }
func BenchmarkSinkGzip(b *testing.B) { benchmarkSink(b, CompressGzip) }
