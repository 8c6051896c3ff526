package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// readAll reads b to its end.
func readAll(t *testing.T, b []byte) (got []string, r *lineScanner, err error) {
	t.Helper()
	r, err = scanLines(bytes.NewReader(b))
	require.NoError(t, err)
	for {
		line, err := r.Next()
		if err != nil {
			_, again := r.Next()
			require.Equal(t, err, again, "the end stays the end")
			require.NoError(t, r.Close())
			return got, r, err
		}
		got = append(got, string(line))
	}
}

// pack writes each of frames as one frame, or one write into a plain file, and
// returns the file and where in it each frame ends.
func pack(t *testing.T, c Compression, frames ...[]byte) (b []byte, ends []int) {
	t.Helper()
	if c == CompressNone {
		for _, f := range frames {
			b = append(b, f...)
			ends = append(ends, len(b))
		}
		return b, ends
	}
	enc, err := newEncoder(c)
	require.NoError(t, err)
	var buf bytes.Buffer
	for _, f := range frames {
		enc.Reset(&buf)
		_, err := enc.Write(f)
		require.NoError(t, err)
		require.NoError(t, enc.Close())
		ends = append(ends, buf.Len())
	}
	return buf.Bytes(), ends
}

func split(b []byte) []string {
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestReader(t *testing.T) {
	for c := range endings {
		t.Run(c.String(), func(t *testing.T) {
			b, _ := pack(t, c, lines(0, 5), nil, lines(5, 300), lines(305, 1))
			got, r, err := readAll(t, b)
			require.Equal(t, io.EOF, err)
			require.Equal(t, split(lines(0, 306)), got)
			require.Equal(t, c, r.Compression())
			require.EqualValues(t, 306, r.Lines())
			require.EqualValues(t, len(lines(0, 306)), r.Bytes())
		})
	}
}

func TestReaderEmpty(t *testing.T) {
	for c := range endings {
		b, _ := pack(t, c, nil)
		got, r, err := readAll(t, b)
		require.Equal(t, io.EOF, err)
		require.Empty(t, got)
		require.Equal(t, c, r.Compression())
	}
}

// Frames of other programs do not end where lines do.
func TestReaderLinesAcrossFrames(t *testing.T) {
	all := lines(0, 40)
	for c := range endings {
		var frames [][]byte
		for rest := all; len(rest) > 0; {
			n := min(7, len(rest))
			frames = append(frames, rest[:n])
			rest = rest[n:]
		}
		b, _ := pack(t, c, frames...)
		got, _, err := readAll(t, b)
		require.Equal(t, io.EOF, err)
		require.Equal(t, split(all), got)
	}
}

func TestReaderLongLines(t *testing.T) {
	long := fmt.Sprintf(`{"x":%q}`, strings.Repeat("y", 3<<20))
	for c := range endings {
		b, _ := pack(t, c, []byte("{}\n"+long+"\n{}\n"+long+"\n"))
		got, _, err := readAll(t, b)
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{"{}", long, "{}", long}, got)

		r, err := scanLines(bytes.NewReader(b))
		require.NoError(t, err)
		r.maxLine = 1 << 20
		_, err = r.Next()
		require.NoError(t, err)
		_, err = r.Next()
		require.ErrorContains(t, err, "after 1 records")
		require.ErrorContains(t, err, "a line is longer than 1048576 bytes")
	}
}

// A last line without a newline is read if it is whole.
func TestReaderNoLastNewline(t *testing.T) {
	for c := range endings {
		b, _ := pack(t, c, []byte("{\"seq\":1}\n{\"seq\":2}"))
		got, r, err := readAll(t, b)
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{`{"seq":1}`, `{"seq":2}`}, got)
		require.EqualValues(t, 2, r.Lines())

		b, _ = pack(t, c, []byte("{\"seq\":1}\n{\"seq\":"))
		got, _, err = readAll(t, b)
		var cut *CutError
		require.ErrorAs(t, err, &cut)
		require.Equal(t, []string{`{"seq":1}`}, got)
		require.EqualValues(t, 1, cut.Lines)
		require.EqualValues(t, 10, cut.Bytes)
	}
}

