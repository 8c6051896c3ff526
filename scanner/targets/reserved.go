package targets

import (
	"strings"

	"github.com/a2scan/a2scan/internal/ipaddr"
)

// unasked holds the reserved prefixes as intervals: prefixes and ranges are cut by
// them before they are expanded.
var unasked = func() *AddrSet {
	var list []string
	for p := range ipaddr.Reserved() {
		list = append(list, p.String())
	}
	s := new(AddrSet)
	if err := s.AddList(strings.Join(list, ",")); err != nil {
		panic(err)
	}
	return s
}()

// unaskedReason returns why a may not be asked, or "" if it may.
func unaskedReason(a address, scope uint32) string {
	if !unasked.contains(a) {
		return ""
	}
	k := a.key(0)
	k.Scope = scope
	if err := ipaddr.CheckUnicast(k.Addr()); err != nil {
		return err.Error()
	}
	return ""
}
