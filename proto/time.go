package proto

import "time"

// A Time is an instant on the caller's monotonic clock: nanoseconds since an epoch of the
// caller's choice. It takes a third of a [time.Time] and has no pointer, as a million
// deadlines need. The package never reads a clock; every method that depends on time takes
// now.
type Time int64

// Add returns the instant d after t.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns the time that passed from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }
