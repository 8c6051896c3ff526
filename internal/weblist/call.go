package weblist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// attempts bounds how often a request is repeated that failed for the time being.
	attempts = 5

	// patience is how long a server may send nothing.
	patience = 30 * time.Second

	// slow is when a user learns that a server lets us wait.
	slow = 10 * time.Second

	// longestWait is the longest Retry-After that is waited for.
	longestWait = 15 * time.Minute
)

// A StatusError is a response that ends the fetching of a list.
type StatusError struct {
	Code int
	// RetryAfter is how long the server asks to wait, if that is too long.
	RetryAfter time.Duration
}

// Error returns the status in words.
func (e *StatusError) Error() string {
	text := http.StatusText(e.Code)
	if text != "" {
		text = " " + text
	}
	if e.RetryAfter > 0 {
		return fmt.Sprintf("HTTP status %d%s: wait %s", e.Code, text, e.RetryAfter)
	}
	return fmt.Sprintf("HTTP status %d%s", e.Code, text)
}

// errTemporary is what a request may be repeated for.
type errTemporary struct {
	reason string
	code   int           // HTTP status, or 0
	after  time.Duration // that the server asks to wait, 0: it does not say
}

func (e *errTemporary) Error() string { return e.reason }

// A caller makes requests: at its pace, and again if they fail for the time being.
type caller struct {
	client    *http.Client
	header    http.Header
	maxCalls  int
	perMinute int // 0: no limit
	note      func(string)
	detail    func(string)

	calls int
	sent  []time.Time // of the last minute
}

// errMaxCalls ends the fetching when no more calls are allowed.
var errMaxCalls = errors.New("the limit of calls is reached")

func newCaller(transport http.RoundTripper) *caller {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = patience
		transport = t
	}
	return &caller{
		client: &http.Client{
			Transport: transport,
			// The key is a header that would go along to whatever host is named.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		header: http.Header{"User-Agent": {"a2scan"}},
	}
}

// get requests u and has read read the body, up to attempts further times. name is what
// messages call the request: they never contain u or what the server wrote. The error
// is ctx's, errMaxCalls, a *StatusError, *errTemporary after the last attempt, or read's.
func (c *caller) get(ctx context.Context, name string, u *url.URL, read func(io.Reader) error) error {
	for attempt := 0; ; attempt++ {
		if err := c.pace(ctx); err != nil {
			return err
		}
		err := c.once(ctx, name, u, read)
		var temporary *errTemporary
		if !errors.As(err, &temporary) || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if attempt == attempts || c.maxCalls > 0 && c.calls >= c.maxCalls {
			return err
		}
		wait := time.Second << attempt
		if temporary.code == http.StatusTooManyRequests {
			wait *= 2
		}
		if temporary.after > 0 {
			wait = temporary.after
		}
		c.note(fmt.Sprintf("%s: %s; the next attempt is in %s", name, temporary.reason, wait))
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// pace waits until another call is due.
func (c *caller) pace(ctx context.Context) error {
	if c.maxCalls > 0 && c.calls >= c.maxCalls {
		return errMaxCalls
	}
	c.calls++
	if c.perMinute <= 0 {
		return ctx.Err()
	}
	if len(c.sent) == c.perMinute {
		wait := time.Until(c.sent[0].Add(time.Minute + time.Second)) // requests overtake each other
		c.sent = c.sent[1:]
		if wait > 0 {
			c.detail(fmt.Sprintf("waiting %s: %d calls per minute", wait.Round(time.Second), c.perMinute))
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
	}
	c.sent = append(c.sent, time.Now())
	return ctx.Err()
}

// once makes one request.
func (c *caller) once(ctx context.Context, name string, u *url.URL, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(patience, func() { cancel(errSilent) })
	defer silent.Stop()
	waiting := time.AfterFunc(slow, func() { c.note(fmt.Sprintf("%s: no answer for %s; still waiting", name, slow)) })
	defer waiting.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return errors.New("the URL cannot be requested")
	}
	request.Header = c.header.Clone()
	response, err := c.client.Do(request)
	if err != nil {
		return &errTemporary{reason: reasonOf(ctx, err)}
	}
	defer response.Body.Close()
	waiting.Stop()
	if response.StatusCode != http.StatusOK {
		return statusError(response)
	}
	body := &pulse{r: response.Body, timer: silent}
	err = read(body)
	var temporary *errTemporary
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errSilent):
		return &errTemporary{reason: errSilent.Error()}
	case body.err != nil && !errors.Is(body.err, io.EOF):
		return &errTemporary{reason: "the answer was cut off: " + reasonOf(ctx, body.err)}
	case errors.As(err, &temporary):
		return temporary
	}
	return err
}

var errSilent = fmt.Errorf("nothing came for %s", patience)

// reasonOf returns why a request failed, without its URL.
func reasonOf(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return cause.Error()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err.Error()
}

// statusError returns the error of a response that is not 200.
func statusError(r *http.Response) error {
	after := retryAfter(r.Header.Get("Retry-After"), time.Now())
	switch {
	case r.StatusCode != http.StatusTooManyRequests && r.StatusCode < 500:
		return &StatusError{Code: r.StatusCode}
	case after > longestWait:
		return &StatusError{Code: r.StatusCode, RetryAfter: after}
	}
	return &errTemporary{reason: (&StatusError{Code: r.StatusCode}).Error(), code: r.StatusCode, after: after}
}

// retryAfter reads a Retry-After header: seconds or a date. 0: there is none.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return max(time.Duration(n)*time.Second, time.Millisecond)
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(t.Sub(now), time.Millisecond)
	}
	return 0
}

// A pulse is a body whose reads show that its server lives.
type pulse struct {
	r     io.Reader
	timer *time.Timer
	err   error
}

func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil {
		p.err = err
	}
	if n > 0 {
		p.timer.Reset(patience)
	}
	return n, err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
