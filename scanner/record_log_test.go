package scanner

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// A recordLog is a Sink that parses and keeps what is written.
type recordLog struct {
	t testing.TB

	mu     sync.Mutex
	list   []output.Record
	writes int
	syncs  int
	closed int
	fail   error                // WriteLines returns it, if set
	hold   func(p []byte) error // called before lines are taken; may block
}

func newRecordLog(t testing.TB) *recordLog { return &recordLog{t: t} }

// add parses lines, which must be whole, and returns all records so far.
func (l *recordLog) add(lines []byte) []output.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(lines) {
		var r output.Record
		if err := output.Unmarshal(line, &r); err != nil || line[len(line)-1] != '\n' {
			l.t.Errorf("not a line: %v: %s", err, line)
			continue
		}
		requireCoherent(l.t, &r)
		l.list = append(l.list, r)
	}
	return l.list
}

// stick lets the first WriteLines take as long as d.
func (l *recordLog) stick(d time.Duration) {
	var once sync.Once
	l.hold = func([]byte) error {
		once.Do(func() { time.Sleep(d) })
		return nil
	}
}

func (l *recordLog) WriteLines(p []byte) error {
	if l.hold != nil {
		if err := l.hold(p); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.writes++
	err := l.fail
	l.mu.Unlock()
	if err == nil {
		l.add(p)
	}
	return err
}

func (l *recordLog) Sync() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.syncs++
	return int64(len(l.list)), l.fail
}

func (l *recordLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed++
	return nil
}

// records returns what was written so far.
func (l *recordLog) records() []output.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[:len(l.list):len(l.list)]
}

// statuses counts the records so far by status, and checks that no target has two.
func (l *recordLog) statuses() map[output.Status]int {
	seen := map[uint64]bool{}
	n := map[output.Status]int{}
	for _, r := range l.records() {
		require.False(l.t, seen[r.Seq], "target %d has two records", r.Seq)
		seen[r.Seq] = true
		n[r.Status]++
	}
	return n
}
