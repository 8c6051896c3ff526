package osfile

import (
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// IsOpenName reports whether path, itself or through links, is a name for a file that
// some process has open, such as /dev/fd/3. Such a file is never emptied, cut or
// replaced, and no other file is put next to it.
func IsOpenName(path string) bool {
	for p := range links(path) {
		if _, _, ok := openName(p); ok {
			return true
		}
	}
	return false
}

// ownDescriptor returns the descriptor of this process that path, itself or through
// links, is a name for.
func ownDescriptor(path string) (fd int, ok bool) {
	if runtime.GOOS == "windows" {
		return 0, false
	}
	for p := range links(path) {
		if owner, name, ok := openName(p); ok {
			fd, err := strconv.Atoi(name)
			return fd, err == nil && fd >= 0 && (owner == "self" || owner == "thread-self" || owner == strconv.Itoa(os.Getpid()))
		}
	}
	return 0, false
}

// openName splits a name of an open file into the process that has it open and the
// number of its descriptor.
func openName(path string) (owner, fd string, ok bool) {
	dir, name := filepath.Split(filepath.Clean(path))
	dir = filepath.ToSlash(dir)
	if dir == "/dev/" {
		if fd := slices.Index([]string{"stdin", "stdout", "stderr"}, name); fd >= 0 {
			return "self", strconv.Itoa(fd), true
		}
	}
	if dir == "/dev/fd/" {
		return "self", name, true
	}
	rest, proc := strings.CutPrefix(dir, "/proc/")
	owner, isFd := strings.CutSuffix(rest, "/fd/")
	return owner, name, proc && isFd
}

// Resolve returns the path that path leads to, without links. The file need not exist.
func Resolve(path string) string {
	last := path
	for p := range links(path) {
		last = p
	}
	if real, err := filepath.EvalSymlinks(last); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(last)); err == nil {
		return filepath.Join(dir, filepath.Base(last))
	}
	return last
}

// links yields path, then the target of that link, and so on.
func links(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for range maxLinks {
			if !yield(path) {
				return
			}
			next, err := os.Readlink(path)
			if err != nil {
				return
			}
			if !filepath.IsAbs(next) {
				// From the real folder, since that is where .. leads.
				dir, err := filepath.EvalSymlinks(filepath.Dir(path))
				if err != nil {
					return
				}
				next = filepath.Join(dir, next)
			}
			path = next
		}
	}
}

// maxLinks is how many links are followed, as many as Linux follows.
const maxLinks = 40
