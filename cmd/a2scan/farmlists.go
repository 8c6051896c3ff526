package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
)

// farmLists are the flags of the master server and the Web API that a farm simulates.
type farmLists struct {
	master int
	api    int
	listed int
	most   int
	shape  string
}

// masterShapes are the habits of simulated masters.
var masterShapes = []string{"pages", "datagrams", "single", "stray", "ignore-seed", "ignore-filter", "loop", "silent", "stops", "text", "xash"}

func (o *farmLists) register(fs *flagSet) {
	o.listed, o.shape = demoServers, masterShapes[0]
	fs.group("Lists of the farm's servers", func() {
		fs.count(&o.master, "master", "", "PORT", "simulate a master server on this UDP port")
		fs.count(&o.api, "steam-api", "", "PORT", "simulate the Steam Web API on this TCP port; any key will do")
		fs.count(&o.listed, "listed", "", "N", "list the first N servers, from "+demoFirst+" on")
		fs.count(&o.most, "list-cap", "", "N", "return at most N servers per filter (default 10,000 for the API, all for the master)")
		fs.choice(&o.shape, "master-shape", "", "WORD", "habit of the master: pages, datagrams, single, stray, ignore-seed, ignore-filter, loop, silent, stops, text or xash", masterShapes...)
	})
}

func (o *farmLists) validate() error {
	if o.master > 65535 || o.api > 65535 {
		return errors.New("--master and --steam-api are ports, 1 to 65535")
	}
	return nil
}

// A directory lists the servers of a farm until it is closed.
type directory struct {
	master, api netip.AddrPort // not valid: none
	conn        net.PacketConn
	server      *http.Server
}

// openDirectory starts what lists the servers of f.
func openDirectory(o *farmOptions, f *farm.Farm, freeAPI bool) (*directory, error) {
	d := &directory{}
	if o.lists.master == 0 && o.lists.api == 0 && !freeAPI {
		return d, nil
	}
	host := netip.MustParseAddr("127.0.0.1")
	if !f.Listen().Contains(host) {
		host = f.Listen().Addr()
	}
	servers := farm.ListWorld(&o.world, listedPlaces(f, o.lists.listed))
	if o.lists.master > 0 {
		conn, err := net.ListenPacket("udp", net.JoinHostPort(host.String(), strconv.Itoa(o.lists.master)))
		if err != nil {
			return nil, fmt.Errorf("cannot simulate a master server: %w", err)
		}
		d.conn = conn
		d.master = conn.LocalAddr().(*net.UDPAddr).AddrPort()
		m := o.lists.newMaster(servers)
		m.Seed, m.Loss, m.Double = o.world.Seed, o.world.Shares.Loss, o.world.Shares.Duplicate
		go func() { _ = farm.ServeMaster(conn, m) }()
	}
	if o.lists.api > 0 || freeAPI {
		l, err := net.Listen("tcp", net.JoinHostPort(host.String(), strconv.Itoa(o.lists.api)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot simulate the Web API: %w", err), d.Close())
		}
		d.api = l.Addr().(*net.TCPAddr).AddrPort()
		d.server = &http.Server{Handler: &farm.API{Servers: servers, Cap: o.lists.most}, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = d.server.Serve(l) }()
	}
	return d, nil
}

// newMaster returns the master of the flags.
func (o *farmLists) newMaster(servers []farm.Listed) *farm.Master {
	m := &farm.Master{Servers: servers, Cap: o.most}
	switch o.shape {
	case "datagrams":
		m.Datagrams = 510
	case "single":
		m.PageEntries, m.IgnoreFilter = 10_000, true
	case "stray":
		m.PageEntries, m.Stray = 340, 4
	case "ignore-seed":
		m.IgnoreSeed = true
	case "ignore-filter":
		m.IgnoreFilter = true
	case "loop":
		m.Loop = true
	case "silent":
		m.Silent = true
	case "stops":
		m.SilentAfter = 1
	case "text":
		m.Noise = true
	case "xash":
		m.Xash, m.Datagrams = true, 510
	}
	return m
}

// listedPlaces returns the first n places of f, from demoFirst on if f serves that.
func listedPlaces(f *farm.Farm, n int) []netip.AddrPort {
	first := netip.MustParseAddr(demoFirst)
	if !f.Listen().Contains(first) {
		first = f.Listen().Addr()
	}
	ports := f.Ports()
	var list []netip.AddrPort
	for a := first; f.Listen().Contains(a); a = a.Next() {
		for _, p := range ports {
			if len(list) == n {
				return list
			}
			list = append(list, netip.AddrPortFrom(a, p))
		}
	}
	return list
}

// String names what lists the servers, for a message; "" if nothing does.
func (d *directory) String() string {
	switch {
	case d.master.IsValid() && d.api.IsValid():
		return fmt.Sprintf("master server %s, Web API http://%s", d.master, d.api)
	case d.master.IsValid():
		return "master server " + d.master.String()
	case d.api.IsValid():
		return "Web API http://" + d.api.String()
	}
	return ""
}

// Close ends the listing.
func (d *directory) Close() error {
	var errs []error
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	return errors.Join(errs...)
}
