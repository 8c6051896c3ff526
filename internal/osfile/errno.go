package osfile

import (
	"errors"
	"syscall"
)

// IsBrokenPipe reports whether err means that the reader of our output has left.
func IsBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || isSystemError(err, brokenPipeErrors)
}

// IsNoSpace reports whether err means that the disk, or our share of it, is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || isSystemError(err, noSpaceErrors)
}

func isSystemError(err error, codes []syscall.Errno) bool {
	for _, c := range codes {
		if errors.Is(err, c) {
			return true
		}
	}
	return false
}
