package dataset

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/a2scan/a2scan/internal/osfile"
)

// Errors of files.
var (
	ErrLocked      = osfile.ErrLocked                                                    // another process writes to it
	ErrNotRegular  = errors.New("not a regular file")                                    // a pipe or device cannot be resumed
	ErrCompression = errors.New("the file is compressed in another way")                 // than Load expects
	ErrChanged     = errors.New("another program has changed it")                        // its length is not what was written
	ErrGone        = errors.New("it was removed or renamed while it was written")        // no file has its name
	ErrReplaced    = errors.New("it was replaced by another file while it was written")  // another file has its name
	ErrCutMetadata = errors.New("cut off")                                               // empty, or only the beginning of an object, as after a power cut
	ErrNoRecords   = errors.New("it is not a dataset: line 1 is not a record of a scan") // nor the beginning of one
)

// A Sink takes lines of records. A [File] is one. Calls come from one goroutine. An
// error is final: later calls return it again.
type Sink interface {
	// WriteLines takes p, which holds whole lines. It does not keep p.
	WriteLines(p []byte) error
	// Sync hands all lines to the operating system, so that they survive the end of
	// the process, and ends the compressor's frame. It returns the length of the file
	// up to there. It does not wait for the disk: after a power cut the last half
	// minute may be missing, which a resumed scan asks again.
	Sync() (committed int64, err error)
	// Close syncs, waits for the disk and closes the file. It is called once.
	Close() error
}

// A File is a file of records that a scan writes. [Open] proves that it can be
// written and locks it, but changes nothing. [File.Load] reads the records of an
// earlier run, to resume it. [File.Start] then changes the file: it empties it, or
// after Load cuts off a torn tail and drops lines. From then on File is a [Sink].
//
// If a write fails, the file is cut back to the last whole line or frame.
type File struct {
	out         *osfile.File
	compression Compression
	held        *survey // after Load
	plain       plain
	pack        *compressor // nil: not compressed
}

// Open opens path for records; "-" is standard output. If it does not exist it is
// created. Errors wrap those of the system, or [ErrLocked].
func Open(path string, c Compression) (*File, error) {
	out, err := osfile.OpenLocked(path)
	if err != nil {
		return nil, err
	}
	return &File{out: out, compression: c.For(path)}, nil
}

// Create opens path for records and starts: a file that exists is emptied.
func Create(path string, c Compression) (*File, error) {
	f, err := Open(path, c)
	if err != nil {
		return nil, err
	}
	if err := f.Start(); err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	return f, nil
}

// Load reads the records that the file holds and calls keep with each line, in order;
// line is valid during the call. Lines for which keep returns false are dropped by
// Start. An error of keep, a damaged file, another compression or a file that is not
// a dataset ends Load with an error; the file is as it was then.
func (f *File) Load(keep func(line []byte) (bool, error)) error {
	if !f.out.Owned() {
		return fmt.Errorf("%s: %w", f.out.Name(), ErrNotRegular)
	}
	s, err := newSurvey(f.out.Name(), keep)
	if err != nil {
		return err
	}
	if s.compression != f.compression && !s.empty() {
		err = fmt.Errorf("%s: %w: it is %s, and this run would write %s", f.out.Name(), ErrCompression, s.compression, f.compression)
		f.compression = s.compression
		return err
	}
	f.held = s
	return nil
}

// Compression returns how the file is compressed.
func (f *File) Compression() Compression { return f.compression }

// Start makes the file ready for more lines: see [File]. It waits for the reader of a
// named pipe.
func (f *File) Start() error {
	var err error
	if f.held != nil {
		err = f.held.mend(f.out)
	} else {
		err = f.out.Empty()
	}
	if err == nil {
		err = f.out.Ready()
	}
	if err == nil {
		f.plain, err = newPlain(f.out)
	}
	if err == nil && f.compression != CompressNone {
		f.pack, err = newCompressor(&f.plain, f.compression)
	}
	return err
}

