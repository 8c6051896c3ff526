package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// What takes minutes looks first whether it will be able to write down what came of it.
// What is there stays as it is until then, and nothing new is left behind.

// checkCreate returns why a file could not be written under name. What is neither a file
// nor a folder, a pipe say, is not opened: that may wait for its reader, or be all that
// it waits for.
func checkCreate(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		if f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666); err == nil {
			return errors.Join(f.Close(), os.Remove(resolve(name))) // name may be a link to it
		}
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// checkFolder returns why files could not be written into the folder name, which may have
// to be made first.
func checkFolder(name string) error {
	for dir := filepath.Clean(name); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir):
			continue // it is made in the one above
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is not a folder", clean(dir))
		}
		f, err := os.CreateTemp(dir, ".a2scan-*")
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
}
