package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// terminalWidth reports whether f is a console that understands escape
// sequences, and how many columns it has.
func terminalWidth(f *os.File) (columns int, ok bool) {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return 0, false
	}
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(h, &info) == nil {
		columns = int(info.Window.Right-info.Window.Left) + 1
	}
	return columns, windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
