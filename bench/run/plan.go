package run

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A Size says how much is measured.
type Size string

// The sizes.
const (
	Quick    Size = "quick"    // under a minute: that everything works; the figures are worth little
	Moderate Size = "moderate" // some minutes
	Full     Size = "full"     // the better part of an hour
	Custom   Size = "custom"   // one workload of the user's
)

// A scaling holds the numbers of a Size.
type scaling struct {
	info, all    int // targets of the rows that ask for INFO, and for all three
	largest      int // of the scale series
	fullRounds   int // targets up to which the scale series has all rounds, and then half of them
	silent       []int
	lines        int
	rates        []float64
	rateDuration time.Duration
	impatient    []string // flags of the scans that meet silence
}

var scalings = map[Size]scaling{
	Quick: {
		info: 5_000, all: 2_000, largest: 10_000, fullRounds: 10_000,
		silent: []int{1_000, 20_000}, lines: 20_000,
		rates: []float64{100, 2_000, 50_000}, rateDuration: 3 * time.Second,
		impatient: []string{"--timeout", "200ms"},
	},
	Moderate: {
		info: 100_000, all: 50_000, largest: 1_000_000, fullRounds: 100_000,
		silent: []int{1_000, 1_000_000}, lines: 1_000_000,
		rates: []float64{1, 100, 2_000, 50_000, 200_000}, rateDuration: 6 * time.Second,
	},
	Full: {
		info: 500_000, all: 200_000, largest: 10_000_000, fullRounds: 1_000_000,
		silent: []int{1_000, 10_000, 100_000, 1_000_000}, lines: 10_000_000,
		rates: []float64{1, 100, 2_000, 50_000, 200_000}, rateDuration: 12 * time.Second,
	},
}

// smallestScale is the beginning of the scale series.
const smallestScale = 1000

// Plan returns the workloads of a Size, each with that many rounds, or fewer if one takes
// minutes. The scale series ends at largest targets; 0 is the Size's own end.
func Plan(size Size, rounds, largest int) []Workload {
	s := scalings[size]
	if largest > 0 {
		s.largest = largest
	}
	var plan []Workload
	plan = append(plan, s.throughput(rounds)...)
	plan = append(plan, s.scale(rounds)...)
	plan = append(plan, s.rateRows()...)
	return append(plan, s.memory()...)
}

var (
	theBare   = Variant{Name: nameBare, Bare: true, Window: bareWindow}
	plainScan = Variant{Name: nameScan}
	zstdScan  = Variant{Name: nameZstd, Zstd: true}
	smallScan = Variant{Name: nameSmall, Rcvbuf: smallRcvbuf}
	// A small buffer holds few answers: the bare socket must know that too.
	// 212,992 bytes are granted twice, and then hold 550 answers to INFO, but no
	// more than 20 servers' long lists of players and rules.
	smallBare     = Variant{Name: nameBareS, Bare: true, Window: 64, Rcvbuf: smallRcvbuf}
	smallBareLong = Variant{Name: nameBareS, Bare: true, Window: 16, Rcvbuf: smallRcvbuf}
)

const wantAll = proto.WantInfo | proto.WantPlayers | proto.WantRules

func (s *scaling) throughput(rounds int) []Workload {
	row := func(name, title string, n int, kinds proto.Kinds, shares prototest.Shares, variants ...Variant) Workload {
		return Workload{Group: Throughput, Name: name, Title: title, Targets: n, Kinds: kinds, Shares: shares, Rounds: rounds, Variants: variants}
	}
	silent := row("silent", "INFO with challenge, 10 % of the servers silent", s.info, proto.WantInfo,
		prototest.Shares{Challenge: 100, Silent: 10}, theBare,
		Variant{Name: nameScan, Args: append([]string{"--max-in-flight", strconv.Itoa(s.info)}, s.impatient...)})
	silent.Tail = true
	loss := row("loss", "INFO with challenge, 1 % of the datagrams lost each way", s.info, proto.WantInfo,
		prototest.Shares{Challenge: 100, Loss: 1}, theBare,
		Variant{Name: nameScan, Args: s.impatient})
	loss.Tail = true
	return []Workload{
		row("info", "INFO, no challenge", s.info, proto.WantInfo, prototest.Shares{}, theBare, plainScan, zstdScan),
		row("challenge", "INFO with challenge", s.info, proto.WantInfo, prototest.Shares{Challenge: 100}, theBare, plainScan, zstdScan, smallBare, smallScan),
		row("all", "INFO, PLAYER and RULES with challenge", s.all, wantAll, prototest.Shares{Challenge: 100}, theBare, plainScan, zstdScan, smallBareLong, smallScan),
		silent,
		loss,
	}
}