// Held returns how many records of an earlier run the file keeps, and their length
// before compression.
func (f *File) Held() (records, bytes int64) {
	if f.held == nil {
		return 0, 0
	}
	return f.held.lines - f.held.drops, f.held.bytes - f.held.dropBytes
}

// Discard closes a file that was not started. If Open created it, it is removed.
func (f *File) Discard() error { return f.out.Discard() }

// WriteLines writes p.
func (f *File) WriteLines(p []byte) error {
	if f.pack != nil {
		return f.pack.WriteLines(p)
	}
	return f.plain.WriteLines(p)
}

// Sync ends the compressor's frame: see [Sink].
func (f *File) Sync() (committed int64, err error) {
	if f.pack != nil {
		return f.pack.Sync()
	}
	return f.plain.size, f.plain.err
}

// Close syncs, waits for the disk and closes the file. If the file is no longer what
// was written, or has lost its name, the error is [ErrChanged], [ErrGone] or
// [ErrReplaced].
func (f *File) Close() error {
	if f.pack != nil {
		_, _ = f.pack.Sync() // its error is kept in plain
	}
	return f.plain.Close()
}

// Stream describes a file that was started: pipe means that a write of up to PIPE_BUF
// bytes is whole, mayLeave that its reader may leave and no other can come.
func (f *File) Stream() (pipe, mayLeave bool) { return f.plain.pipe, f.plain.leaves }

// Look returns EPIPE, without writing, if the reader of a pipe or socket has left.
func (f *File) Look() error {
	if f.plain.err == nil && f.out.ReaderLeft() {
		f.plain.err = &os.PathError{Op: "write", Path: f.out.Name(), Err: syscall.EPIPE}
	}
	return f.plain.err
}

// plain writes to the file itself.
type plain struct {
	out    *osfile.File
	size   int64 // bytes in the file, those of an earlier run included
	pipe   bool  // a write of up to PIPE_BUF is whole
	leaves bool  // the reader of this pipe or socket may leave, and no other can come
	err    error // the first error
}

func newPlain(out *osfile.File) (plain, error) {
	p := plain{out: out}
	info, err := out.OS().Stat()
	if err != nil {
		return p, err
	}
	p.pipe = info.Mode()&os.ModeNamedPipe != 0
	// A pipe with a name of its own may get another reader.
	p.leaves = out.IsStream() && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
	if out.Owned() {
		p.size = info.Size()
	}
	return p, nil
}

// WriteLines writes p, or nothing of it.
func (p *plain) WriteLines(b []byte) error {
	before := p.size
	if _, err := p.Write(b); err != nil {
		p.cut(before)
	}
	return p.err
}

// Write writes b, for a compressor.
func (p *plain) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.out.Write(b)
	p.size += int64(n)
	p.err = err
	return n, err
}

// cut removes the bytes after the first size, unless another program has changed the
// file.
func (p *plain) cut(size int64) {
	if !p.out.Owned() {
		return
	}
	if is, err := p.out.Size(); err != nil || is != p.size {
		return
	}
	if p.out.OS().Truncate(size) == nil {
		p.size = size
	}
}

// Close waits for the disk and closes the file.
func (p *plain) Close() error {
	if p.out.Owned() && p.err == nil {
		// Some file systems report a full disk only here.
		if p.err = p.out.Sync(); p.err == nil {
			p.err = p.check()
		}
	}
	if err := p.out.Close(); p.err == nil {
		p.err = err
	}
	return p.err
}

// check returns an error if the file is not what was written, or has lost its name.
func (p *plain) check() error {
	name := p.out.Name()
	size, err := p.out.Size()
	if err != nil {
		return err
	}
	if size != p.size {
		return fmt.Errorf("%s: %w: it has %d bytes, and %d were written", name, ErrChanged, size, p.size)
	}
	if p.out.IsAt() {
		return nil
	}
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: %w", name, ErrGone)
	} else if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", name, ErrReplaced)
}
