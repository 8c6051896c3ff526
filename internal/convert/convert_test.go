package convert

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
)

func makeRecords(n int) []*output.Record {
	m := recordtest.New(7)
	m.Hostile = 0.1
	var all []*output.Record
	for range n {
		all = append(all, m.Next())
	}
	return all
}

func write(t *testing.T, o Options, records []*output.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	c, err := New(&b, o)
	require.NoError(t, err)
	for _, r := range records {
		require.NoError(t, c.Add(r))
	}
	require.NoError(t, c.Close())
	return b.Bytes()
}

// A plainRow is a row as encoding/json sees it: raw values by the names of columns.
type plainRow map[string]json.RawMessage

// plainRows flattens the lines of records in the simplest way.
func plainRows(t *testing.T, table Table, records []*output.Record) (rows []plainRow) {
	t.Helper()
	object := func(raw json.RawMessage) (m map[string]json.RawMessage) {
		require.NoError(t, json.Unmarshal(raw, &m))
		return m
	}
	var flatten func(row plainRow, prefix string, m map[string]json.RawMessage)
	flatten = func(row plainRow, prefix string, m map[string]json.RawMessage) {
		for k, v := range m {
			name := prefix + k
			if v[0] == '{' && name != "source" && name != "rules_a3sb" {
				flatten(row, name+"_", object(v))
			} else if string(v) != "null" {
				row[name] = v
			}
		}
	}
	for _, r := range records {
		rec := object(output.AppendJSON(nil, r))
		if table == Servers {
			row := plainRow{}
			flatten(row, "", rec)
			rows = append(rows, row)
			continue
		}
		if string(rec[string(table)]) == "null" {
			continue
		}
		var list []map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(object(rec[string(table)])["list"], &list))
		for _, e := range list {
			row := plainRow{}
			flatten(row, "", e)
			for _, k := range []string{"ip", "port", "timestamp"} {
				if string(rec[k]) != "null" {
					row[k] = rec[k]
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// TestNoKeyIsForgotten: each key that a record can have is a column.
func TestNoKeyIsForgotten(t *testing.T) {
	for _, table := range []Table{Servers, Players, Rules} {
		list, err := columnsOf(table, nil)
		require.NoError(t, err)
		known := map[string]bool{}
		for _, c := range list {
			known[c.name] = true
		}
		for _, row := range plainRows(t, table, makeRecords(2000)) {
			for name := range row {
				require.True(t, known[name], "%s has no column %s", table, name)
			}
		}
	}
}

// TestCSV reads the tables back and compares every value.
func TestCSV(t *testing.T) {
	records := makeRecords(2000)
	for _, table := range []Table{Servers, Players, Rules} {
		data := write(t, Options{Table: table}, records)
		// encoding/csv turns CRLF in cells into LF: compare without CR.
		rows, err := csv.NewReader(bytes.NewReader(bytes.ReplaceAll(data, []byte("\r"), nil))).ReadAll()
		require.NoError(t, err)
		want := plainRows(t, table, records)
		require.Len(t, rows, len(want)+1)
		list, _ := columnsOf(table, nil)
		for i, w := range want {
			for j, c := range list {
				require.Equal(t, c.name, rows[0][j])
				got, raw := rows[i+1][j], w[c.name]
				switch {
				case raw == nil:
					require.Empty(t, got)
				case c.kind == text || c.kind == instant:
					var s string
					require.NoError(t, json.Unmarshal(raw, &s))
					if s = strings.ReplaceAll(s, "\r", ""); s != got {
						require.Equal(t, s[:min(len(s), 200)], got[:min(len(got), 200)], c.name)
						t.Fatal("a long text differs")
					}
				default:
					require.Equal(t, string(bytes.ReplaceAll(raw, []byte("\r"), nil)), got, c.name)
				}
			}
		}
	}
}

// TestBytesOfCells: cells are written as they are, CR and LF included.
func TestBytesOfCells(t *testing.T) {
	r := &output.Record{Status: output.Timeout, Error: "a\r\nb\rc\n\"d\" \x00", Tag: " lead"}
	require.Equal(t, "error,tag\n\"a\r\nb\rc\n\"\"d\"\" \x00\",\" lead\"\n", string(write(t, Options{Table: Servers, Fields: []string{"error", "tag"}}, []*output.Record{r})))
}

func TestExcel(t *testing.T) {
	var records []*output.Record
	for _, s := range recordtest.Hostile {
		records = append(records, &output.Record{Status: output.Timeout, Error: s + "x", Tag: s,
			Players: &output.Players{List: []output.Player{{Name: s, Score: -5}}}})
	}
	data := write(t, Options{Table: Players, Fields: []string{"name", "score"}, Excel: true}, records)
	body, found := bytes.CutPrefix(data, []byte("\uFEFF"))
	require.True(t, found)
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		require.NotRegexp(t, `^[=+\-@\t\r\n＝＋－＠]`, row[0])
		require.Equal(t, "-5", row[1], "a number is no formula")
	}
}

// TestParquet reads the tables back and compares every value.
func TestParquet(t *testing.T) {
	records := makeRecords(2000)
	for _, table := range []Table{Servers, Players, Rules} {
		data := write(t, Options{Table: table, Parquet: true}, records)
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
		list, _ := columnsOf(table, nil)
		for j, c := range list {
			field := file.Schema().Fields()[j]
			require.Equal(t, c.name, field.Name())
			if c.kind == instant {
				require.Contains(t, field.Type().String(), "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)")
			}
		}
		want := plainRows(t, table, records)
		reader := parquet.NewReader(file)
		defer reader.Close()
		require.Equal(t, int64(len(want)), reader.NumRows())
		rows := make([]parquet.Row, 1)
		for _, w := range want {
			n, _ := reader.ReadRows(rows)
			require.Equal(t, 1, n)
			for j, c := range list {
				v, raw := rows[0][j], w[c.name]
				if raw == nil {
					require.True(t, v.IsNull(), c.name)
					continue
				}
				require.False(t, v.IsNull(), c.name)
				var err error
				switch c.kind {
				case text:
					var s string
					err = json.Unmarshal(raw, &s)
					require.True(t, s == string(v.ByteArray()), c.name)
				case object:
					require.True(t, string(raw) == string(v.ByteArray()), c.name)
				case integer:
					var n int64
					err = json.Unmarshal(raw, &n)
					require.Equal(t, n, v.Int64(), c.name)
				case float:
					var f float64
					err = json.Unmarshal(raw, &f)
					require.Equal(t, f, v.Double(), c.name)
				case boolean:
					require.Equal(t, string(raw), strconv.FormatBool(v.Boolean()), c.name)
				case instant:
					var at time.Time
					err = json.Unmarshal(raw, &at)
					require.Equal(t, at.UnixMicro(), v.Int64(), c.name)
				}
				require.NoError(t, err)
			}
		}
	}
}

// TestRowGroups: more values than wait in memory become several row groups.
func TestRowGroups(t *testing.T) {
	long := &output.Record{Status: output.Timeout, Error: strings.Repeat("e", 1<<20)}
	var records []*output.Record
	for range 70 {
		records = append(records, long)
	}
	data := write(t, Options{Table: Servers, Parquet: true}, records)
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Greater(t, len(file.RowGroups()), 1)
	require.Equal(t, int64(70), file.NumRows())
}

func TestFields(t *testing.T) {
	for _, bad := range []Options{
		{Table: Servers, Fields: []string{"nam"}},
		{Table: Players, Fields: []string{"info_name"}},
		{Table: Servers, Fields: []string{"ip", "ip"}},
		{Table: "x"},
	} {
		require.Error(t, Check(bad))
	}
	require.NoError(t, Check(Options{Table: Servers, Fields: []string{"info_name", "info.map", "ip"}}))
}

// tool returns the path of a program for tests, which is skipped if there is none.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: its reading of the files is not tested", name)
	}
	return path
}

// comparable writes the JSON of rows, one per line, with floats as Go prints them.
func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// TestPandas: pandas reads each cell of the CSV as it was written.
func TestPandas(t *testing.T) {
	python := "/usr/bin/python3"
	if exec.Command(python, "-c", "import pandas").Run() != nil {
		t.Skip("pandas is not installed: its reading of the CSV is not tested")
	}
	records := makeRecords(300)
	file := writeFile(t, "servers.csv", withoutNUL(write(t, Options{Table: Servers}, records)))
	out, err := exec.Command(python, "-c", `
import json, sys, pandas as pd
d = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False, lineterminator="\n")
for row in d.to_dict("records"): print(json.dumps(row))`, file).Output()
	require.NoError(t, err)
	compareCells(t, records, out)
}

// withoutNUL removes the bytes that pandas and SQLite take for the end of a text.
func withoutNUL(b []byte) []byte { return bytes.ReplaceAll(b, []byte{0}, nil) }

// compareCells compares JSON objects of texts, one per line, with the cells of records.
func compareCells(t *testing.T, records []*output.Record, lines []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(lines))
	for i, w := range plainRows(t, Servers, records) {
		var got map[string]string
		require.NoError(t, d.Decode(&got), "row %d", i)
		for _, c := range recordColumns {
			want := string(w[c.name])
			if want != "" && (c.kind == text || c.kind == instant) {
				require.NoError(t, json.Unmarshal(w[c.name], &want))
			}
			if want = strings.ReplaceAll(want, "\x00", ""); want != got[c.name] {
				t.Fatalf("row %d, %s: %.200q, want %.200q", i, c.name, got[c.name], want)
			}
		}
	}
	require.False(t, d.More())
}

// TestSQLite: SQLite reads each cell of the CSV as it was written.
func TestSQLite(t *testing.T) {
	sqlite := tool(t, "sqlite3")
	records := makeRecords(300)
	file := writeFile(t, "servers.csv", withoutNUL(write(t, Options{Table: Servers}, records)))
	db := filepath.Join(t.TempDir(), "x.db")
	out, err := exec.Command(sqlite, db, ".mode json", ".import --csv "+file+" servers", "select * from servers").Output()
	require.NoError(t, err)
	var rows []json.RawMessage
	require.NoError(t, json.Unmarshal(out, &rows))
	compareCells(t, records, bytes.Join(func() (b [][]byte) {
		for _, r := range rows {
			b = append(b, r)
		}
		return b
	}(), []byte("\n")))
}

// TestDuckDB: DuckDB reads the values of the Parquet file, each with its type.
func TestDuckDB(t *testing.T) {
	duckdb := tool(t, "duckdb")
	records := makeRecords(300)
	file := writeFile(t, "servers.parquet", write(t, Options{Table: Servers, Parquet: true}, records))
	var list []string
	for _, c := range recordColumns {
		switch c.kind {
		case instant:
			list = append(list, fmt.Sprintf("CAST(epoch_us(%s) AS VARCHAR) AS %s", c.name, c.name))
		case float:
			list = append(list, fmt.Sprintf("printf('%%.17g', %s) AS %s", c.name, c.name))
		default:
			list = append(list, fmt.Sprintf("CAST(%s AS VARCHAR) AS %s", c.name, c.name))
		}
	}
	out, err := exec.Command(duckdb, "-c", "SELECT "+strings.Join(list, ", ")+" FROM '"+file+"'").Output()
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(out))
	for i, w := range plainRows(t, Servers, records) {
		var got map[string]*string
		require.NoError(t, d.Decode(&got), "row %d", i)
		for _, c := range recordColumns {
			raw := w[c.name]
			require.Equal(t, raw == nil, got[c.name] == nil, "row %d, %s", i, c.name)
			if raw == nil {
				continue
			}
			want, have := string(raw), *got[c.name]
			switch c.kind {
			case text:
				require.NoError(t, json.Unmarshal(raw, &want))
			case instant:
				var at time.Time
				require.NoError(t, json.Unmarshal(raw, &at))
				want = strconv.FormatInt(at.UnixMicro(), 10)
			case float:
				a, _ := strconv.ParseFloat(want, 64)
				b, err := strconv.ParseFloat(have, 64)
				require.NoError(t, err)
				require.Equal(t, math.Float64bits(a), math.Float64bits(b), c.name)
				continue
			}
			if want != have {
				t.Fatalf("row %d, %s: %.200q, want %.200q", i, c.name, have, want)
			}
		}
	}
}

// FuzzCells: the line of any record is cut into the same cells as by encoding/json.
func FuzzCells(f *testing.F) {
	for _, r := range makeRecords(20) {
		if line := output.AppendJSON(nil, r); len(line) < 20_000 {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var r output.Record
		if output.Unmarshal(line, &r) != nil {
			return
		}
		list, _ := columnsOf(Servers, nil)
		where := newTree()
		for i, c := range list {
			where.add(c.path, i)
		}
		cells := make([]cell, len(list))
		where.fill(cells, output.AppendJSON(nil, &r))
		want := plainRows(t, Servers, []*output.Record{&r})[0]
		for i, c := range list {
			if cells[i].missing() {
				require.Nil(t, want[c.name], c.name)
			} else {
				require.Equal(t, string(want[c.name]), string(cells[i]), c.name)
			}
		}
	})
}
