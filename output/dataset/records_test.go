package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// fullLine returns the line of a record of that seq, of a few hundred bytes to
// some KiB.
func fullLine(seq int) []byte {
	sec := output.Section{Attempts: 1, RTT: 30 * time.Millisecond}
	r := output.Record{
		Seq: uint64(seq), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(seq)}), 27015), Time: time.Unix(1.8e9, 0),
		Info: &output.Info{Section: sec, Fields: output.InfoName | output.InfoMap, Name: fmt.Sprintf("server %d \xff", seq), Map: "de_dust2"},
	}
	if seq%3 != 0 {
		r.Players = &output.Players{Section: sec, List: []output.Player{}}
		r.Rules = &output.Rules{Section: sec, List: []output.Rule{}}
		for i := range seq % 40 {
			r.Players.List = append(r.Players.List, output.Player{Name: fmt.Sprint("player ", i), Duration: float32(i) * 1.7})
			r.Rules.List = append(r.Rules.List, output.Rule{Name: fmt.Sprint("rule ", i), Value: fmt.Sprint(seq)})
		}
	}
	return output.AppendJSON(nil, &r)
}

func fullLines(from, to int) (b []byte) {
	for seq := from; seq < to; seq++ {
		b = append(b, fullLine(seq)...)
	}
	return b
}

// collect returns the seqs and the errors of records. Each record must be the one
// of its seq.
func collect(t *testing.T, records iter.Seq2[*output.Record, error]) (seqs []int, errs []error) {
	t.Helper()
	var line []byte
	for r, err := range records {
		if err != nil {
			require.Nil(t, r)
			errs = append(errs, err)
			continue
		}
		line = output.AppendJSON(line[:0], r)
		require.Equal(t, string(fullLine(int(r.Seq))), string(line))
		seqs = append(seqs, int(r.Seq))
	}
	return seqs, errs
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b, 0o666))
	return path
}

func TestRead(t *testing.T) {
	var files []string
	for i, c := range []Compression{CompressNone, CompressZstd, CompressGzip} {
		// The name is not what tells.
		b, _ := pack(t, c, fullLines(i*1000, i*1000+300), fullLines(i*1000+300, i*1000+1000))
		files = append(files, writeFile(t, "x.ndjson.gz", b))
	}
	files = append(files, writeFile(t, "empty", nil), writeFile(t, "blank", []byte("\n \r\n\n")))
	seqs, errs := collect(t, Read(files...))
	require.Empty(t, errs)
	require.Equal(t, upTo(3000), seqs)

	seqs, errs = collect(t, Read())
	require.Empty(t, errs)
	require.Empty(t, seqs)
}

// A line as other programs write it: with CRLF, blank lines between, and without
// the last newline.
func TestReadLinesOfOthers(t *testing.T) {
	b := bytes.ReplaceAll(fullLines(0, 500), []byte("\n"), []byte(" \r\n\n  \n"))
	seqs, errs := collect(t, ReadFrom("x", bytes.NewReader(bytes.TrimSpace(b))))
	require.Empty(t, errs)
	require.Equal(t, upTo(500), seqs)
}

func TestReadDamagedLines(t *testing.T) {
	var b []byte
	var want []string
	var good []int
	line := 0
	for seq := range 1000 {
		switch line++; seq % 50 {
		case 7:
			b = append(b, "{\"schema\":1,\x00\n"...)
			want = append(want, fmt.Sprintf("x:%d: byte 12: unexpected \"\\x00\", want a string", line))
		case 30:
			half := fullLine(seq)
			b = append(append(b, half[:len(half)/2]...), '\n')
			want = append(want, fmt.Sprintf("x:%d: ", line))
		default:
			b = append(b, fullLine(seq)...)
			good = append(good, seq)
		}
	}
	seqs, errs := collect(t, ReadFrom("x", bytes.NewReader(b)))
	require.Equal(t, good, seqs)
	require.Len(t, errs, len(want))
	for i, err := range errs {
		require.True(t, strings.HasPrefix(err.Error(), want[i]), "%s, want %s", err, want[i])
		var le *LineError
		require.ErrorAs(t, err, &le)
	}
}

// The problem of a line comes at its place among the records.
func TestReadProblemsInOrder(t *testing.T) {
	b := slices.Concat(fullLine(0), []byte("x\n"), fullLine(1), []byte("y\n"), []byte("z\n"))
	var got []string
	for r, err := range ReadFrom("f", bytes.NewReader(b)) {
		if err != nil {
			got = append(got, err.Error()[:3])
		} else {
			got = append(got, fmt.Sprint(r.Seq))
		}
	}
	require.Equal(t, []string{"0", "f:2", "1", "f:4", "f:5"}, got)
}

