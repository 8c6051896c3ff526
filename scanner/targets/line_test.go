package targets

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// String returns e in a canonical form, for tests: what parseLine makes of it is e
// again, but for word.
func (e *entry) String() string {
	var b strings.Builder
	a, z := e.iv.first, e.iv.last
	switch {
	case e.host != "":
		b.WriteString(e.host)
	case e.expands && a.is4():
		fmt.Fprintf(&b, "%v-%v", a, z)
	case e.expands:
		fmt.Fprintf(&b, "[%v]-[%v]", a, z)
	case e.scope != 0:
		fmt.Fprintf(&b, "[%v%%%d]", a, e.scope)
	case a.is4():
		b.WriteString(a.String())
	default:
		fmt.Fprintf(&b, "[%v]", a)
	}
	if e.ports.Len() > 0 {
		b.WriteString(":" + e.ports.String())
	}
	if e.tag != "" {
		b.WriteString(" " + e.tag)
	}
	return b.String()
}

func TestParseLine(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"192.0.2.1:27015", "192.0.2.1:27015"},
		{"192.0.2.1", "192.0.2.1"},
		{"  192.0.2.1:27015\t", "192.0.2.1:27015"},
		{"192.0.2.1:27015\r", "192.0.2.1:27015"},
		{"192.0.2.1:27015 eu", "192.0.2.1:27015 eu"},
		{"192.0.2.1:27015 \t eu\r", "192.0.2.1:27015 eu"},
		{"192.0.2.1:27015 # Frankfurt, two of them", "192.0.2.1:27015"},
		{"192.0.2.1:27015 ;Frankfurt", "192.0.2.1:27015"},
		{"192.0.2.1:27015 eu # Frankfurt", "192.0.2.1:27015 eu"},
		{"192.0.2.1:27015,27020-27030", "192.0.2.1:27015,27020-27030"},
		{"192.0.2.1:27015,27015,27014-27016", "192.0.2.1:27015,27014,27016"},
		{"192.0.2.1:1-65535", "192.0.2.1:1-65535"},
		{"192.0.2.1:00080", "192.0.2.1:80"},

		{"192.0.2.0/24", "192.0.2.0-192.0.2.255"},
		{"192.0.2.77/24:27015,27016", "192.0.2.0-192.0.2.255:27015-27016"},
		{"192.0.2.1/32", "192.0.2.1-192.0.2.1"},
		{"192.0.2.1/31:1", "192.0.2.0-192.0.2.1:1"},
		{"0.0.0.0/0", "0.0.0.0-255.255.255.255"},
		{"255.255.255.255/32", "255.255.255.255-255.255.255.255"},
		{"192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"},
		{"192.0.2.1-192.0.2.9:27015-27017", "192.0.2.1-192.0.2.9:27015-27017"},
		{"192.0.2.9-192.0.2.9:5", "192.0.2.9-192.0.2.9:5"},

		{"2001:db8::1", "[2001:db8::1]"},
		{"[2001:db8::1]", "[2001:db8::1]"},
		{"[2001:DB8:0::1]:27015 eu", "[2001:db8::1]:27015 eu"},
		{"2001:db8::1:2701", "[2001:db8::1:2701]"}, // an address: ports need brackets
		{"2001:db8::/126", "[2001:db8::]-[2001:db8::3]"},
		{"2001:db8::/126:27015", "[2001:db8::]-[2001:db8::3]:27015"},
		{"[2001:db8::]/126:27015", "[2001:db8::]-[2001:db8::3]:27015"},
		{"[2001:db8::/126]:27015", "[2001:db8::]-[2001:db8::3]:27015"},
		{"2001:db8::1-2001:db8::3", "[2001:db8::1]-[2001:db8::3]"},
		{"[2001:db8::1]-[2001:db8::3]:27015", "[2001:db8::1]-[2001:db8::3]:27015"},
		{"[2001:db8::1-2001:db8::3]:27015", "[2001:db8::1]-[2001:db8::3]:27015"},
		{"::/0", "[::]-[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"},
		{"[fe80::1%7]:27015", "[fe80::1%7]:27015"},
		{"fe80::1%7", "[fe80::1%7]"},
		{"[::1%7]:27015", "[::1]:27015"}, // a zone means something to link-local addresses alone
		{"2001:db8::1%7", "[2001:db8::1]"},

		// IPv4 in disguise is IPv4.
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"[::ffff:192.0.2.1]:27015", "192.0.2.1:27015"},
		{"::ffff:192.0.2.0/127", "192.0.2.0-192.0.2.1"},
		{"::ffff:192.0.2.0-192.0.2.1", "192.0.2.0-192.0.2.1"},

		{"gs1.example.net:27015", "gs1.example.net:27015"},
		{"GS1.Example.NET.", "GS1.Example.NET."},
		{"localhost", "localhost"},
		{"my-host-2.example.net:1-3 eu", "my-host-2.example.net:1-3 eu"},
		{"192.0.2.1 2fort", "192.0.2.1 2fort"}, // tags that begin as a port does
		{"192.0.2.1 70000", "192.0.2.1 70000"},
		{"192.0.2.1 eu:1", "192.0.2.1 eu:1"},
		{"192.0.2.1 a.example", "192.0.2.1 a.example"},
		{"steam://connect/192.0.2.1:27015", "192.0.2.1:27015"},
		{"Steam://Connect/192.0.2.1:27015/password eu", "192.0.2.1:27015 eu"},
		{"open udp 27015 192.0.2.1 1600000000", "192.0.2.1:27015"},
		{"banner udp 27015 2001:db8::1 1600000000 source x y z", "[2001:db8::1]:27015"},
		{"open.example udp", "open.example udp"},
		{"open udp", "open udp"},
		{"::ffff:0:0/97", "0.0.0.0-127.255.255.255"},
		{"::fffe:0:0/95", "[::fffe:0:0]-[255.255.255.255]"},
		{"1-2-3-4.example.net", "1-2-3-4.example.net"},
		{"1.2.3.4.example", "1.2.3.4.example"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},

		{`{"ip":"192.0.2.1","port":27015}`, "192.0.2.1:27015"},
		{` {"ip" : "192.0.2.1" , "port" : "27015" } `, "192.0.2.1:27015"},
		{`{"port":"27015-27017","ip":"192.0.2.1"}`, "192.0.2.1:27015-27017"},
		{`{"ip":"192.0.2.1"}`, "192.0.2.1"},
		{`{"ip":"192.0.2.1","port":27015.0}`, "192.0.2.1:27015"},
		{`{"ip":"192.0.2.1","port":null}`, "192.0.2.1"},
		{`{"ip":"192.0.2.1","port":27015,"tag":"eu"}`, "192.0.2.1:27015 eu"},
		{`{"ip":"192.0.2.1","port":27015,"tag":null}`, "192.0.2.1:27015"},
		{`{"ip":"192.0.2.1","port":27015,"tag":["eu"]}`, "192.0.2.1:27015"},
		{`{"ip":"2001:db8::1","port":27015}`, "[2001:db8::1]:27015"},
		{`{"ip":"[2001:db8::1]","port":27015}`, "[2001:db8::1]:27015"},
		{`{"ip":"2001:db8::/126","port":27015}`, "[2001:db8::]-[2001:db8::3]:27015"},
		{`{"ip":"gs1.example.net","port":27015}`, "gs1.example.net:27015"},
		{`{"addr":"192.0.2.1:28015","gameport":28016,"steamid":"9028","appid":252490,"secure":true}`, "192.0.2.1:28015"},
		{`{"addr":"192.0.2.1","port":5}`, "192.0.2.1:5"},
		{`{"addr":"192.0.2.1:6","port":5}`, "192.0.2.1:6"},
		{`{"saddr":"192.0.2.1","sport":27015,"ttl":55}`, "192.0.2.1:27015"},
		{`{"saddr":"192.0.2.1","sport":"27015","port":9}`, "192.0.2.1:27015"},
		{`{"schema":1,"seq":17,"ip":"192.0.2.1","port":27015,"input":"gs1.example.net:1","tag":"eu","info":{"ip":"no","address":"}\"{"},"raw":[{"dir":"rx"}]}`, "192.0.2.1:27015 eu"},
		{`{"schema":1,"ip":null,"port":null,"input":"gs1.example.net:27016","tag":"eu"}`, "gs1.example.net:27016 eu"},
		{`{"\u0069p":"192.0.2.1","port":27015}`, "192.0.2.1:27015"},
		{`{"ip":"no","ip":"192.0.2.1"}`, "192.0.2.1"},
	} {
		e, ok, err := parseLine(test.line)
		require.NoError(t, err, test.line)
		require.True(t, ok, test.line)
		require.Equal(t, test.want, e.String(), test.line)
	}
	for _, line := range []string{"", " ", "\t\r", "#", "# 192.0.2.1", "; 192.0.2.1", "  #x", "#\x00"} {
		_, ok, err := parseLine(line)
		require.NoError(t, err, "%q", line)
		require.False(t, ok, "%q", line)
	}
}

