package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// The rules of standard error. Every line begins with "a2scan: ", in lower case
// and without a full stop at its end. Where there is a next step, a line that
// begins with "a2scan: hint: " follows and names it. On a terminal the last
// line may be a progress line, drawn anew once a second; elsewhere progress is
// plain lines like the others, and fewer of them.
//
// What a server, a file or a user wrote is foreign text: it goes through clean
// before it is shown to a person, so that it can neither move the cursor nor
// forge a line.

// A ui writes to standard error. Its methods may be called from any goroutine.
type ui struct {
	terminal bool       // a progress line can be drawn over
	columns  func() int // of the terminal, as wide as it is now; 0: not known
	quiet    bool       // no progress and no remarks
	verbose  bool       // remarks of detail too

	w *outlet // standard error

	mu    sync.Mutex
	drawn bool   // a progress line stands where the cursor is
	lost  uint64 // messages that nobody read
}

// readersTime is how long a message waits for its reader. Whoever looks at them in a
// pager has a pipe full of them first; and a scan has more to do than to be read.
const readersTime = 5 * time.Second

func newUI(w io.Writer) *ui {
	u := &ui{w: newOutlet(w), columns: func() int { return 0 }}
	u.w.limit = readersTime
	if f, ok := w.(*os.File); ok {
		_, u.terminal = terminalWidth(f)
		u.columns = func() int {
			n, _ := terminalWidth(f)
			return n
		}
	}
	return u
}

// sayf writes a line that everyone is to see.
func (u *ui) sayf(format string, args ...any) { u.lines(fmt.Sprintf(format, args...)) }

// hintf writes the next step that belongs to the line before.
func (u *ui) hintf(format string, args ...any) { u.lines("hint: " + fmt.Sprintf(format, args...)) }

// notef writes a remark, which --quiet suppresses.
func (u *ui) notef(format string, args ...any) {
	if !u.quiet {
		u.sayf(format, args...)
	}
}

// noteHintf writes the next step that belongs to a remark.
func (u *ui) noteHintf(format string, args ...any) {
	if !u.quiet {
		u.hintf(format, args...)
	}
}

// detailf writes what only --verbose asks for.
func (u *ui) detailf(format string, args ...any) {
	if u.verbose {
		u.sayf(format, args...)
	}
}

// error writes err, each of the errors that it joins as a line of ours, and then its hint,
// if it has one.
func (u *ui) error(err error) {
	u.lines(errorLines(err)...)
	var hinted *hintedError
	if errors.As(err, &hinted) {
		u.hintf("%s", hinted.hint)
	}
}

// progress shows where the work stands. On a terminal it takes the place of the
// progress line before.
func (u *ui) progress(line string) {
	if u.quiet {
		return
	}
	if !u.terminal {
		u.sayf("%s", line)
		return
	}
	line = "a2scan: " + clean(line)
	if n := u.columns(); n > 1 {
		line = truncate(line, n-1)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprint(u.w, "\r"+line+"\x1b[K")
	u.drawn = true
}

// endProgress leaves the progress line standing, if there is one.
func (u *ui) endProgress() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.drawn {
		fmt.Fprintln(u.w)
		u.drawn = false
	}
}

// lines writes each text as a line of ours. Errors of the system carry the names of
// files as they are, so all of it is cleaned here, newlines too, which does nothing to
// what was cleaned before.
func (u *ui) lines(texts ...string) {
	var b bytes.Buffer
	for _, text := range texts {
		b.WriteString("a2scan: ")
		b.WriteString(clean(text))
		b.WriteByte('\n')
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.drawn {
		fmt.Fprint(u.w, "\r\x1b[K")
		u.drawn = false
	}
	if _, err := u.w.Write(b.Bytes()); err != nil {
		u.lost++ // there is nobody left to tell
	}
}

// lostMessages returns how many messages nobody read.
func (u *ui) lostMessages() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lost
}

// errorLines returns what err says, one line for each error that errors.Join has put
// together, however deep: what stands around several belongs to the first and to the
// last. Any other newline is part of a line, as it can be of a file's name.
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

// clean returns foreign text as it can be shown to a person: bytes that are not
// UTF-8 become U+FFFD, and whatever is not a visible character or a plain space
// (control characters, line separators, marks that turn the direction of
// writing) stands as its escape.
func clean[T string | []byte](text T) string {
	s := string(text)
	if isClean(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = utf8.AppendRune(b, utf8.RuneError)
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		default:
			q := strconv.QuoteRune(r)
			b = append(b, q[1:len(q)-1]...)
		}
		s = s[n:]
	}
	return string(b)
}

func isClean(s string) bool {
	for i, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return false
		}
	}
	return true
}

// truncate cuts s to at most n characters, the last of them an ellipsis where
// something was lost.
func truncate(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(n-1, 0)]) + "…"
}
