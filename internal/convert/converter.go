package convert

import (
	"io"

	"github.com/a2scan/a2scan/output"
)

// Options say which table a Converter writes, and how.
type Options struct {
	Table   Table
	Fields  []string // columns, in this order; none: all
	Parquet bool     // else CSV
	Excel   bool     // CSV: for spreadsheets
}

// A Converter writes the table of the records it is given.
type Converter struct {
	table Table
	rows  rowWriter
	line  []byte
	cells []cell
	own   *tree // values of the record
	entry *tree // values of a list's entry
	rowN  uint64
}

// A rowWriter writes rows in some format.
type rowWriter interface {
	write(cells []cell) error
	close() error
}

// New returns a Converter that writes to w.
func New(w io.Writer, o Options) (*Converter, error) {
	list, err := columnsOf(o.Table, o.Fields)
	if err != nil {
		return nil, err
	}
	c := &Converter{table: o.Table, cells: make([]cell, len(list)), own: newTree(), entry: newTree()}
	for i, col := range list {
		if o.Table == Servers || col.own {
			c.own.add(col.path, i)
		} else {
			c.entry.add(col.path, i)
		}
	}
	if o.Parquet {
		c.rows, err = newParquetWriter(w, list)
	} else {
		c.rows, err = newCSVWriter(w, list, o.Excel)
	}
	return c, err
}

// Add writes the rows of a record.
func (c *Converter) Add(rec *output.Record) error {
	c.line = output.AppendJSON(c.line[:0], rec)
	clear(c.cells)
	c.own.fill(c.cells, c.line)
	if c.table == Servers {
		c.rowN++
		return c.rows.write(c.cells)
	}
	var list cell
	find := newTree()
	find.add([]string{string(c.table), "list"}, 0)
	one := []cell{nil}
	find.fill(one, c.line)
	list = one[0]
	if list.missing() {
		return nil
	}
	own := append([]cell{}, c.cells...)
	for e := range elements(list) {
		copy(c.cells, own)
		c.entry.fill(c.cells, e)
		c.rowN++
		if err := c.rows.write(c.cells); err != nil {
			return err
		}
	}
	return nil
}

// Rows returns the number of rows written.
func (c *Converter) Rows() uint64 { return c.rowN }

// Close writes the remaining data. It does not close the writer below.
func (c *Converter) Close() error { return c.rows.close() }

// Check reports whether the fields of o are those of its table.
func Check(o Options) error {
	_, err := columnsOf(o.Table, o.Fields)
	return err
}
