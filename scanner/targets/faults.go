package targets

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// faults are the lines of one file that are no targets. The first maxWrongLines of them
// get a message each, the others one for all.
type faults struct {
	file  string
	count int
}

// add counts a line and logs it, unless there were too many.
func (f *faults) add(log func(string, int, string), file string, line int, err error) {
	if f.file != file {
		f.end(log)
		f.file = file
	}
	if f.count++; f.count <= maxWrongLines {
		log(file, line, err.Error())
	}
}

// end logs the number of lines that got no message.
func (f *faults) end(log func(string, int, string)) {
	if n := f.count - maxWrongLines; n > 0 {
		log(f.file, 0, fmt.Sprintf("and %d more lines like these", n))
	}
	f.count = 0
}

// invalid counts a line that is no target.
func (l *List) invalid(file string, line int, err error) {
	if errors.Is(err, errOnlyTCP) {
		return // counted as NotUDP
	}
	l.count.Invalid++
	l.faults.add(l.cfg.Log, file, line, err)
}

// checkMost is how much of a file is read before the scan to find ranges that are too
// large: of most files everything, in milliseconds.
const checkMost = 1 << 20

// checkFile makes sure that a file that can be read again has a target, and that the
// ranges at its beginning are not too large, before anything else happens.
func (l *List) checkFile(f File) error {
	s, ok := f.R.(io.Seeker)
	if !ok {
		return nil
	}
	if f, ok := f.R.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			return nil // a pipe, a terminal or /dev/null
		}
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil
	}
	err = l.checkReader(f)
	if _, seekErr := s.Seek(at, io.SeekStart); seekErr != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w", f.Name, seekErr))
	}
	return err
}

func (l *List) checkReader(f File) error {
	text, err := openText(f.R)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	defer text.Close()
	in := intake{cfg: l.cfg, drop: l.drop, shard: l.shard, ranges: l.ranges, tags: make(map[string]*Origin)}
	in.cfg.Dedup = false
	wrong := faults{file: f.Name}
	type message struct {
		line int
		err  error
	}
	var messages []message
	r := bufio.NewReaderSize(text, readSize)
	for number, size := 1, 0; !in.named || size < checkMost; number++ {
		line, long, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil // the scan meets it too, and has the targets before it
		}
		if err != nil && len(line) == 0 {
			break
		}
		size += len(line)
		if _, _, plain := parsePlain(line); plain {
			in.named = true
			continue
		}
		in.space.reset()
		err = errLongLine
		if !long {
			err = in.acceptLine(string(line), true)
		}
		if errors.Is(err, ErrHuge) {
			return fmt.Errorf("%s:%d: %w", f.Name, number, err)
		}
		if err != nil && !in.named && !errors.Is(err, errOnlyTCP) {
			if wrong.count++; wrong.count <= maxWrongLines {
				messages = append(messages, message{number, err})
			}
		}
	}
	if in.named {
		return nil
	}
	for _, m := range messages {
		l.cfg.Log(f.Name, m.line, m.err.Error())
	}
	wrong.end(l.cfg.Log)
	if in.count.NotUDP > 0 {
		return fmt.Errorf("%s: no line is a target; %d ports are not UDP", f.Name, in.count.NotUDP)
	}
	return fmt.Errorf("%s: no line is a target", f.Name)
}

// readLine returns the next line of r without its line feed, or long if it is longer than
// a line may be. The error is io.EOF with the last line.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	line, err = r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			var part []byte
			if part, err = r.ReadSlice('\n'); len(line) <= maxLine {
				line = append(line, part...)
			}
		}
	}
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return line, len(line) > maxLine, err
}
