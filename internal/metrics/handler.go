package metrics

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A Handler serves /metrics and /healthz. Its zero value serves an empty page until the
// first call of Publish. Any goroutine may use it.
type Handler struct {
	// Now returns the present time; nil means time.Now.
	Now func() time.Time

	mu      sync.RWMutex
	text    []byte
	healthy time.Time // until then a round must end; zero: none has begun
}

// Publish makes text the answer of /metrics. Unless the next call comes before healthy,
// /healthz says that the watch hangs. The zero time means that no round has begun yet.
func (h *Handler) Publish(text []byte, healthy time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text, h.healthy = text, healthy
}

// ServeHTTP answers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET is answered", http.StatusMethodNotAllowed)
		return
	}
	h.mu.RLock()
	text, healthy := h.text, h.healthy
	h.mu.RUnlock()
	switch r.URL.Path {
	case "/metrics":
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(text)
	case "/healthz":
		if healthy.IsZero() {
			_, _ = w.Write([]byte("reading the targets\n"))
			return
		}
		now := time.Now
		if h.Now != nil {
			now = h.Now
		}
		if late := now().Sub(healthy); late > 0 {
			http.Error(w, fmt.Sprintf("the round that runs should have ended %v ago", late.Round(time.Second)), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("rounds end in time\n"))
	case "/":
		_, _ = w.Write([]byte("a2scan watch\n\n/metrics  for Prometheus\n/healthz  200 while rounds end in time\n"))
	default:
		http.NotFound(w, r)
	}
}
