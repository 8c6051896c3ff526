package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/a2scan/a2scan/internal/display"
)

// The rules of standard error. Every line begins with "a2scan: ", in lower case and
// without a full stop. A line that begins with "a2scan: hint: " names the next step for
// the line before it. On a terminal the last line may be a progress line, which is
// redrawn and in the end erased; elsewhere progress is plain lines like the others.
//
// Text of servers, files and users is foreign: it goes through clean before it is shown,
// so that it cannot move the cursor or forge a line.

// A ui writes messages to standard error. Its methods may be called from any goroutine.
type ui struct {
	terminal terminal // of standard error
	quiet    bool     // no progress and no remarks
	verbose  bool     // remarks of detail too

	w *outlet // standard error

	mu     sync.Mutex
	status string // the progress line; empty: none
	drawn  bool   // the progress line is on the screen
	paused bool   // standard output writes to the same screen
	lost   uint64 // messages whose reader stalled
}

func newUI(w io.Writer) *ui {
	u := &ui{w: newOutlet(w), terminal: terminalOf(w)}
	u.w.limit = patience
	return u
}

// sayf writes a message that --quiet does not suppress.
func (u *ui) sayf(format string, args ...any) { u.lines(fmt.Sprintf(format, args...)) }

// hintf writes the next step for the message before.
func (u *ui) hintf(format string, args ...any) { u.lines("hint: " + fmt.Sprintf(format, args...)) }

// notef writes a remark, which --quiet suppresses.
func (u *ui) notef(format string, args ...any) {
	if !u.quiet {
		u.sayf(format, args...)
	}
}

// noteHintf writes the next step for a remark.
func (u *ui) noteHintf(format string, args ...any) {
	if !u.quiet {
		u.hintf(format, args...)
	}
}

// detailf writes a remark that only --verbose shows.
func (u *ui) detailf(format string, args ...any) {
	if u.verbose {
		u.sayf(format, args...)
	}
}

// error writes err, one message for each error that it joins, and then its hint, if it
// has one.
func (u *ui) error(err error) {
	u.lines(errorLines(err)...)
	var hinted *hintedError
	if errors.As(err, &hinted) {
		u.hintf("%s", hinted.hint)
	}
}

// progress replaces the progress line of a terminal. The line fits the terminal's width.
func (u *ui) progress(line string) {
	if u.quiet {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status = line
	u.draw()
}

// endProgress erases the progress line.
func (u *ui) endProgress() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status = ""
	u.erase()
}

// draw and erase are called with mu held.
func (u *ui) draw() {
	if u.status != "" && !u.paused {
		fmt.Fprint(u.w, "\r"+u.status+"\x1b[K")
		u.drawn = true
	}
}

func (u *ui) erase() {
	if u.drawn {
		fmt.Fprint(u.w, "\r\x1b[K")
		u.drawn = false
	}
}

// aside runs write, which writes to the screen that the progress line is on. The line is
// erased before and drawn again afterwards.
func (u *ui) aside(write func() error) error {
	u.mu.Lock()
	u.paused = true
	u.erase()
	u.mu.Unlock()
	err := write() // it can block, and messages must not
	u.mu.Lock()
	defer u.mu.Unlock()
	u.paused = false
	u.draw()
	return err
}

// lines writes each text as a message. Errors of the system contain names of files as
// they are, so the whole text is cleaned here, newlines too; clean text stays as it is.
func (u *ui) lines(texts ...string) {
	var b bytes.Buffer
	for _, text := range texts {
		b.WriteString("a2scan: ")
		b.WriteString(clean(text))
		b.WriteByte('\n')
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.erase()
	if _, err := u.w.Write(b.Bytes()); err != nil {
		u.lost++
	}
	u.draw()
}

// lostMessages returns the number of messages whose reader stalled.
func (u *ui) lostMessages() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lost
}

// errorLines returns the text of err, one line for each error that errors.Join combined,
// at any depth. Text around joined errors goes to the first and the last line. Any other
// newline is part of a line: a file name can contain one.
func errorLines(err error) []string {
	text := err.Error()
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		var lines, texts []string
		for _, err := range e.Unwrap() {
			lines = append(lines, errorLines(err)...)
			texts = append(texts, err.Error())
		}
		if text == strings.Join(texts, "\n") {
			return lines
		}
	case interface{ Unwrap() error }:
		cause := e.Unwrap()
		if cause == nil {
			break
		}
		lines := errorLines(cause)
		if i := strings.LastIndex(text, cause.Error()); len(lines) > 1 && i >= 0 {
			lines[0] = text[:i] + lines[0]
			lines[len(lines)-1] += text[i+len(cause.Error()):]
			return lines
		}
	}
	return []string{text}
}

// clean returns foreign text in a form that is safe on a terminal: bytes that are not
// UTF-8 become U+FFFD, and everything but visible characters and plain spaces (control
// characters, line separators, marks that change the writing direction) becomes an escape.
func clean[T string | []byte](text T) string { return display.Clean(string(text)) }

// truncate cuts s to at most n characters; a cut text ends with an ellipsis.
func truncate(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(n-1, 0)]) + "…"
}