// A file that other programs made: zstd with skippable frames, content sizes,
// checksums or none, incompressible and repeated blocks.
func TestReaderForeignZstd(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"[rng.IntN(64)]
	}
	want := append(append(append([]byte{}, noise...), '\n'), bytes.Repeat([]byte{'z'}, 400<<10)...)
	want = append(want, '\n')
	for _, opts := range [][]zstd.EOption{
		{zstd.WithEncoderCRC(false)}, {zstd.WithSingleSegment(true)}, {zstd.WithEncoderPadding(512)},
		{zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false)},
	} {
		enc, err := zstd.NewWriter(nil, opts...)
		require.NoError(t, err)
		b := append([]byte{0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3}, enc.EncodeAll(want, nil)...)
		b = enc.EncodeAll([]byte("{}\n"), b)
		got, _, err := readAll(t, b)
		require.Equal(t, io.EOF, err)
		require.Equal(t, append(split(want), "{}"), got)
	}
}

func TestReaderDamaged(t *testing.T) {
	for _, c := range []Compression{CompressZstd, CompressGzip} {
		b, ends := pack(t, c, lines(0, 20), lines(20, 20), lines(40, 20))
		b[(ends[0]+ends[1])/2] ^= 0x55
		got, _, err := readAll(t, b)
		require.Error(t, err)
		var cut *CutError
		require.False(t, errors.As(err, &cut), "damage in the middle is no cut: %v", err)
		require.GreaterOrEqual(t, len(got), 20)
		require.Equal(t, split(lines(0, 20)), got[:20])

		b, _ = pack(t, c, lines(0, 20))
		_, _, err = readAll(t, append(b, "something else"...))
		require.Error(t, err)
		require.False(t, errors.As(err, &cut))

		path := filepath.Join(t.TempDir(), "r")
		b = append(b, "something else"...)
		require.NoError(t, os.WriteFile(path, b, 0o644))
		_, err = recoverFile(path, func([]byte) error { return nil })
		require.ErrorContains(t, err, path)
		require.Equal(t, b, readFile(t, path), "nobody cuts away what may be good")
	}
}

func TestOpenLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	_, err := openLines(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, lines(0, 2), 0o644))
	r, err := openLines(path)
	require.NoError(t, err)
	line, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, split(lines(0, 1))[0], string(line))
	require.NoError(t, r.Close())
}

// A file cut at every byte: Next returns the whole lines, Load and Start leave only
// those in the file, and lines that are appended then can be read.
func TestCutAtEveryByte(t *testing.T) {
	frames := [][]byte{lines(0, 3), lines(3, 1), lines(4, 3)}
	all := bytes.Join(frames, nil)
	for c, name := range endings {
		t.Run(c.String(), func(t *testing.T) {
			whole, ends := pack(t, c, frames...)
			path := filepath.Join(t.TempDir(), name)
			for n := range len(whole) + 1 {
				cut := whole[:n]

				// The least that must be kept: the frames, or lines, that are whole.
				var least []byte
				border := 0
				for i, end := range ends {
					if end <= n {
						least = bytes.Join(frames[:i+1], nil)
						border = end
					}
				}
				if c == CompressNone {
					border = bytes.LastIndexByte(cut, '\n') + 1
					least = cut[:border]
				}

				got, _, err := readAll(t, cut)
				read := strings.Join(got, "\n")
				if len(got) > 0 {
					read += "\n"
				}
				require.True(t, strings.HasPrefix(string(all), read), n)
				require.GreaterOrEqual(t, len(read), len(least), n)
				var cutErr *CutError
				if n == border {
					require.Equal(t, io.EOF, err, n)
				} else if err != io.EOF { // a plain line that lacks its newline is whole
					require.ErrorAs(t, err, &cutErr, n)
					require.EqualValues(t, border, cutErr.Offset)
					require.EqualValues(t, len(got), cutErr.Lines)
				}

				require.NoError(t, os.WriteFile(path, cut, 0o644))
				var kept bytes.Buffer
				k, err := recoverFile(path, func(line []byte) error {
					kept.Write(line)
					kept.WriteByte('\n')
					return nil
				})
				require.NoError(t, err, n)
				require.True(t, strings.HasPrefix(string(all), kept.String()), n)
				require.GreaterOrEqual(t, kept.Len(), len(least), n)
				b := readFile(t, path)
				require.EqualValues(t, bytes.Count(kept.Bytes(), []byte{'\n'}), k.Lines)
				require.EqualValues(t, kept.Len(), k.Bytes)
				require.EqualValues(t, len(b), k.Size)
				if n > 0 {
					require.Equal(t, c, k.Compression)
				}

				// Once more: nothing is left to do.
				k2, err := recoverFile(path, func([]byte) error { return nil })
				require.NoError(t, err)
				require.Zero(t, k2.Removed)
				require.Equal(t, k.Lines, k2.Lines)

				more, _ := pack(t, c, lines(100, 2))
				require.Equal(t, kept.String()+string(lines(100, 2)), string(unpack(t, c, append(b, more...))), n)
			}
		})
	}
}

