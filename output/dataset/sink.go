package dataset

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// A Sink takes lines and makes a file of them. The [Writer] calls it from one
// goroutine. An error is final: the calls that follow return it again, and what
// the file holds then ends where the last Sync that succeeded left it, as far as
// the system allows that.
//
// Errors wrap those of the system: see [IsBrokenPipe] and [IsNoSpace].
type Sink interface {
	// WriteLines takes p, which holds whole lines. It does not keep p.
	WriteLines(p []byte) error
	// Sync hands all that was written to the operating system, so that it
	// survives the end of the process, and ends the compressor's frame. It
	// returns the length of the file up to there, whole lines and frames all
	// of it, with what it held before the run. It does not wait for the disk:
	// after a power cut the last half minute may be missing, which costs a
	// resumed scan that half minute, while waiting would cost every scan a
	// pause each second.
	Sync() (committed int64, err error)
	// Close does what Sync does, waits for the disk where there is one, and
	// closes the file. It is called once, however the run ended. A file that is
	// no longer what was written, or has lost its name, is an error:
	// [ErrChanged], [ErrGone] or [ErrReplaced].
	Close() error
}

// A Compression is how a file of records is packed.
type Compression uint8

// The compressions, as --compress names them.
const (
	CompressAuto Compression = iota // by the ending of the file's name
	CompressNone
	CompressZstd // .zst
	CompressGzip // .gz
)

var compressionNames = [...]string{"auto", "none", "zstd", "gzip"}

// String returns the word of --compress.
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return "unknown"
}

// ParseCompression returns the compression of that name.
func ParseCompression(name string) (Compression, error) {
	for i, n := range compressionNames {
		if n == name {
			return Compression(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not one of auto, none, zstd, gzip", name)
}

// For returns c, or for CompressAuto what the ending of path asks for.
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

// SinkOptions say how OpenSink opens a file.
type SinkOptions struct {
	Compression Compression
	// Append keeps what the file holds and goes on behind it. Its end should
	// be that of a line or frame: see [Recover].
	Append bool
}

// OpenSink opens path for records; "-" is standard output. An existing file is
// overwritten unless o.Append is set or others have it open: see [IsOpenName].
//
// A program that writes to standard output and wants to see its reader leave
// must catch or ignore SIGPIPE, or the Go runtime ends the process with it.
func OpenSink(path string, o SinkOptions) (Sink, error) {
	f, err := openFile(path, o.Append)
	if err != nil {
		return nil, err
	}
	c := o.Compression.For(path)
	if c == CompressNone {
		return f, nil
	}
	s, err := newCompressor(f, c)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// IsBrokenPipe reports whether err says that whoever read our output has left.
func IsBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || isSystemError(err, brokenPipeErrors)
}

// IsNoSpace reports whether err says that the disk, or our share of it, is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || isSystemError(err, noSpaceErrors)
}

// isSystemError reports whether err is one of codes.
func isSystemError(err error, codes []syscall.Errno) bool {
	for _, c := range codes {
		if errors.Is(err, c) {
			return true
		}
	}
	return false
}
