package osfile

import (
	"errors"
	"os"
	"syscall"
)

// An Input reads a file, and waits also if another process has made it non-blocking.
type Input struct{ *os.File }

// Stdin is standard input.
var Stdin = Input{os.Stdin}

// Read reads up to len(b) bytes.
func (f Input) Read(b []byte) (int, error) {
	for {
		n, err := f.File.Read(b)
		if n > 0 || !errors.Is(err, syscall.EAGAIN) {
			return max(n, 0), err
		}
		if err := await(f.File, readable); err != nil {
			return 0, err
		}
	}
}
