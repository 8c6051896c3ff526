//go:build !unix

package run

import "os/exec"

// selfCPU is not known here.
func selfCPU() float64 { return 0 }

// detach does nothing here.
func detach(*exec.Cmd) {}
