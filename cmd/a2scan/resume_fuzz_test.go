package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// FuzzResumption counts a record as a resumed scan does and compares with what
// encoding/json reads in it. words are all that a server or user may have said:
// none of it may pass for a status. Then any line at all is counted, which may be
// refused, but not half.
func FuzzResumption(f *testing.F) {
	f.Add(uint64(0), uint32(0), "x", []byte(`{"schema":1,"seq":3,"status":"success","info":null}`))
	f.Add(uint64(1<<40), uint32(0x4321), `","status":"aborted","info":{"status":"timeout"`, []byte(`{"seq":1,"status":"timeout"}`))
	f.Add(^uint64(0), uint32(0xFFFFF), `,"rules":{"status":"success"`, []byte(`{"schema":1,"seq":18446744073709551616,"status":"success"}`))
	f.Add(uint64(7), uint32(0x00087), "\xff\x00\"\\", []byte(`{"schema":1,"seq":4,"status":"what"}`))
	f.Add(uint64(7), uint32(0x90009), "", []byte(`{"schema":1,"seq":5,"ip":null,"status":"send_error","info":{"status":"bad"},"players":{"status":"success"}}`))
	f.Fuzz(func(t *testing.T, seq uint64, statuses uint32, words string, other []byte) {
		line := fuzzedRecord(seq, statuses, words)
		var want output.Record
		require.NoError(t, output.Unmarshal(line, &want))
		o, _ := scanFlags()
		r := &resumption{kinds: proto.Kinds(statuses >> 16 & 7), prints: newFingerprints(1)}
		require.NoError(t, r.take(line, o), "%s", line)
		again := false
		for _, s := range statusesIn(&want) {
			again = again || s == output.Aborted || s == output.SendError
		}
		require.Equal(t, again, r.again.Has(1), "%s", line)
		require.Equal(t, !again, r.done.Has(seq), "%s", line)
		if again {
			require.Zero(t, r.statuses.Total())
			return
		}
		host, at, err := askedAt(line)
		require.NoError(t, err)
		if want.Addr.IsValid() {
			require.Equal(t, want.Addr, at.AddrPort())
		} else if want.Input != "" {
			require.Equal(t, targets.HostOf(want.Input), host)
		}
		require.True(t, r.prints.is(seq, r.prints.of(host, at)))
		require.EqualValues(t, 1, r.statuses[want.Status])
		require.EqualValues(t, 1, r.statuses.Total())
		sections := func(s *output.Section, counts *output.StatusCounts) {
			if s == nil {
				require.Zero(t, counts.Total(), "%s", line)
				return
			}
			require.EqualValues(t, 1, counts.Total(), "%s", line)
			require.EqualValues(t, 1, counts[s.Status], "%s", line)
		}
		var info, players, rules *output.Section
		if want.Info != nil {
			info = &want.Info.Section
		}
		if want.Players != nil {
			players = &want.Players.Section
		}
		if want.Rules != nil {
			rules = &want.Rules.Section
		}
		sections(info, &r.sections.Info)
		sections(players, &r.sections.Players)
		sections(rules, &r.sections.Rules)
		require.ErrorContains(t, r.take(line, o), "two records")

		var m dataset.Metadata
		r.kept.Lines = 1
		r.count(&m)
		require.NoError(t, m.Check(0))

		done, more := r.done.Len(), r.again.Len()
		if r.take(other, o) == nil {
			require.Equal(t, done+more+1, r.done.Len()+r.again.Len(), "one line, one target")
			require.Equal(t, r.done.Len(), r.statuses.Total())
			require.LessOrEqual(t, r.sections.Info.Total(), r.done.Len())
			require.Equal(t, r.broken > 0, !json.Valid(other) || !bytes.HasPrefix(other, []byte{'{'}))
		}
	})
}

// statusesIn returns the statuses of a target and its sections.
func statusesIn(r *output.Record) []output.Status {
	all := []output.Status{r.Status}
	if r.Info != nil {
		all = append(all, r.Info.Status)
	}
	if r.Players != nil {
		all = append(all, r.Players.Status)
	}
	if r.Rules != nil {
		all = append(all, r.Rules.Status)
	}
	return all
}

