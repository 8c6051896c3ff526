package scanner

import (
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/scanner/targets"
)

// twins holds targets whose address and port is in flight for another target: two
// names of one server, say. Duplicates in the input are removed before, so they
// are few. Each waits for the one before it to end, and has a conversation and a
// record of its own.
type twins struct {
	behind  map[mux.Key][]targets.Target
	due     []targets.Target // those whose turn has come
	waiting int              // in behind
}

// add lets t wait for the target in flight that has its address and port.
func (w *twins) add(t *targets.Target) {
	if w.behind == nil {
		w.behind = map[mux.Key][]targets.Target{}
	}
	w.behind[t.Key] = append(w.behind[t.Key], *t)
	w.waiting++
}

// release says that no target of that address and port is in flight any more.
func (w *twins) release(k mux.Key) {
	if w.waiting == 0 {
		return
	}
	list := w.behind[k]
	if len(list) == 0 {
		return
	}
	w.due = append(w.due, list[0])
	w.waiting--
	if list[0] = (targets.Target{}); len(list) == 1 {
		delete(w.behind, k)
	} else {
		w.behind[k] = list[1:]
	}
}

// none reports whether nobody waits.
func (w *twins) none() bool { return w.waiting == 0 && len(w.due) == 0 }
