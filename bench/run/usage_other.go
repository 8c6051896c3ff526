//go:build !unix

package run

import (
	"os"
	"os/exec"
)

// peakRSS is not known here.
func peakRSS(*os.ProcessState) int64 { return 0 }

// selfUsage is not known here.
func selfUsage() (cpu float64, rss int64) { return 0, 0 }

// detach does nothing here.
func detach(*exec.Cmd) {}
