package run

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// A Machine describes the machine of a report. Values that the system does not report are
// empty.
type Machine struct {
	OS       string            `json:"os"`
	Arch     string            `json:"arch"`
	Kernel   string            `json:"kernel"`
	CPU      string            `json:"cpu"`
	CPUs     int               `json:"cpus"` // that this program may use
	Memory   int64             `json:"memory_bytes"`
	Virtual  bool              `json:"virtual"` // a guest of a hypervisor
	Go       string            `json:"go"`
	Load     string            `json:"load_before"` // 1, 5 and 15 minutes
	Settings map[string]string `json:"settings"`    // of the kernel, as sysctl names them
}

// settings of the kernel that a scan's speed or completeness depends on.
var settings = []string{
	"net.core.rmem_default", "net.core.rmem_max", "net.core.wmem_default", "net.core.wmem_max",
	"net.core.netdev_max_backlog", "net.ipv4.udp_mem", "net.ipv4.udp_rmem_min",
	"kernel.sched_autogroup_enabled", "vm.overcommit_memory",
}

// Here describes this machine.
func Here() Machine {
	m := Machine{
		OS:       runtime.GOOS,
		Arch:     runtime.GOARCH,
		CPUs:     runtime.GOMAXPROCS(0),
		Go:       runtime.Version(),
		Kernel:   firstLine("/proc/sys/kernel/osrelease"),
		Settings: map[string]string{},
	}
	for key, value := range colonPairs("/proc/cpuinfo") {
		switch key {
		case "model name":
			m.CPU = value
		case "flags":
			m.Virtual = m.Virtual || strings.Contains(" "+value+" ", " hypervisor ")
		}
	}
	if kib, ok := strings.CutSuffix(colonPairs("/proc/meminfo")["MemTotal"], " kB"); ok {
		n, _ := strconv.ParseInt(kib, 10, 64)
		m.Memory = n << 10
	}
	if f := strings.Fields(firstLine("/proc/loadavg")); len(f) >= 3 {
		m.Load = strings.Join(f[:3], " ")
	}
	for _, s := range settings {
		if v := firstLine("/proc/sys/" + strings.ReplaceAll(s, ".", "/")); v != "" {
			m.Settings[s] = strings.Join(strings.Fields(v), " ")
		}
	}
	return m
}

func firstLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// colonPairs reads lines of "key: value"; of a key that comes twice the first stays.
func colonPairs(file string) map[string]string {
	pairs := map[string]string{}
	f, err := os.Open(file)
	if err != nil {
		return pairs
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		key = strings.TrimSpace(key)
		if _, known := pairs[key]; ok && !known {
			pairs[key] = strings.TrimSpace(value)
		}
	}
	return pairs
}

// busySeconds returns how long the processors of this machine have been busy in all,
// including the time that a hypervisor gave to others. It returns false if the system does
// not report it.
func busySeconds() (float64, bool) {
	return parseBusy(firstLine("/proc/stat"))
}

// parseBusy reads the first line of /proc/stat: "cpu", and then user, nice, system, idle,
// iowait, irq, softirq and steal in hundredths of a second (see proc_stat(5); the fields
// behind them are already counted in user).
func parseBusy(line string) (float64, bool) {
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, false
	}
	sum := 0.0
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		ticks, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil {
			return 0, false
		}
		sum += float64(ticks) / 100
	}
	return sum, true
}