// FuzzOpenEarlier resumes from any output file and any metadata. Where that is
// refused the file is as it was. Where it is not, the file holds whole records of
// targets, each once, which are those that need not be asked; and it can be resumed
// again.
func FuzzOpenEarlier(f *testing.F) {
	var text []byte
	for seq := range uint64(3) {
		text = append(append(text, fuzzedRecord(seq, 0x10020, "x")...), '\n')
	}
	_, fs := scanFlags()
	config, err := json.Marshal(fs.values())
	require.NoError(f, err)
	meta := append(append([]byte(`{"schema":1,"seed":7,"config":`), config...), '}')
	aborted := append(append([]byte{}, text...), append(fuzzedRecord(9, 0x1000B, ""), '\n')...)
	f.Add(text, meta)
	f.Add(text[:len(text)-9], []byte(nil))
	f.Add(aborted, meta)
	f.Add(append(aborted, "{\"schema"...), meta)
	f.Add(append(text, text...), meta)
	f.Add([]byte("{\"seq\":1,\"a\":1,\"status\":\"timeout\"}\n{\"seq\":2,\"a\":\"\",\"status\":\"aborted\",\"b\":0}\n{"), []byte("{}"))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(aborted)
	require.NoError(f, err)
	require.NoError(f, w.Close())
	f.Add(packed.Bytes(), meta)
	f.Add(packed.Bytes()[:packed.Len()-11], meta)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data, meta []byte) {
		if len(data) > 1<<12 {
			return
		}
		path := filepath.Join(dir, "out")
		if bytes.HasPrefix(data, []byte{0x1F}) {
			path += ".gz"
		}
		require.NoError(t, os.RemoveAll(path+".meta.json"))
		if meta != nil {
			require.NoError(t, os.WriteFile(path+".meta.json", meta, 0o600))
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		open := func() (*app, *resumption, error) {
			o, fs := scanFlags()
			require.NoError(t, fs.parse([]string{"--resume", "--seed", "7", "--query", "info", "-o", path}))
			a := &app{ui: newUI(io.Discard)}
			r, err := a.openEarlier(fs, o, nil)
			return a, r, err
		}
		a, r, err := open()
		require.Equal(t, data, readFile(t, path), "nothing is changed before it is known that this is the same scan")
		if err != nil || r == nil {
			require.True(t, err != nil || len(data) == 0)
			return
		}
		require.Equal(t, r.done.Len(), r.statuses.Total())
		if r.finished {
			return
		}
		lock, err := dataset.LockFile(path)
		require.NoError(t, err)
		err = r.mend(a, lock)
		require.NoError(t, errors.Join(err, lock.Release()))
		require.EqualValues(t, r.kept.Lines, r.done.Len())
		require.EqualValues(t, len(readFile(t, path)), r.kept.Size)
		for seq, n := range seqs(t, path) {
			require.Equal(t, 1, n)
			require.True(t, r.done.Has(seq))
		}
		_, again, err := open()
		require.NoError(t, err)
		if r.kept.Size == 0 {
			require.Nil(t, again)
			return
		}
		require.Equal(t, r.done.Len(), again.done.Len())
		require.True(t, again.survey.Whole())
		require.Zero(t, again.again.Len())
	})
}

// fuzzedRecord returns a record that a scan could have written: four bits of
// statuses are the target's status, and four each its sections'.
func fuzzedRecord(seq uint64, statuses uint32, words string) []byte {
	before := statuses
	status := func() output.Status {
		s := output.Status(statuses & 0xF % uint32(output.NumStatuses))
		statuses >>= 4
		return s
	}
	r := output.Record{Seq: seq, Input: words, Tag: words, Time: time.Unix(1.8e9, 0), Status: status()}
	if r.Status != output.Success {
		r.Error = words + "!"
	}
	section := func() output.Section {
		s := output.Section{Status: status(), RTT: output.NoRTT}
		if s.Status != output.Success {
			s.Error = words + "!"
		}
		return s
	}
	if seq&1 != 0 {
		r.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(seq)}), uint16(seq>>8)|1)
	}
	asked := before >> 16
	if unasked(r.Status) {
		asked = 0
	}
	if asked&1 != 0 {
		r.Info = &output.Info{Section: section()}
		if r.Info.Status == output.Success {
			r.Info.Fields = output.InfoName | output.InfoMap | output.InfoFolder | output.InfoGame
			r.Info.Name, r.Info.Map, r.Info.Folder, r.Info.Game = words, words, words, words
		}
	}
	if asked&2 != 0 {
		r.Players = &output.Players{Section: section()}
		if r.Players.Status == output.Success {
			r.Players.List = []output.Player{{Name: words}}
		}
	}
	if asked&4 != 0 {
		r.Rules = &output.Rules{Section: section()}
		if r.Rules.Status == output.Success {
			r.Rules.List = []output.Rule{{Name: words, Value: words}}
		}
	}
	line := output.AppendJSON(nil, &r)
	return line[:len(line)-1]
}
