package dataset_test

import (
	"cmp"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
)

// The ten fullest servers of a dataset.
func ExampleRead() {
	file := exampleFile()
	var servers []output.Info
	for r, err := range dataset.Read(file) {
		if err != nil {
			log.Print(err)
		} else if r.Info != nil && r.Info.Has(output.InfoPlayers) {
			servers = append(servers, *r.Info)
		}
	}
	slices.SortFunc(servers, func(a, b output.Info) int { return cmp.Compare(b.Players, a.Players) })
	for _, s := range servers[:min(10, len(servers))] {
		fmt.Printf("%3d %q\n", s.Players, s.Name)
	}
	// Output:
	//  64 "full"
	//   3 "quiet"
}

func exampleFile() string {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	var lines []byte
	for i, info := range []output.Info{{Name: "quiet", Players: 3}, {Name: "full", Players: 64}} {
		info.Fields = output.InfoName | output.InfoPlayers
		lines = output.AppendJSON(lines, &output.Record{Seq: uint64(i), Info: &info})
	}
	file := filepath.Join(dir, "scan.ndjson")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		log.Fatal(err)
	}
	return file
}