func (s *scaling) scale(rounds int) []Workload {
	var rows []Workload
	for n := smallestScale; n <= s.largest; n *= 10 {
		w := Workload{
			Group: Scale, Name: "scale-" + strconv.Itoa(n), Title: "INFO with challenge, " + thousands(uint64(n)) + " targets",
			Targets: n, Kinds: proto.WantInfo, Shares: prototest.Shares{Challenge: 100},
			Rounds: rounds, Variants: []Variant{theBare, plainScan},
		}
		if n > s.fullRounds {
			w.Rounds = max(rounds/2, 1)
		}
		if n > 1_000_000 {
			w.Variants[1] = zstdScan // plain records of ten million servers are seven gigabytes
		}
		rows = append(rows, w)
	}
	return rows
}

func (s *scaling) rateRows() []Workload {
	var rows []Workload
	for _, r := range s.rates {
		rows = append(rows, Workload{
			Group: Rate, Name: "rate-" + strconv.Itoa(int(r)), Title: fmt.Sprintf("--rate %.0f", r),
			Targets: int(r*s.rateDuration.Seconds()) + 2, Kinds: proto.WantInfo,
			Rate: r, Duration: s.rateDuration, Rounds: 1, Variants: []Variant{plainScan},
		})
	}
	return rows
}

func (s *scaling) memory() []Workload {
	var rows []Workload
	for _, n := range s.silent {
		// All must be sent to before the first gives up: a slow machine takes 15 µs each.
		timeout := 2*time.Second + time.Duration(n)*15*time.Microsecond
		rows = append(rows, Workload{
			Group: Memory, Name: "flight-" + strconv.Itoa(n), Title: thousands(uint64(n)) + " in flight at once, all silent",
			Targets: n, Kinds: proto.WantInfo, Shares: prototest.Shares{Silent: 100}, Discard: true, Rounds: 1,
			Variants: []Variant{{Name: nameScan, Args: []string{
				"--max-in-flight", strconv.Itoa(n), "--retries", "0", "--timeout", timeout.String(), "--target-timeout", (2 * timeout).String()}}},
		})
	}
	list := Workload{
		Group: Memory, Name: "list", Title: "a list of " + thousands(uint64(s.lines)) + " lines",
		Targets: s.lines, Lines: s.lines, Kinds: proto.WantInfo, Discard: true, Rounds: 1, Variants: []Variant{plainScan},
	}
	twice := list
	twice.Name, twice.Title, twice.Targets = "list-twice", list.Title+", each target twice", s.lines/2
	return append(rows, list, twice)
}

// thousands writes n with commas.
func thousands(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// Own returns a workload of the user's: one job over a farm of those shares.
// args are further flags of the scan.
func Own(kinds proto.Kinds, shares prototest.Shares, targets, rounds int, args []string) Workload {
	w := Workload{
		Group: Throughput, Name: "own", Title: strings.ToUpper(kindList(kinds)), Targets: targets,
		Kinds: kinds, Shares: shares, Rounds: rounds,
		Tail:     shares.Loss+shares.Silent+shares.Garbage+shares.Endless+shares.WrongType > 0,
		Variants: []Variant{{Name: nameScan, Args: args}},
	}
	if bareCan(kinds, &shares) {
		b := theBare
		// Servers that answer late need more of them asked at once: as many as a
		// fast machine asks in that time.
		b.Window = min(b.Window+int(shares.DelayMax.Seconds()*100_000), 1<<16)
		w.Variants = append([]Variant{b}, w.Variants...)
	}
	return w
}

// bareCan reports whether the bare socket can do the job: it knows whole
// replies, each once, and does not remember who asks for a challenge when.
func bareCan(kinds proto.Kinds, s *prototest.Shares) bool {
	others := s.GoldSource + s.Split + s.BZip2 + s.Duplicate + s.Garbage + s.ChallengeLoop + s.Endless + s.WrongType
	return others == 0 && (kinds == proto.WantInfo || s.Challenge == 100 && kinds.Has(proto.KindInfo))
}

// Matches reports whether word is the workload's group or the beginning of its
// name, up to a hyphen.
func (w *Workload) Matches(word string) bool {
	rest, ok := strings.CutPrefix(w.Name, word)
	return word == string(w.Group) || ok && (rest == "" || rest[0] == '-')
}
