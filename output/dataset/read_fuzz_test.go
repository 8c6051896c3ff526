package dataset

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// FuzzReader reads any file of lines, whole and a byte at a time, and compares with
// what bytes.Lines and other decoders make of it. Rewriting the file and keeping
// all changes none of its lines.
func FuzzReader(f *testing.F) {
	pack := func(members ...string) []byte {
		var b bytes.Buffer
		for _, m := range members {
			w := gzip.NewWriter(&b)
			_, err := io.WriteString(w, m)
			require.NoError(f, err)
			require.NoError(f, w.Close())
		}
		return b.Bytes()
	}
	f.Add([]byte("{}\n\n[1]\n{\"a\":"), uint8(3))
	f.Add([]byte("{}\n{}"), uint8(200))
	f.Add(pack("{}\n", "{}\n{", "}\n"), uint8(1))
	f.Add(pack("{}\n{}\n")[:12], uint8(100))
	f.Add(append(pack("{}\n"), "junk"...), uint8(100))
	f.Add([]byte{0x28, 0xB5, 0x2F, 0xFD, 0, 0x58, 0x53, 0, 0, '\n'}, uint8(9))
	dir := f.TempDir()
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte, most uint8) {
		if len(b) > 1<<12 {
			return
		}
		const enough = 1 << 20 // of a bomb
		lines, c, end := readLines(t, bytes.NewReader(b), enough)
		slow, _, slowEnd := readLines(t, iotest.OneByteReader(bytes.NewReader(b)), enough)
		require.Equal(t, lines, slow, "however it arrives")
		require.Equal(t, end == nil, slowEnd == nil, "%v, %v", end, slowEnd)

		var whole []byte
		var known error
		switch c {
		case CompressNone:
			whole = b
		case CompressGzip:
			var r *gzip.Reader
			if r, known = gzip.NewReader(bytes.NewReader(b)); known == nil {
				whole, known = io.ReadAll(io.LimitReader(r, enough))
			}
		case CompressZstd:
			whole, known = dec.DecodeAll(b, nil)
		}
		if known == nil && len(whole) < enough {
			var want []string
			for line := range bytes.Lines(whole) {
				want = append(want, string(bytes.TrimSuffix(line, []byte{'\n'})))
			}
			if len(lines) < len(want) {
				var cut *CutError
				require.ErrorAs(t, end, &cut, "the last line has no newline and is no record")
				require.EqualValues(t, len(lines), cut.Lines)
				want = want[:len(want)-1]
			} else {
				require.NoError(t, end)
			}
			require.True(t, slices.Equal(want, lines), "%q, want %q", lines, want)
		}

		// A line that is longer than it may be ends the reading.
		r, err := scanLines(bytes.NewReader(b))
		require.NoError(t, err)
		defer r.Close()
		r.maxLine = int(most)
		for range 1 << 12 {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		require.LessOrEqual(t, cap(r.long), 4*(256<<10+int(most)))

		if end != nil || len(whole) >= enough {
			return
		}
		path := filepath.Join(dir, "r")
		require.NoError(t, os.WriteFile(path, b, 0o644))
		file, err := Open(path, c)
		require.NoError(t, err)
		n := 0
		var odd []string
		err = file.Load(func(line []byte) (bool, error) {
			if n++; n%2 == 0 {
				return false, nil
			}
			odd = append(odd, string(line))
			return true, nil
		})
		if err != nil {
			require.NoError(t, file.Discard())
			require.Equal(t, b, readFile(t, path))
			return
		}
		require.NoError(t, file.Start())
		require.NoError(t, file.Close())
		again, _, end := readLines(t, bytes.NewReader(readFile(t, path)), enough)
		require.NoError(t, end)
		require.Equal(t, odd, again)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "no second file is left")
	})
}

// readLines returns the lines that scanLines finds, up to some bytes of them, and
// why it ended: nil is the end of the file.
func readLines(t *testing.T, src io.Reader, enough int64) (lines []string, c Compression, end error) {
	t.Helper()
	r, err := scanLines(src)
	require.NoError(t, err)
	defer r.Close()
	for r.Bytes() < enough {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			_, again := r.Next()
			require.Equal(t, err, again, "the end stays the end")
			return lines, r.Compression(), err
		}
		lines = append(lines, string(line))
	}
	require.EqualValues(t, len(lines), r.Lines())
	return lines, r.Compression(), nil
}