func TestParseLineSaysWhatIsWrong(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"10.0.0.0/33", `"10.0.0.0/33" is not a prefix; write ADDRESS/BITS, with up to 32 bits for IPv4 and 128 for IPv6`},
		{"10.0.0.0/33:27015", `"10.0.0.0/33" is not a prefix`},
		{"10.0.0.0/", `"10.0.0.0/" is not a prefix`},
		{"10.0.0.0/-1", `"10.0.0.0/-1" is not a prefix`},
		{"10.0.0.0/024", `"10.0.0.0/024" is not a prefix`},
		{"::/129", `"::/129" is not a prefix`},
		{"steam://connect/", `is not a`},
		{"steam://run/440", `is not a`},
		{"http://10.0.0.1:27015", `is not a`},
		{"my_host.example", `neither an address nor a host name`},
		{"a.0x1f", `is not an address`},
		{"127.0.0.1 27016", `the second word, "27016", is a port and not a tag; write "127.0.0.1:27016"`},
		{"127.0.0.1\t27016-27018,9", `write "127.0.0.1:27016-27018,9"`},
		{"::1 :27016 # x", `write "[::1]:27016"`},
		{"gs1.example.net 27016", `write "gs1.example.net:27016"`},
		{"127.0.0.1:27015 27016", `the second word, "27016", is a port and not a tag; write one target per line, as ADDRESS:PORT`},
		{"127.0.0.3 127.0.0.4", `the second word, "127.0.0.4", is an address and not a tag; write one target per line`},
		{"127.0.0.3:1 127.0.0.4:1", `is an address and not a tag`},
		{"127.0.0.3 10.0.0.0/8", `is an address and not a tag`},
		{"127.0.0.3 10.0.0.1-10.0.0.2:5", `is an address and not a tag`},
		{"127.0.0.3 [::1]:5", `is an address and not a tag`},
		{"127.0.0.3 ::1", `is an address and not a tag`},
		{"127.0.0.3 gs1.example.net:27015", `is an address and not a tag`},
		{"::ffff:0:0/96", `is the IPv6 form of all IPv4 addresses; write 0.0.0.0/0`},
		{"::ffff:0.0.0.0-::ffff:255.255.255.255", `is the IPv6 form of all IPv4 addresses`},
		{"open udp 70000 10.0.0.1 1600000000", `is not a port`},
		{`{"ip":"10.0.0.1","ports":[7]}`, `"ports" is not a list`},
		{"fe80::1%no-such-interface", `there is no network interface "no-such-interface"`},
		{"2001:db8::1:27015", `"2001:db8::1:27015" has too many colons; write HOST:PORT, or [IPV6]:PORT`},
		{"10.0.0.9-10.0.0.1", `"10.0.0.9-10.0.0.1" ends before it begins`},
		{"10.0.0.1-9", `"10.0.0.1-9" is not a range; write both ends whole`},
		{"10.0.0.1-2001:db8::1", `is not a range`},
		{"10.0.0.1-", `is not a range`},
		{"10.0.0.1:0", `"0" is not a port; use 1 to 65535`},
		{"10.0.0.1:70000", `"70000" is not a port; use 1 to 65535`},
		{"10.0.0.1:65536", `"65536" is not a port`},
		{"10.0.0.1:-1", `there is no port behind the last colon`},
		{"10.0.0.1:+1", `"+1" is not a port`},
		{"10.0.0.1:", `there is no port behind the last colon`},
		{"10.0.0.1:1,", `there is no port`},
		{"10.0.0.1:3-1", `port range "3-1" ends before it begins`},
		{"10.0.0.1:1-2-3", `"2-3" is not a port`},
		{"10.0.0.1:x", `"x" is not a port`},
		{"host:27015:x", `"host:27015:x" has too many colons; write HOST:PORT, or [IPV6]:PORT`},
		{":27015", `":27015" names no address and no host`},
		{":", `no port behind the last colon`},
		{"[2001:db8::1", `brackets are for those alone`},
		{"[2001:db8::1]2", `brackets are for those alone`},
		{"[2001:db8::1]:", `there is no port`},
		{"[2001:db8::1]:80:90", `"80:90" is not a port`},
		{"[host]:27015", `"[host]:27015" is not an IPv6 address`},
		{"[]", `names no address and no host`},
		{"[", `is not an IPv6 address`},
		{"]", `is neither an address nor a host name`},
		{"[/", `"[/" is not a prefix`},                               // fuzz 2026-11-26: a panic
		{"[2001:db8::5/120:9", `"[2001:db8::5/120" is not a prefix`}, // it was read as 2001:db8::/120
		{"256.1.1.1", `"256.1.1.1" is not an address`},
		{"1.2.3", `"1.2.3" is not an address`},
		{"010.0.0.1:27015", `"010.0.0.1" is not an address; write IPv4 as four numbers up to 255 without leading zeros`},
		{"12345", `"12345" is not an address`},
		{"-x.example", `neither an address nor a host name`},
		{"a..example", `neither an address nor a host name`},
		{strings.Repeat("a", 64) + ".example", `neither an address nor a host name`},
		{strings.Repeat("a.", 127) + "a", `too long for a host name: 255 bytes`},
		{"bücher.example", `write it in its xn-- form`},
		{"10.0.0.1,27015", `neither an address nor a host name`},
		{"10.0.0.1:27015 eu west", `there is more than a target and a tag, from "west" on`},
		{"10.0.0.1\x00:27015", `the line has a NUL byte`},
		{"1\x000\x00.\x000\x00", `the line has a NUL byte`}, // UTF-16
		{`{"ip":"10.0.0.1"`, `begins like a JSON object but is none`},
		{`{"ip":"10.0.0.1"},`, `begins like a JSON object but is none`},
		{`{}`, `the object has no address`},
		{`{"port":27015}`, `the object has no address`},
		{`{"input":"10.0.0.1:27015"}`, `the object has no address`},
		{`{"ip":17}`, `"ip" is "17", not an address`},
		{`{"ip":""}`, `not an address`},
		{`{"ip":"10.0.0.1","port":0}`, `"0" is not a port`},
		{`{"ip":"10.0.0.1","port":-5}`, `"-5" is not a port`},
		{`{"ip":"10.0.0.1","port":""}`, `"" is not a port`},
		{`{"ip":"10.0.0.1","port":27015.5}`, `"27015.5" is not a port`},
		{`{"ip":"10.0.0.1","port":[1]}`, `"[1]" is not a port`},
		{`{"addr":"10.0.0.1:0"}`, `"0" is not a port`},
		{`{"ip":"10.0.0.1","port":27015.5}`, `"27015.5" is not a port`},
		{"\xff\xfe1", `xn--`},
	} {
		_, ok, err := parseLine(test.line)
		require.ErrorContains(t, err, test.want, "%q", test.line)
		require.False(t, ok)
		require.Less(t, len(err.Error()), 400)
	}
}

