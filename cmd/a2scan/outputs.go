package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/a2scan/a2scan/internal/osfile"
)

// checkCreate returns an error if a file cannot be written under that name. It changes
// nothing and leaves no file.
func checkCreate(name string) error {
	f, err := osfile.Open(name)
	if err != nil {
		return err
	}
	return f.Discard()
}

// checkFolder returns an error if files cannot be written into a folder of that name,
// which need not exist yet.
func checkFolder(name string) error {
	for dir := filepath.Clean(name); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir):
			continue // it will be made in its parent
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is not a folder", clean(dir))
		}
		f, err := os.CreateTemp(dir, ".a2scan-*")
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
}

// checkEnding refuses names whose ending promises a format that is not written.
func checkEnding(flag, name string) error {
	ending := strings.ToLower(filepath.Ext(name))
	if ending == ".zst" || ending == ".gz" { // compressed, of which format?
		inner := strings.ToLower(filepath.Ext(strings.TrimSuffix(name, filepath.Ext(name))))
		if inner == "" {
			return nil
		}
		ending = inner
	}
	switch ending {
	case ".csv", ".tsv", ".parquet", ".xls", ".xlsx":
		hint := "write records to a .ndjson file, then: a2scan convert --to csv FILE"
		if ending == ".parquet" {
			hint = "write records to a .ndjson file, then: a2scan convert --to parquet FILE"
		}
		return withHint(usagef("%s %s: records are NDJSON, not %s", flag, quote(name), ending[1:]), "%s", hint)
	case ".xz", ".bz2", ".br", ".lz4", ".lzma", ".lz", ".zip", ".7z", ".rar", ".z", ".zstd", ".gzip", ".tgz", ".tar":
		return withHint(usagef("%s %s: %s is not written", flag, quote(name), ending), "use the ending .zst or .gz for compressed records")
	}
	return nil
}

// fileOf returns the file of the os package that a stream writes to or reads from; nil
// for others.
func fileOf(stream any) *os.File {
	switch f := stream.(type) {
	case *os.File:
		return f
	case *osfile.File:
		return f.OS()
	case osfile.Input:
		return f.File
	}
	return nil
}
