package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/convert"
	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
)

// FuzzReadFile: files of any bytes are read to their end, and the commands that read
// them print nothing that a terminal acts on.
func FuzzReadFile(f *testing.F) {
	m := recordtest.New(1)
	m.Hostile = 0.2
	var lines []byte
	for range 4 {
		lines = output.AppendJSON(lines, m.Next())
	}
	f.Add(lines[:min(len(lines), 3000)])
	f.Add([]byte("{\"schema\":1,\"seq\":0,\"status\":\"success\"}\n\n#\nnot a record\n{\"schema\":1"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var stdout, stderr bytes.Buffer
		a := &app{stdin: bytes.NewReader(data), stdout: &stdout, ui: newUI(&stderr)}
		n := uint64(0)
		parse := output.Unmarshal
		if len(data)%2 == 0 {
			parse = func(line []byte, r *output.Record) error { return r.UnmarshalBrief(line) }
		}
		files, err := readRecords(a, []string{"-"}, parse, func(*output.Record) error { n++; return nil })
		if err == nil {
			require.Positive(t, n)
			require.Equal(t, n, files[0].records)
		}
		for _, run := range []func() error{
			func() error { return a.report(&reportOptions{top: 5}, 5, []string{"-"}) },
			func() error {
				return a.convert(&convertOptions{to: "csv", table: string(convert.Players), output: "-"}, []string{"-"})
			},
			func() error { return a.readSide("-", func(*output.Record) error { return nil }) },
		} {
			a.stdin = bytes.NewReader(data)
			_ = run()
		}
		require.NotContains(t, stderr.String(), "\x1b")
	})
}
