package master

import "strings"

// games are the names that filters know, sorted. Several names may mean one app.
var games = []struct {
	name string
	id   uint32
}{
	{"7daystodie", 251570},
	{"abiotic-factor", 427410},
	{"alien-swarm", 630},
	{"ark", 346110},
	{"ark-ascended", 2399830},
	{"arma2oa", 33930},
	{"arma3", 107410},
	{"avorion", 445220},
	{"barotrauma", 602960},
	{"battlebit", 671860},
	{"black-mesa", 362890},
	{"chivalry", 219640},
	{"conan", 440900},
	{"core-keeper", 1621690},
	{"cs", 10},
	{"cs-condition-zero", 80},
	{"cs-source", 240},
	{"cs2", 730},
	{"csgo", 730},
	{"css", 240},
	{"day-of-defeat", 30},
	{"day-of-defeat-source", 300},
	{"day-of-infamy", 447820},
	{"dayz", 221100},
	{"dod", 30},
	{"dods", 300},
	{"eco", 382310},
	{"enshrouded", 1203620},
	{"fistful-of-frags", 265630},
	{"garrysmod", 4000},
	{"gmod", 4000},
	{"half-life", 70},
	{"half-life-2-deathmatch", 320},
	{"hell-let-loose", 686810},
	{"hl2dm", 320},
	{"holdfast", 589290},
	{"icarus", 1149460},
	{"insurgency", 222880},
	{"insurgency-sandstorm", 581320},
	{"just-cause-2", 259080},
	{"killing-floor", 1250},
	{"killing-floor-2", 232090},
	{"l4d", 500},
	{"l4d2", 550},
	{"left4dead", 500},
	{"left4dead2", 550},
	{"mordhau", 629760},
	{"natural-selection-2", 4920},
	{"no-more-room-in-hell", 224260},
	{"palworld", 1623730},
	{"pavlov", 555160},
	{"pirates-vikings-knights", 17570},
	{"post-scriptum", 736220},
	{"project-zomboid", 108600},
	{"red-orchestra-2", 35450},
	{"rising-storm-2", 418460},
	{"rust", 252490},
	{"satisfactory", 526870},
	{"scum", 513710},
	{"sons-of-the-forest", 1326470},
	{"soulmask", 2646460},
	{"space-engineers", 244850},
	{"squad", 393380},
	{"starbound", 211820},
	{"stationeers", 544550},
	{"sven-coop", 225840},
	{"team-fortress-2", 440},
	{"tf2", 440},
	{"tfc", 20},
	{"the-forest", 242760},
	{"the-isle", 376210},
	{"the-ship", 2400},
	{"unturned", 304930},
	{"v-rising", 1604030},
	{"valheim", 892970},
	{"zps", 17500},
}

// Games yields the names that game=NAME takes, with their app ids, in order.
func Games(yield func(name string, id uint32) bool) {
	for _, g := range games {
		if !yield(g.name, g.id) {
			return
		}
	}
}

// gameID returns the app id of a game's name. Case, spaces, hyphens, underscores and
// apostrophes do not matter.
func gameID(name string) (uint32, bool) {
	want := gameName(name)
	for _, g := range games {
		if gameName(g.name) == want && want != "" {
			return g.id, true
		}
	}
	return 0, false
}

func gameName(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '_', '\'':
			return -1
		}
		return r
	}, strings.ToLower(s))
}