func TestParsePlainAgreesWithParseLine(t *testing.T) {
	for _, line := range []string{"1.2.3.4:5", "0.0.0.0:1", "255.255.255.255:65535", "127.0.0.1:27015\r"} {
		a, port, ok := parsePlain([]byte(line))
		require.True(t, ok, line)
		want := netip.MustParseAddrPort(strings.TrimSpace(line))
		require.Equal(t, want, address4(a).key(port).AddrPort())
	}
	for _, line := range []string{"", ".", "1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:05", "1.2.3.4:65536", "1.2.3.4:123456",
		"1.2.3.256:1", "01.2.3.4:1", "1.2.3.1234:1", "1.2.3:1", "1.2.3.4.5:1", "1.2.3.4:1 ", "1.2.3.4:1\r\r", "1.2.3.4:1-2", "x",
		"1.2.3.4:\r"} { // fuzz 2026-11-26: a line end was taken for a port, 0
		_, _, ok := parsePlain([]byte(line))
		require.False(t, ok, line)
	}
}

func FuzzParseLine(f *testing.F) {
	for _, line := range []string{"192.0.2.1:27015 eu", "192.0.2.0/24:1-5", "[2001:db8::1]:27015", "192.0.2.1-192.0.2.9:80,90-95",
		"gs1.example.net:27015 # x", `{"ip":"192.0.2.1","port":27015,"tag":"e u"}`, `{"addr":"[::1]:2"}`, `{"saddr":"1.2.3.4","sport":"9"}`,
		"[fe80::1%7]:9", "::/0", "[a::1]-[a::5]:9", "1\x00", "\xff\xfe", "{\"\\u0069p\":\"1.1.1.1\"}"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, ok, err := parseLine(line)
		if a, port, plain := parsePlain([]byte(line)); plain {
			require.NoError(t, err)
			require.Equal(t, address4(a).key(port).AddrPort().String(), strings.TrimSuffix(line, "\r"))
			require.Equal(t, single(address4(a)), e.iv)
			require.Equal(t, onePort(port), e.ports)
		}
		if err != nil || !ok {
			require.Falsef(t, ok, "%q is both a target and wrong", line)
			return
		}
		require.False(t, e.iv.last.less(e.iv.first))
		if strings.ContainsAny(e.tag, " \t\r\x00") || e.tag != "" && (isComment(e.tag) || checkTag("x", e.tag) != nil) {
			e.tag = "" // only a JSON string can hold these
		}
		text := e.String()
		again, ok, err := parseLine(text)
		require.NoError(t, err, "%q, written as %q", line, text)
		require.True(t, ok)
		again.word, again.source, again.tcp = e.word, e.source, e.tcp
		require.Equal(t, e, again, "%q, written as %q", line, text)
	})
}

