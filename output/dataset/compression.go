package dataset

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A Compression is how a file of records is compressed.
type Compression uint8

// The compressions, by the names that String and UnmarshalText use.
const (
	CompressAuto Compression = iota // auto: by the ending of the file's name
	CompressNone                    // none
	CompressZstd                    // zstd, .zst
	CompressGzip                    // gzip, .gz
)

var compressionNames = [...]string{"auto", "none", "zstd", "gzip"}

// String returns the name.
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return "unknown"
}

// UnmarshalText sets c to the compression of that name.
func (c *Compression) UnmarshalText(name []byte) error {
	for i, n := range compressionNames {
		if n == string(name) {
			*c = Compression(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of auto, none, zstd, gzip", name)
}

// For returns c, or for CompressAuto the compression that the ending of path means.
func (c Compression) For(path string) Compression {
	if c != CompressAuto {
		return c
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".zst":
		return CompressZstd
	case ".gz":
		return CompressGzip
	}
	return CompressNone
}
