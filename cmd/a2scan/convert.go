package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/a2scan/a2scan/internal/convert"
	"github.com/a2scan/a2scan/output"
)

type convertOptions struct {
	to, table, fields, output string
	excel                     bool
}

func convertCommand() *command {
	return &command{
		name:     "convert",
		synopsis: "--to csv|parquet FILE…",
		short:    "write records as CSV or Parquet",
		long: `Writes a table of the records in the files: one row per record, per player or per rule. Columns are the keys of
		the record joined by underscores, such as info_name. The tables of players and rules begin with ip, port and
		timestamp. Arrays, a3sb and source are one column of JSON.

		CSV follows RFC 4180 with LF at the ends of lines; missing values are empty. Parquet has typed columns and zstd
		compression; missing values are null. Both hold the values of the records as they are: a text that is not valid
		UTF-8 has its true bytes in the column NAME_b64.`,
		examples: []string{
			"a2scan convert --to parquet -o servers.parquet scan.ndjson.zst",
			"a2scan convert --to csv --table players scan.ndjson > players.csv",
			"a2scan convert --to csv --fields ip,port,info_name,info_players scan.ndjson",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := &convertOptions{table: "servers", output: "-"}
			fs.group("Output", func() {
				fs.choice(&o.to, "to", "", "FORMAT", "csv or parquet", "csv", "parquet")
				fs.choice(&o.table, "table", "", "TABLE", "servers, players or rules", "servers", "players", "rules")
				fs.words(&o.fields, "fields", "", "LIST", "columns to write, in this order (default all)")
				fs.text(&o.output, "output-file", "o", "FILE", "write to this file")
				fs.toggle(&o.excel, "excel", "", "CSV for spreadsheets: with a BOM, and text that a spreadsheet would take for a formula begins with '")
			})
			return func(a *app, args []string) error { return a.convert(o, args) }
		},
	}
}

func (a *app) convert(o *convertOptions, names []string) error {
	switch {
	case o.to == "":
		return withHint(usagef("no format"), "--to csv or --to parquet")
	case len(names) == 0:
		return withHint(usagef("no files to convert"), "a2scan convert --to %s FILE…, or - for records on standard input", o.to)
	case o.excel && o.to != "csv":
		return usagef("--excel is for CSV")
	}
	options := convert.Options{Table: convert.Table(o.table), Parquet: o.to == "parquet", Excel: o.excel}
	if o.fields != "" {
		for name := range strings.SplitSeq(o.fields, ",") {
			options.Fields = append(options.Fields, strings.TrimSpace(name))
		}
	}
	if err := convert.Check(options); err != nil {
		return a.fieldError(err)
	}
	if o.output == "-" && options.Parquet && isTerminal(a.stdout) {
		return withHint(usagef("Parquet is not for a terminal"), "add -o FILE")
	}
	if err := a.checkRecordFiles(names, fileUse{flag: "--output-file", name: o.output, std: a.stdout, writes: true}); err != nil {
		return err
	}
	for _, name := range names { // before the output file is touched
		if _, err := os.Stat(name); err != nil && name != "-" {
			return err
		}
	}
	var rows uint64
	err := a.writeFile(o.output, func(w *bufio.Writer) error {
		c, err := convert.New(w, options)
		if err != nil {
			return err
		}
		if _, err := readRecords(a, names, output.Unmarshal, c.Add); err != nil {
			return err
		}
		rows = c.Rows()
		return c.Close()
	})
	if err == nil && o.output != "-" {
		a.ui.notef("%s in %s", plural(rows, "row", "rows"), clean(o.output))
	}
	return err
}

// fieldError explains a wrong --fields.
func (a *app) fieldError(err error) error {
	var wrong *convert.FieldError
	usage := &usageError{fmt.Errorf("--fields: %w", err)}
	if !errors.As(err, &wrong) {
		return usage
	}
	if near := nearest(wrong.Name, wrong.Known); near != "" {
		return withHint(usage, "did you mean %s?", near)
	}
	return withHint(usage, "the columns are %s", strings.Join(wrong.Known, ", "))
}
