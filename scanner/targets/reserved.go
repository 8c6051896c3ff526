package targets

// Addresses that are never asked. Go sets SO_BROADCAST on every UDP socket, so
// the kernel would send to most of these without a word.
var reserved = []struct {
	prefix string
	reason string
}{
	{"0.0.0.0/8", "0.0.0.0/8 means this host, not another"},
	{"169.254.0.0/16", "169.254.0.0/16 is link-local; Steam's relays use it for names only"},
	{"224.0.0.0/4", "224.0.0.0/4 is multicast"},
	{"255.255.255.255/32", "255.255.255.255 is broadcast"},
	{"240.0.0.0/4", "240.0.0.0/4 is reserved"},
	{"::/128", ":: means this host, not another"},
	{"ff00::/8", "ff00::/8 is multicast"},
}

var reservedSet = func() *AddrSet {
	s := new(AddrSet)
	for _, r := range reserved {
		if err := s.AddList(r.prefix); err != nil {
			panic(err)
		}
	}
	return s
}()

// reservedReason returns why a is never asked, or "" where it may be.
func reservedReason(a address) string {
	if !reservedSet.contains(a) {
		return ""
	}
	for _, r := range reserved {
		if iv, err := parseInterval(r.prefix); err == nil && iv.contains(a) {
			return r.reason
		}
	}
	return ""
}