// The same for a file whose frames end in the middle of lines, as other
// programs make them.
func TestCutForeignFrames(t *testing.T) {
	all := lines(0, 3)
	var frames [][]byte
	for rest := all; len(rest) > 0; rest = rest[min(20, len(rest)):] {
		frames = append(frames, rest[:min(20, len(rest))])
	}
	for _, c := range []Compression{CompressZstd, CompressGzip} {
		whole, ends := pack(t, c, frames...)
		path := filepath.Join(t.TempDir(), endings[c])
		for n := range len(whole) + 1 {
			least := 0
			for i, end := range ends {
				if end <= n {
					least = bytes.LastIndexByte(all[:min(20*(i+1), len(all))], '\n') + 1
				}
			}
			require.NoError(t, os.WriteFile(path, whole[:n], 0o644))
			kept, err := recoverFile(path, func([]byte) error { return nil })
			require.NoError(t, err)
			require.GreaterOrEqual(t, kept.Bytes, int64(least), n)
			if b := readFile(t, path); len(b) > 0 {
				require.Equal(t, string(all[:kept.Bytes]), string(unpack(t, c, b)), n)
			}
		}
	}
}

// A file without records is whole as File leaves it, however its frame ends.
func TestLoadOfAnEmptyFrame(t *testing.T) {
	for c, name := range endings {
		path := filepath.Join(t.TempDir(), name)
		f, err := Create(path, CompressAuto)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		k, err := recoverFile(path, func([]byte) error { return nil })
		require.NoError(t, err)
		require.True(t, k.wholeBefore, c)
	}
}

// After a power cut a file may have its length and zeros in the place of its last
// bytes. They are cut off like a partial line or frame, wherever they begin.
func TestRecoverZeroedTail(t *testing.T) {
	frames := [][]byte{lines(0, 3), lines(3, 1), lines(4, 3)}
	all := bytes.Join(frames, nil)
	for c, name := range endings {
		t.Run(c.String(), func(t *testing.T) {
			whole, ends := pack(t, c, frames...)
			path := filepath.Join(t.TempDir(), name)
			recoverOf := func(b []byte) recovered {
				require.NoError(t, os.WriteFile(path, b, 0o644))
				var kept []byte
				k, err := recoverFile(path, func(line []byte) error {
					kept = append(append(kept, line...), '\n')
					return nil
				})
				require.NoError(t, err)
				require.True(t, bytes.HasPrefix(all, kept), "%s", kept)
				require.EqualValues(t, len(kept), k.Bytes)
				if b := readFile(t, path); len(b) > 0 {
					require.Equal(t, string(kept), string(unpack(t, c, b)))
				}
				return k
			}
			for _, zeros := range []int{1, 2, 3, 5, 7, 8, 9, 10, 11, 100, 4096, 100_000} {
				k := recoverOf(append(bytes.Clone(whole), make([]byte, zeros)...))
				require.EqualValues(t, 7, k.Lines, "%d zeros behind", zeros)
			}
			for n := range whole {
				b := append(bytes.Clone(whole[:n]), make([]byte, len(whole)-n)...)
				k := recoverOf(b)
				if n >= ends[1] {
					require.GreaterOrEqual(t, k.Lines, int64(4), "zeros from %d on", n)
				} else if n >= ends[0] {
					require.GreaterOrEqual(t, k.Lines, int64(3), "zeros from %d on", n)
				}
			}
			k := recoverOf(make([]byte, 4096))
			require.Zero(t, k.Lines)
			require.Zero(t, k.Size)
		})
	}
}