// FuzzCutPlain: a plain line is cut off a text exactly if it ends with a line feed and
// parsePlain reads it.
func FuzzCutPlain(f *testing.F) {
	for _, text := range []string{
		"192.0.2.1:27015\n", "192.0.2.1:27015\r\nrest", "192.0.2.1:27015", "192.0.2.1:27015\r", "0.0.0.0:1\n", "255.255.255.255:65535\n",
		"256.0.0.1:1\n", "01.2.3.4:5\n", "1.2.3:4\n", "1.2.3.4:0\n", "1.2.3.4:65536\n", "1.2.3.4:042\n", "1.2.3.4:123456\n", "1.2.3.4 5\n",
		"\n", "", "1..3.4:5\n", ".1.2.3:4\n", "1.2.3.4:\n", "4294967297.2.3.4:5\n", "1.2.3.4:4294967297\n", "1.2.3.4:5\r\r\n", "1.2.3.4:5 \n", "1.2.3.4",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		line, size := cutPlain(text)
		before, _, ended := bytes.Cut(text, []byte{'\n'})
		addr, port, plain := parsePlain(before)
		if plain && ended {
			require.Equal(t, plainLine{addr, port}, line)
			require.Equal(t, len(before)+1, size)
		} else {
			require.Zero(t, size)
		}
	})
}
