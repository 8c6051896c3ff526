package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
)

// FuzzResumption counts a record as a resumed scan does. words are all that a server or
// user may have said: none of it may pass for a status. Then any line at all is
// counted: it is refused, or counted once.
func FuzzResumption(f *testing.F) {
	f.Add(uint64(0), uint32(0), "x", []byte(`{"schema":1,"seq":3,"status":"success","info":null}`))
	f.Add(uint64(1<<40), uint32(0x4321), `","status":"aborted","info":{"status":"timeout"`, []byte(`{"seq":1,"status":"timeout"}`))
	f.Add(^uint64(0), uint32(0xFFFFF), `,"rules":{"status":"success"`, []byte(`{"schema":1,"seq":18446744073709551616,"status":"success"}`))
	f.Add(uint64(7), uint32(0x00087), "\xff\x00\"\\", []byte(`{"schema":1,"seq":4,"status":"what"}`))
	f.Add(uint64(7), uint32(0x90009), "", []byte(`{"schema":1,"seq":5,"ip":"::1%eth0","port":1,"status":"send_error","info":{"status":"bad"},"players":{"status":"success"}}`))
	f.Fuzz(func(t *testing.T, seq uint64, statuses uint32, words string, other []byte) {
		line, target, sections := fuzzedRecord(seq, statuses, words)
		e := &resumption{kinds: proto.Kinds(statuses >> 16 & 7)}
		keep, err := e.take(line)
		require.NoError(t, err, "%s", line)
		again := mustAskAgain(target)
		for _, s := range sections {
			again = again || s != nil && mustAskAgain(*s)
		}
		require.Equal(t, !again, keep, "%s", line)
		require.Equal(t, again, e.again == 1)
		if again {
			require.Zero(t, e.statuses.Total())
			require.Zero(t, e.done.Len())
			return
		}
		require.EqualValues(t, 1, e.done.Len())
		require.EqualValues(t, 1, e.statuses[target])
		require.EqualValues(t, 1, e.statuses.Total())
		for k, s := range sections {
			if s == nil {
				require.Zero(t, e.sections[k].Total(), "%s", line)
				continue
			}
			require.EqualValues(t, 1, e.sections[k].Total(), "%s", line)
			require.EqualValues(t, 1, e.sections[k][*s], "%s", line)
		}

		var m dataset.Metadata
		e.records = 1
		e.count(&m, 1, true)
		require.NoError(t, m.Check(0))
		require.Zero(t, *m.Resumed.NotInTargets)

		if keep, err := e.take(other); err == nil {
			require.EqualValues(t, 2, e.statuses.Total()+e.again+e.broken, "one line counts once")
			require.Equal(t, keep, e.statuses.Total() == 2)
			require.False(t, e.broken > 0 && keep)
		}
	})
}

// FuzzLoadEarlier resumes from any output file. If that is refused the file is as it
// was. If not, the file holds whole records, and it can be resumed again.
func FuzzLoadEarlier(f *testing.F) {
	var text []byte
	for seq := range uint64(3) {
		line, _, _ := fuzzedRecord(seq, 0x10020, "x")
		text = append(append(text, line...), '\n')
	}
	aborted, _, _ := fuzzedRecord(9, 0x1000B, "")
	aborted = append(append(bytes.Clone(text), aborted...), '\n')
	f.Add(text)
	f.Add(text[:len(text)-9])
	f.Add(aborted)
	f.Add(append(aborted, "{\"schema"...))
	f.Add(append(text, text...))
	f.Add([]byte("{\"seq\":1,\"schema\":1,\"ip\":\"::1\",\"status\":\"blocked\"}\n{\"status\":\"aborted\",\"seq\":2,\"schema\":1}\n{"))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(aborted)
	require.NoError(f, err)
	require.NoError(f, w.Close())
	f.Add(packed.Bytes())
	f.Add(packed.Bytes()[:packed.Len()-11])
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 {
			return
		}
		path := filepath.Join(dir, "out")
		if bytes.HasPrefix(data, []byte{0x1F}) {
			path += ".gz"
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		load := func() (*scanRun, *resumption, error) {
			o, fs := scanFlags()
			require.NoError(t, fs.parse([]string{"--resume", "-o", path}))
			r := &scanRun{app: &app{ui: newUI(io.Discard)}, options: o}
			var err error
			r.records, err = dataset.Open(path, o.compress)
			require.NoError(t, err)
			e, err := r.loadEarlier()
			return r, e, err
		}
		r, e, err := load()
		require.Equal(t, data, readFile(t, path), "nothing is changed before the records are known to fit")
		if err != nil {
			require.NoError(t, r.discard())
			return
		}
		require.NoError(t, r.records.Start())
		require.NoError(t, r.records.Close())
		require.EqualValues(t, e.records, e.statuses.Total())
		require.LessOrEqual(t, e.done.Len(), e.statuses.Total())
		if len(data) == 0 {
			return
		}
		before := readFile(t, path)
		again, e2, err := load()
		require.NoError(t, err)
		require.Equal(t, e.records, e2.records)
		require.Equal(t, e.done.Len(), e2.done.Len())
		require.Zero(t, e2.again+e2.broken)
		require.NoError(t, again.records.Start())
		require.NoError(t, again.records.Close())
		require.Equal(t, before, readFile(t, path))
	})
}

// fuzzedRecord returns a record that a scan could have written: four bits of statuses
// are the target's status, and four each its sections'.
func fuzzedRecord(seq uint64, statuses uint32, words string) (line []byte, target output.Status, sections [proto.NumKinds]*output.Status) {
	asked := proto.Kinds(statuses >> 16 & 7)
	status := func() output.Status {
		s := output.Status(statuses & 0xF % uint32(output.NumStatuses))
		statuses >>= 4
		return s
	}
	target = status()
	quoted := func(s string) []byte {
		b, _ := json.Marshal(s)
		return b
	}
	line = fmt.Appendf(nil, `{"schema":1,"seq":%d,"ip":"192.0.2.%d","port":%d,"input":%s,"tag":%s,"status":%q,"error":%s`,
		seq, seq%256, seq>>8%65535+1, quoted(fmt.Sprintf("192.0.2.%d", seq%256)), quoted(words), target, quoted(words))
	if unasked(target) {
		asked = 0
	}
	for k, name := range []string{"info", "players", "rules"} {
		s := status()
		if !asked.Has(proto.Kind(k)) {
			line = fmt.Appendf(line, `,%q:null`, name)
			continue
		}
		sections[k] = &s
		line = fmt.Appendf(line, `,%q:{"status":%q,"error":%s,"name":%s}`, name, s, quoted(words), quoted(words))
	}
	return append(line, `,"raw":null}`...), target, sections
}
