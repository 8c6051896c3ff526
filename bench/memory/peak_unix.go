//go:build unix

package memory

import (
	"os"
	"runtime"
	"syscall"
)

// peakOf returns the system's figure of an ended process.
func peakOf(s *os.ProcessState) int64 {
	if ru, ok := s.SysUsage().(*syscall.Rusage); ok {
		return maxRSS(ru)
	}
	return 0
}

// ownPeak returns that of this process so far.
func ownPeak() int64 {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return maxRSS(&ru)
}

func maxRSS(ru *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(ru.Maxrss) // in bytes; elsewhere in KiB
	}
	return int64(ru.Maxrss) << 10
}
