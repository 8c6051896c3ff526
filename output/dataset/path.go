package dataset

import (
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// IsOpenName reports whether path, itself or by a link, is a name for what some process has
// open, such as /dev/fd/3: a file behind it is not ours to empty, cut or replace, and others
// don't stand beside it.
func IsOpenName(path string) bool {
	for p := range links(path) {
		dir, name := filepath.Split(filepath.Clean(p))
		switch dir = filepath.ToSlash(dir); {
		case dir == "/dev/" && (name == "stdin" || name == "stdout" || name == "stderr"), dir == "/dev/fd/",
			strings.HasPrefix(dir, "/proc/") && strings.HasSuffix(dir, "/fd/"):
			return true
		}
	}
	return false
}

// isDirect reports whether path is written to as it is: it has an open name, or is no
// regular file.
func isDirect(path string) bool {
	if IsOpenName(path) {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular()
}

// Resolve returns the path without links that path leads to, whether something is there
// or not, as far as it exists.
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

// links yields path, and if that is a link where it leads, and so on to what is none.
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
				// From the folder itself: .. of a link is not where the link stands.
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

// maxLinks is how many links are followed, as many as Linux does.
const maxLinks = 40
