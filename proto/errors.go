package proto

import (
	"errors"
	"fmt"
)

// Errors that a *DecodeError wraps.
var (
	// ErrShort means the payload ended inside a field.
	ErrShort = errors.New("short payload")
	// ErrType means the payload is not a reply of the kind that was to be decoded.
	ErrType = errors.New("not a reply of this kind")
)

// A DecodeError is the place at which a payload cannot be decoded.
type DecodeError struct {
	Kind   Kind   // the reply that was decoded; NumKinds: no answer to a query
	Field  string // the field at which it failed
	Offset int    // bytes from the type byte
	Err    error  // ErrShort, ErrType, …
}

// Error returns, for example, "info: map: short payload at byte 17".
func (e *DecodeError) Error() string {
	if e.Kind >= NumKinds {
		return fmt.Sprintf("%s: %v at byte %d", e.Field, e.Err, e.Offset)
	}
	return fmt.Sprintf("%s: %s: %v at byte %d", e.Kind, e.Field, e.Err, e.Offset)
}

// Unwrap returns the error beneath.
func (e *DecodeError) Unwrap() error { return e.Err }

// A FragmentsError says that a split reply misses fragments.
type FragmentsError struct {
	Got   int
	Total int // 0 if no fragment contained it
}

// Error returns, for example, "2 of 3 fragments received".
func (e *FragmentsError) Error() string {
	if e.Total == 0 {
		return fmt.Sprintf("no first fragment among the %d received", e.Got)
	}
	return fmt.Sprintf("%d of %d fragments received", e.Got, e.Total)
}
