package targets

import "github.com/a2scan/a2scan/mux"

// unasked holds the addresses that mux.Unicast refuses, as intervals: prefixes
// and ranges are cut by them before they are expanded.
var unasked = func() *AddrSet {
	s := new(AddrSet)
	if err := s.AddList("0.0.0.0/8,169.254.0.0/16,224.0.0.0/3,::/128,fe80::/10,ff00::/8"); err != nil {
		panic(err)
	}
	return s
}()

// unaskedReason returns why nobody may be asked at a, or "" where somebody may.
func unaskedReason(a address, scope uint32) string {
	if !unasked.contains(a) {
		return ""
	}
	k := a.key(0)
	k.Scope = scope
	if err := mux.Unicast(k.Addr()); err != nil {
		return err.Error()
	}
	return ""
}
