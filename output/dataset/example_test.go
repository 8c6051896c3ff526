package dataset_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
)

// A file of records is written, resumed and read.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "records.ndjson.zst")

	record := func(seq uint64, addr string, status output.Status) []byte {
		return output.AppendJSON(nil, &output.Record{Seq: seq, Addr: netip.MustParseAddrPort(addr), Status: status})
	}
	write := func(f *dataset.File, lines ...[]byte) {
		for _, line := range lines {
			if err := f.WriteLines(line); err != nil {
				panic(err)
			}
		}
		if err := f.Close(); err != nil {
			panic(err)
		}
	}

	f, err := dataset.Create(path, dataset.CompressAuto)
	if err != nil {
		panic(err)
	}
	write(f, record(0, "192.0.2.1:27015", output.Timeout), record(1, "192.0.2.2:27015", output.Aborted))

	// Resume: keep the records of settled targets, and append.
	if f, err = dataset.Open(path, dataset.CompressAuto); err != nil {
		panic(err)
	}
	err = f.Load(func(line []byte) (bool, error) {
		var r output.Record
		err := output.Unmarshal(line, &r)
		return r.Status != output.Aborted, err
	})
	if err != nil {
		panic(err)
	}
	if err := f.Start(); err != nil {
		panic(err)
	}
	write(f, record(1, "192.0.2.2:27015", output.Timeout))

	for record, err := range dataset.Read(path) {
		if err != nil {
			panic(err)
		}
		fmt.Println(record.Addr, record.Status)
	}
	// Output:
	// 192.0.2.1:27015 timeout
	// 192.0.2.2:27015 timeout
}
