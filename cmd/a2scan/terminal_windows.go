package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// terminalSize reports whether f is a console that understands escape sequences, and its
// size; 0 is an unknown size.
func terminalSize(f *os.File) (columns, rows int, ok bool) {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return 0, 0, false
	}
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(h, &info) == nil {
		columns = int(info.Window.Right-info.Window.Left) + 1
		rows = int(info.Window.Bottom-info.Window.Top) + 1
	}
	return columns, rows, windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