// Plain text that another program appends to a compressed file is not a line.
func TestRecoverNewlineBehindFrames(t *testing.T) {
	for _, c := range []Compression{CompressZstd, CompressGzip} {
		whole, _ := pack(t, c, lines(0, 3))
		for _, more := range []string{"\n", "\n\n", "{}\n"} {
			path := filepath.Join(t.TempDir(), endings[c])
			require.NoError(t, os.WriteFile(path, append(bytes.Clone(whole), more...), 0o644))
			kept, err := recoverFile(path, func([]byte) error { return nil })
			require.NoError(t, err)
			require.EqualValues(t, 3, kept.Lines)
			require.Equal(t, whole, readFile(t, path))
		}
	}
}

// A file without a whole line that is not the beginning of a dataset is left alone, in any
// compression, and with the zeros of a power cut behind it.
func TestRecoverIsForDatasets(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
		if noise[i] == '\n' {
			noise[i] = 0x80
		}
	}
	check := func(t *testing.T, name string, b []byte) {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		for _, zeros := range []int{0, 1, 7, 8, 5000} {
			b := append(bytes.Clone(b), make([]byte, zeros)...)
			require.NoError(t, os.WriteFile(path, b, 0o644))
			_, err := recoverFile(path, func([]byte) error { return nil })
			require.Error(t, err, "%.60q and %d zeros", b, zeros)
			if zeros == 0 {
				require.ErrorIs(t, err, ErrNoRecords)
			}
			require.Equal(t, b, readFile(t, path))
		}
	}
	for c, name := range endings {
		for _, text := range []string{`{"my":"settings"}`, "precious notes without newline", string(noise[:3000]), " ", "{}", `{"schema":2`,
			`{"schema":1,"tool":"a2scan"}`, `{"schema":1,"seq" :`, strings.Repeat("long ", 100_000)} {
			b, _ := pack(t, c, []byte(text))
			check(t, name, b)
			b, _ = pack(t, c, nil, []byte(text))
			check(t, name, b)
		}
		if c == CompressNone {
			continue
		}
		b, _ := pack(t, c, make([]byte, 100_000)) // zeros that are somebody's
		check(t, name, b)
		// Enough for some of it to come out.
		b, _ = pack(t, c, noise)
		check(t, name, b[:len(b)-100])
	}
}

// Of a frame of several blocks that was cut, the lines of the whole blocks are
// rescued.
func TestRecoverRescuesLines(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var big []byte
	for i := range 20000 {
		big = fmt.Appendf(big, "{\"seq\":%d,\"x\":\"%x\"}\n", 100+i, rng.Uint64())
	}
	for _, c := range []Compression{CompressZstd, CompressGzip} {
		whole, ends := pack(t, c, lines(0, 10), big)
		path := filepath.Join(t.TempDir(), endings[c])
		require.NoError(t, os.WriteFile(path, whole[:ends[1]-1], 0o644))
		var seqs []uint64
		kept, err := recoverFile(path, func(line []byte) error {
			seq, ok := seqOf(line)
			if want := len(seqs); !ok || want >= 10 && int(seq) != 90+want {
				return fmt.Errorf("line %d is %s", want, line)
			}
			seqs = append(seqs, seq)
			return nil
		})
		require.NoError(t, err)
		require.Greater(t, kept.Lines, int64(10000), c)
		require.EqualValues(t, len(seqs), kept.Lines)
		require.Len(t, unpack(t, c, readFile(t, path)), int(kept.Bytes))
	}
}

func TestRecoverErrors(t *testing.T) {
	none := func([]byte) error { return nil }
	dir := t.TempDir()
	_, err := recoverFile(filepath.Join(dir, "none"), none)
	require.ErrorIs(t, err, os.ErrNotExist)

	path := filepath.Join(dir, "r")
	content := append(lines(0, 3), "{\"seq"...)
	require.NoError(t, os.WriteFile(path, content, 0o644))
	unwanted := errors.New("not one of ours")
	_, err = recoverFile(path, func([]byte) error { return unwanted })
	require.ErrorIs(t, err, unwanted)
	require.Equal(t, content, readFile(t, path))
}

