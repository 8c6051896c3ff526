package main

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// stuckWriter takes nothing until it is released.
type stuckWriter struct {
	released chan struct{}
	bytes.Buffer
}

func (w *stuckWriter) Write(b []byte) (int, error) {
	<-w.released
	return w.Buffer.Write(b)
}

// Writes come out whole and in order.
func TestOutletWrites(t *testing.T) { synctest.Test(t, testOutletWrites) }

func testOutletWrites(t *testing.T) {
	var b bytes.Buffer
	o := newOutlet(&b)
	var want string
	line := []byte("x")
	for i := range 100 {
		line = fmt.Appendf(line[:0], "%d\n", i)
		n, err := o.Write(line)
		require.NoError(t, err)
		require.Equal(t, len(line), n)
		want += string(line)
		if i == 50 {
			o.giveUp() // the reader reads, so nothing is lost
			o.giveUp()
		}
	}
	require.Equal(t, want, b.String())

	var all sync.WaitGroup
	b.Reset()
	o = newOutlet(&b)
	for range 50 {
		all.Go(func() { o.Write([]byte("whole\n")) })
	}
	all.Wait()
	require.Equal(t, 50, bytes.Count(b.Bytes(), []byte("whole\n")))
}

// After giveUp no write waits for long.
func TestOutletGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{released: make(chan struct{})}
		o := newOutlet(w)
		began := time.Now()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				_, err := o.Write([]byte("x"))
				require.ErrorIs(t, err, errStalled)
			})
		}
		time.AfterFunc(time.Minute, o.giveUp)
		all.Wait()
		_, err := o.Write([]byte("x"))
		require.ErrorIs(t, err, errStalled)
		require.Less(t, time.Since(began), time.Minute+time.Second)
		close(w.released)
		synctest.Wait()
		require.Equal(t, "x", w.String())
	})
}
