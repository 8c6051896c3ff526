//go:build linux && !portable && (amd64 || arm64)

package mux

import (
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A pollfd is struct pollfd of ppoll(2).
type pollfd struct {
	fd              int32
	events, revents int16
}

const (
	pollIn  = 0x1
	pollOut = 0x4
	pollErr = 0x8
)

// A life is a socket's descriptor and an eventfd: it parks the one
// goroutine that waits, wakes it from any other, and closes both when all are
// out.
//
// The descriptors never enter the runtime's netpoller, where each datagram that
// arrives while no goroutine waits for one would cost a wake-up of another thread:
// one or two context switches per packet.
type life struct {
	fds [2]pollfd // socket, eventfd

	// woken is set by Wake and taken by the next park; parked says that the
	// eventfd is being watched. Either side writes its own flag before it reads
	// the other's, so that a Wake is seen by one of them at least.
	woken, parked atomic.Bool

	// users is the number of calls that are using the descriptors, and closed
	// once Close was called. The last one out closes them: never earlier, or a
	// system call could hit a stranger's descriptor of the same number.
	users atomic.Int64
	gone  chan struct{}
}

const lifeClosed = math.MinInt64

// open makes l the owner of socket.
func (l *life) open(socket int) error {
	efd, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return os.NewSyscallError("eventfd2", errno)
	}
	l.fds = [2]pollfd{{fd: int32(socket)}, {fd: int32(efd), events: pollIn}}
	l.gone = make(chan struct{})
	return nil
}

// enter begins a use of the descriptors, which leave must end. It reports false
// after close.
func (l *life) enter() bool {
	for {
		n := l.users.Load()
		if n < 0 {
			return false
		}
		if l.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (l *life) leave() {
	if l.users.Add(-1) == lifeClosed {
		syscall.Close(int(l.fds[0].fd))
		syscall.Close(int(l.fds[1].fd))
		close(l.gone)
	}
}

// isClosed reports whether close was called, to one who is inside.
func (l *life) isClosed() bool { return l.users.Load() < 0 }

// close keeps all others from entering, throws out the one that is parked, and
// returns when the descriptors are closed.
func (l *life) close() {
	for {
		n := l.users.Load()
		if n < 0 {
			break // somebody else was first
		}
		if l.users.CompareAndSwap(n, n+1+lifeClosed) {
			l.ring()
			l.leave()
			break
		}
	}
	<-l.gone
}

// wake makes park return, now or next time. Only a parked loop costs a system
// call.
func (l *life) wake() {
	if l.woken.Swap(true) || !l.parked.Load() || !l.enter() {
		return
	}
	l.ring()
	l.leave()
}

// ring makes the eventfd readable.
func (l *life) ring() {
	one := uint64(1)
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(l.fds[1].fd), uintptr(unsafe.Pointer(&one)), 8)
}

// unring makes the eventfd wait for the next ring.
func (l *life) unring() {
	var count uint64
	syscall.RawSyscall(syscall.SYS_READ, uintptr(l.fds[1].fd), uintptr(unsafe.Pointer(&count)), 8)
}

// nap waits for d, a few milliseconds, or until it is woken, whatever the socket has.
func (l *life) nap(d time.Duration) (woken bool, err error) {
	l.parked.Store(true)
	defer l.parked.Store(false)
	if l.woken.Swap(false) || l.isClosed() {
		return true, nil
	}
	// For each call that blocks, the runtime's monitor wakes up for a millisecond, every
	// 20 µs, to take the P away: several context switches per nap. So the P is held, if
	// there is another.
	call := syscall.Syscall6
	if runtime.GOMAXPROCS(0) > 1 {
		call = syscall.RawSyscall6
	}
	var ts syscall.Timespec
	left := timespec(&ts, d)
	for {
		n, _, errno := call(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&l.fds[1])), 1,
			uintptr(unsafe.Pointer(left)), 0, 0, 0)
		switch {
		case errno == syscall.EINTR: // by the runtime's own signals: *left is the remaining time
			if !l.woken.Load() {
				continue
			}
		case errno != 0:
			return true, os.NewSyscallError("ppoll", errno)
		case n > 0:
			l.unring()
		}
		return l.woken.Swap(false) || l.isClosed(), nil
	}
}

// park waits until the socket has one of the events (or an error, always),
// until it is woken, or for *left, which then says how much was left; nil waits
// for ever. It returns the socket's events and whether the wait is over for
// another reason.
//
// A wait ends about 60 µs late (median, measured 2026-11), 50 of which are the
// thread's timer slack; the runtime's netpoller counts in milliseconds.
func (l *life) park(events int16, left *syscall.Timespec) (revents int16, over bool, err error) {
	l.parked.Store(true)
	defer l.parked.Store(false)
	if l.woken.Swap(false) || l.isClosed() {
		return 0, true, nil
	}
	l.fds[0].events = events
	// Not RawSyscall6: this one is meant to block, and the P is for others to
	// have.
	n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&l.fds)), uintptr(len(l.fds)),
		uintptr(unsafe.Pointer(left)), 0, 0, 0)
	switch {
	case errno == syscall.EINTR: // by the runtime's own signals: *left is the remaining time
		return 0, l.woken.Swap(false), nil
	case errno != 0:
		return 0, true, os.NewSyscallError("ppoll", errno)
	case n == 0:
		return 0, true, nil
	}
	if l.fds[1].revents != 0 {
		l.unring()
		over = true
	}
	if l.woken.Swap(false) {
		over = true
	}
	return l.fds[0].revents, over, nil
}

// timespec makes *ts the time to wait and returns it, or nil for a negative
// one.
func timespec(ts *syscall.Timespec, wait time.Duration) *syscall.Timespec {
	if wait < 0 {
		return nil
	}
	*ts = syscall.NsecToTimespec(int64(wait))
	return ts
}
