package output

import "time"

// A Timestamp is a time that is written as records write theirs: in UTC, RFC
// 3339, six decimals. The zero time is null.
type Timestamp struct{ time.Time }

// MarshalJSON returns the time in quotes, or null.
func (t Timestamp) MarshalJSON() ([]byte, error) { return appendTime(nil, t.Time), nil }

// UnmarshalJSON takes what MarshalJSON returns.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = Timestamp{}
		return nil
	}
	return t.Time.UnmarshalJSON(b)
}