// A file that was cut at any byte gives its whole records and one *CutError.
func TestReadCut(t *testing.T) {
	for _, c := range []Compression{CompressNone, CompressZstd, CompressGzip} {
		first, second := fullLines(0, 3), fullLines(3, 5)
		b, ends := pack(t, c, first, second)
		for n := 1; n < len(b); n += 1 + n/50 {
			seqs, errs := collect(t, ReadFrom("x", bytes.NewReader(b[:n])))
			require.Equal(t, upTo(len(seqs)), seqs)
			if n >= ends[0] {
				require.GreaterOrEqual(t, len(seqs), 3)
			}
			if n == ends[0] {
				require.Empty(t, errs)
				continue
			}
			if c == CompressNone && len(errs) == 0 { // the cut was behind a line
				require.Contains(t, []byte{'\n', '}'}, b[n-1])
				continue
			}
			require.Len(t, errs, 1, "%v, %d bytes", c, n)
			var cut *CutError
			require.ErrorAs(t, errs[0], &cut)
			require.EqualValues(t, len(seqs), cut.Lines)
			require.EqualValues(t, len(fullLines(0, len(seqs))), cut.Bytes)
			require.True(t, strings.HasPrefix(errs[0].Error(), "x: cut off after "), errs[0])
			if c != CompressNone {
				require.EqualValues(t, map[bool]int{true: ends[0]}[n > ends[0]], cut.Offset)
			}
		}
	}
}

// The records of a zstd file whose frames are damaged, but for these frames.
func TestReadDamagedFrame(t *testing.T) {
	var frames [][]byte
	for i := range 10 {
		frames = append(frames, fullLines(i*100, i*100+100))
	}
	b, ends := pack(t, CompressZstd, frames...)
	damaged := bytes.Clone(b)
	for i := ends[3] + 100; i < ends[4]-100; i += 7 {
		damaged[i] ^= 0x55
	}
	seqs, errs := collectLoose(ReadFrom("x", bytes.NewReader(damaged)))
	require.NotEmpty(t, errs)
	var le *LineError
	require.ErrorAs(t, errs[0], &le)
	require.Zero(t, le.Line)
	require.Regexp(t, `^x: behind line 4\d\d, near byte \d+: `, le.Error())
	for seq := range 1000 {
		if seq < 400 || seq >= 500 {
			require.True(t, seqs[seq], "record %d", seq)
		}
	}

	// Garbage behind the last frame.
	got, errs := collect(t, ReadFrom("x", bytes.NewReader(append(b, "garbage"...))))
	require.Equal(t, upTo(1000), got)
	require.Len(t, errs, 1)

	gz, ends := pack(t, CompressGzip, frames...)
	gz[ends[3]+200] ^= 0x55
	seqs, errs = collectLoose(ReadFrom("x", bytes.NewReader(gz)))
	require.NotEmpty(t, errs)
	for seq := range 400 {
		require.True(t, seqs[seq], "record %d", seq)
	}
}

func collectLoose(records iter.Seq2[*output.Record, error]) (seqs map[int]bool, errs []error) {
	seqs = map[int]bool{}
	for r, err := range records {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seqs[int(r.Seq)] = true
	}
	return seqs, errs
}

// A damaged checksum loses one frame at most.
func TestReadDamagedChecksum(t *testing.T) {
	b, ends := pack(t, CompressZstd, fullLines(0, 10), fullLines(10, 20), fullLines(20, 30))
	b[ends[1]-1] ^= 1
	seqs, errs := collect(t, ReadFrom("x", bytes.NewReader(b)))
	require.Len(t, errs, 1)
	require.Subset(t, seqs, append(upTo(10), 20, 21, 22, 23, 24, 25, 26, 27, 28, 29))
}

// Files that cannot be read do not keep the others from being read.
func TestReadOtherFiles(t *testing.T) {
	good := writeFile(t, "good", fullLines(0, 5))
	missing := filepath.Join(t.TempDir(), "missing")
	folder := t.TempDir()
	seqs, errs := collect(t, Read(missing, folder, good))
	require.Equal(t, upTo(5), seqs)
	require.Len(t, errs, 2)
	require.ErrorIs(t, errs[0], os.ErrNotExist)
	require.Equal(t, missing+": no such file or directory", errs[0].Error())
	require.True(t, strings.HasPrefix(errs[1].Error(), folder+": "), errs[1])
}

func TestReadStandardInput(t *testing.T) {
	f, err := os.Open(writeFile(t, "x", fullLines(0, 5)))
	require.NoError(t, err)
	defer f.Close()
	stdin := os.Stdin
	os.Stdin = f
	defer func() { os.Stdin = stdin }()
	seqs, errs := collect(t, Read("-"))
	require.Empty(t, errs)
	require.Equal(t, upTo(5), seqs)
}

// endless is a file without end.
type endless struct{ line []byte }

func (e endless) Read(p []byte) (n int, err error) {
	for n+len(e.line) <= len(p) {
		n += copy(p[n:], e.line)
	}
	if n == 0 {
		n = copy(p, "\n")
	}
	return n, nil
}

// The loop may end at any time, and what it started ends too.
func TestReadBreak(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, want := range []int{0, 1, 5, 1000} {
		n := 0
		for r, err := range ReadFrom("x", endless{fullLine(3)}) {
			require.NoError(t, err)
			require.EqualValues(t, 3, r.Seq)
			if n++; n > want {
				break
			}
		}
		require.Equal(t, want+1, n)
	}
	big := writeFile(t, "x", fullLines(0, 2000))
	for range Read(big, big, big) {
		break
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// A record is yielded as soon as its line is read, and a reader that gives no
// more does not keep the loop from ending.
func TestReadStream(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	next, stop := iter.Pull2(ReadFrom("x", r))
	write := make(chan []byte, 2)
	defer close(write)
	go func() {
		for b := range write {
			_, _ = w.Write(b)
		}
	}()
	for seq := range 20 {
		line := fullLine(seq)
		write <- line[:10]
		write <- line[10:]
		rec, err, ok := next()
		require.True(t, ok)
		require.NoError(t, err)
		require.EqualValues(t, seq, rec.Seq)
	}
	stop()
}

// A line may be longer than a block, up to a limit.
func TestReadLongLine(t *testing.T) {
	long := output.Record{Seq: 1, Input: strings.Repeat("x", 3*blockSize)}
	b := slices.Concat(fullLine(0), output.AppendJSON(nil, &long), fullLine(2))
	var seqs []uint64
	for r, err := range ReadFrom("x", bytes.NewReader(b)) {
		require.NoError(t, err)
		seqs = append(seqs, r.Seq)
	}
	require.Equal(t, []uint64{0, 1, 2}, seqs)

	b = append(fullLine(0), bytes.Repeat([]byte("x"), maxLineLength+blockSize)...)
	got, errs := collect(t, ReadFrom("x", bytes.NewReader(b)))
	require.Equal(t, upTo(1), got)
	require.Len(t, errs, 1)
	require.EqualError(t, errs[0], fmt.Sprintf("x: line 2 is longer than %d bytes", maxLineLength))
}

// A read error is reported behind the records before it.
func TestReadError(t *testing.T) {
	broken := errors.New("the disk is gone")
	seqs, errs := collect(t, ReadFrom("x", io.MultiReader(bytes.NewReader(fullLines(0, 3)), failingReader{broken})))
	require.Equal(t, upTo(3), seqs)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], broken)
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// The memory does not grow with the file.
func TestReadMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100 MB")
	}
	runtime.GC() // of what other tests left
	var most uint64
	n := 0
	for _, err := range ReadFrom("x", io.LimitReader(endless{fullLine(38)}, 100<<20)) {
		if err != nil {
			continue // the last line is cut
		}
		if n++; n%1000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
	}
	require.Greater(t, n, 10_000)
	require.Less(t, most, uint64(64<<20))
}

// FuzzReadFrom compares what comes of a file with what comes of its lines, one by
// one.
func FuzzReadFrom(f *testing.F) {
	for _, c := range []Compression{CompressNone, CompressZstd, CompressGzip} {
		enc := fullLines(0, 3)
		if c != CompressNone {
			e, err := newEncoder(c)
			require.NoError(f, err)
			var buf bytes.Buffer
			e.Reset(&buf)
			_, err = e.Write(enc)
			require.NoError(f, err)
			require.NoError(f, e.Close())
			enc = buf.Bytes()
		}
		f.Add(enc)
		f.Add(enc[:len(enc)-10])
	}
	f.Add([]byte("\n\n {\"schema\":1,\"seq\":1,\"status\":\"timeout\"}\n{}\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var want []string
		src := newSource(bytes.NewReader(b))
		if c, err := detect(src); err == nil && c == CompressNone {
			for line := range bytes.Lines(b) {
				var r output.Record
				switch {
				case len(bytes.TrimSpace(line)) == 0:
				case output.Unmarshal(line, &r) == nil:
					want = append(want, string(output.AppendJSON(nil, &r)))
				default:
					want = append(want, "error")
				}
			}
		}
		var got []string
		for r, err := range ReadFrom("x", bytes.NewReader(b)) {
			if err != nil {
				require.NotEmpty(t, err.Error())
				got = append(got, "error")
				continue
			}
			got = append(got, string(output.AppendJSON(nil, r)))
		}
		if c, err := detect(newSource(bytes.NewReader(b))); err == nil && c == CompressNone {
			require.Equal(t, want, got)
		}
	})
}

// benchmarkFile is a file of records with info, players and rules, in a few
// frames of zstd.
func benchmarkFile(b *testing.B) (path string, plain int64) {
	path = filepath.Join(b.TempDir(), "x.ndjson.zst")
	sink, err := Create(path, CompressZstd)
	require.NoError(b, err)
	require.NoError(b, sink.Start())
	for i := range 10 {
		lines := fullLines(i*2000, i*2000+2000)
		plain += int64(len(lines))
		require.NoError(b, sink.WriteLines(lines))
		_, err := sink.Sync()
		require.NoError(b, err)
	}
	require.NoError(b, sink.Close())
	return path, plain
}

// BenchmarkRead is the price of a dataset; compare it with `zstd -dc FILE | wc -l`.
func BenchmarkRead(b *testing.B) {
	path, plain := benchmarkFile(b)
	b.SetBytes(plain)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range Read(path) {
			require.NoError(b, err)
			n++
		}
		require.Equal(b, 20_000, n)
	}
}
