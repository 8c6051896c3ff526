package convert

import (
	"io"
	"reflect"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// groupBytes bounds the values that wait in memory for their row group.
const groupBytes = 32 << 20

// A parquetWriter writes Parquet, compressed by zstd.
type parquetWriter struct {
	w       *parquet.GenericWriter[any]
	list    []column
	row     parquet.Row
	waiting int // bytes
}

func newParquetWriter(w io.Writer, list []column) (*parquetWriter, error) {
	schema := parquetSchema(list)
	return &parquetWriter{
		w:    parquet.NewGenericWriter[any](w, schema, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("a2scan", "1", "parquet-go")),
		list: list,
	}, nil
}

// parquetSchema returns the schema with all columns optional, in their order: that
// of the fields of a struct, since a parquet.Group would sort them by name.
func parquetSchema(list []column) *parquet.Schema {
	types := map[kind]reflect.Type{
		text: reflect.TypeFor[string](), object: reflect.TypeFor[string](), integer: reflect.TypeFor[int64](),
		float: reflect.TypeFor[float64](), boolean: reflect.TypeFor[bool](), instant: reflect.TypeFor[int64](),
	}
	var fields []reflect.StructField
	for i, c := range list {
		tag := c.name + ",optional"
		if c.kind == instant {
			tag += ",timestamp(microsecond)"
		}
		fields = append(fields, reflect.StructField{
			Name: "F" + strconv.Itoa(i),
			Type: types[c.kind],
			Tag:  reflect.StructTag("parquet:" + strconv.Quote(tag)),
		})
	}
	return parquet.NewSchema("a2scan", parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface()))
}

func (p *parquetWriter) write(cells []cell) error {
	p.row = p.row[:0]
	for i, c := range cells {
		if c.missing() {
			p.row = append(p.row, parquet.NullValue().Level(0, 0, i))
			continue
		}
		var v parquet.Value
		switch p.list[i].kind {
		case text:
			v = parquet.ByteArrayValue([]byte(c.text()))
		case object:
			v = parquet.ByteArrayValue(c)
		case integer:
			v = parquet.Int64Value(c.integer())
		case float:
			v = parquet.DoubleValue(c.float())
		case boolean:
			v = parquet.BooleanValue(c.boolean())
		case instant:
			v = parquet.Int64Value(c.micros())
		}
		p.waiting += len(c)
		p.row = append(p.row, v.Level(0, 1, i))
	}
	if _, err := p.w.WriteRows([]parquet.Row{p.row}); err != nil {
		return err
	}
	if p.waiting < groupBytes {
		return nil
	}
	p.waiting = 0
	return p.w.Flush()
}

func (p *parquetWriter) close() error { return p.w.Close() }
