package targets

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/mux"
)

// Done is a set of targets that need not be asked again because they have a record
// already: addresses with their port, and host names with theirs. An IPv4 address
// takes 7 bytes. The zero Done is empty and ready to use. Fill it before it is given
// to a List; it is not safe for concurrent use.
type Done struct {
	addrs seen
	names map[string]struct{} // name:port in lower case
	count uint64
}

// Add adds the target of a record, which has address ap (the zero AddrPort if the
// name did not resolve) and was written as input. A host name counts by its name,
// every other target by its address.
func (d *Done) Add(ap netip.AddrPort, input string) {
	var e entry
	if input != "" && e.parseWord(input) == nil && e.host != "" {
		port := ap.Port()
		if e.ports.Len() == 1 {
			port = e.ports.At(0)
		}
		d.addName(nameAndPort(strings.ToLower(e.host), port))
		return
	}
	d.AddAddr(ap)
}

// AddAddr adds an address and port. The zero AddrPort adds nothing.
func (d *Done) AddAddr(ap netip.AddrPort) {
	if !ap.Addr().IsValid() {
		return
	}
	k := mux.KeyFrom(ap)
	if ap.Addr().Zone() != "" {
		k.Scope, _ = scopeOf(ap.Addr()) // an interface that is gone matches nothing
	}
	if d.addrs.add(k) {
		d.count++
	}
}

// AddName adds a host name with its port, as the input of its record: host:port.
func (d *Done) AddName(input string) { d.addName(strings.ToLower(input)) }

func (d *Done) addName(name string) {
	if d.names == nil {
		d.names = make(map[string]struct{})
	}
	if _, old := d.names[name]; !old {
		d.names[name] = struct{}{}
		d.count++
	}
}

// Len returns the number of targets in the set.
func (d *Done) Len() uint64 { return d.count }

// has reports whether an address and port is in the set. A nil Done is empty.
func (d *Done) has(k mux.Key) bool { return d != nil && d.count > 0 && d.addrs.has(k) }

// hasName reports whether a name, in lower case, is in the set with that port.
func (d *Done) hasName(name string, port uint16) bool {
	if d == nil || len(d.names) == 0 {
		return false
	}
	_, ok := d.names[nameAndPort(name, port)]
	return ok
}

func nameAndPort(name string, port uint16) string {
	return name + ":" + strconv.FormatUint(uint64(port), 10)
}