// FuzzZstdFrames compares what is read frame by frame with what the decoder
// makes of the whole.
func FuzzZstdFrames(f *testing.F) {
	enc, err := zstd.NewWriter(nil)
	require.NoError(f, err)
	one := enc.EncodeAll(lines(0, 9), nil)
	f.Add(one)
	f.Add(append(append([]byte{}, one...), one[:len(one)-3]...))
	f.Add(append([]byte{0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9}, one...))
	f.Add([]byte{0x28, 0xB5, 0x2F, 0xFD, 0, 0x58, 1, 0, 0})                // an empty raw block
	f.Add([]byte{0x28, 0xB5, 0x2F, 0xFD, 0, 0x58, 0x53, 0, 0, 'x'})        // a run of ten
	f.Add([]byte{0x28, 0xB5, 0x2F, 0xFD, 0x20, 5, 0x29, 0, 0, 1, 2, 3, 4}) // cut inside a block
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<12 {
			return
		}
		want, wantErr := dec.DecodeAll(b, nil)
		src := newSource(bytes.NewReader(b))
		c, err := detect(src)
		require.NoError(t, err)
		if c != CompressZstd {
			return
		}
		frames, err := newFrameReader(src, c)
		require.NoError(t, err)
		defer frames.(*zstdFrames).close()
		r := content{src: src, frames: frames}
		got, err := io.ReadAll(io.LimitReader(&r, 8<<20))
		if wantErr == nil {
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%q, want %q", got, want)
			require.EqualValues(t, len(b), src.offset())
		}
	})
}

// FuzzRecover gives Recover any file: it must leave one that needs no more
// recovery and holds the lines that it reported, or leave it alone.
func FuzzRecover(f *testing.F) {
	for _, c := range []Compression{CompressZstd, CompressGzip} {
		enc, err := newEncoder(c)
		require.NoError(f, err)
		var b bytes.Buffer
		enc.Reset(&b)
		_, err = enc.Write(lines(0, 4))
		require.NoError(f, err)
		require.NoError(f, enc.Close())
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()-2])
	}
	f.Add(lines(0, 3))
	f.Add([]byte("{}\n{"))
	f.Add([]byte("{}\n\x00\x00\x00"))
	path := filepath.Join(f.TempDir(), "r")
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<12 {
			return
		}
		require.NoError(t, os.WriteFile(path, b, 0o644))
		var first [][]byte
		kept, err := recoverFile(path, func(line []byte) error {
			first = append(first, bytes.Clone(line))
			return nil
		})
		if err != nil {
			require.Equal(t, b, readFile(t, path))
			return
		}
		require.EqualValues(t, len(first), kept.Lines)
		var second [][]byte
		again, err := recoverFile(path, func(line []byte) error {
			second = append(second, bytes.Clone(line))
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.Zero(t, again.Removed)
		require.Equal(t, kept.Size, again.Size)
	})
}

func BenchmarkReader(b *testing.B) {
	for _, c := range []Compression{CompressNone, CompressZstd, CompressGzip} {
		b.Run(c.String(), func(b *testing.B) {
			var all []byte
			for seq := uint64(0); len(all) < 4<<20; seq++ {
				all = append(all, recordLine(seq)...)
			}
			packed := all
			switch c {
			case CompressZstd:
				enc, _ := zstd.NewWriter(nil)
				packed = enc.EncodeAll(all, nil)
			case CompressGzip:
				var buf bytes.Buffer
				w := gzip.NewWriter(&buf)
				_, _ = w.Write(all)
				_ = w.Close()
				packed = buf.Bytes()
			}
			b.SetBytes(int64(len(all)))
			for b.Loop() {
				r, err := scanLines(bytes.NewReader(packed))
				if err != nil {
					b.Fatal(err)
				}
				for {
					line, err := r.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					if _, ok := seqOf(line); !ok {
						b.Fatalf("%s", line)
					}
				}
				_ = r.Close()
			}
		})
	}
}

// seqOf returns the seq of a line, and false if it has none. The lines of these
// tests are shorter than records.
func seqOf(line []byte) (uint64, bool) {
	var r struct{ Seq *uint64 }
	if json.Unmarshal(line, &r) != nil || r.Seq == nil {
		return 0, false
	}
	return *r.Seq, true
}
