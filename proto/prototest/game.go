package prototest

// A gameKind is a game whose replies differ in more than their words.
type gameKind uint8

const (
	ordinary gameKind = iota
	rust              // counts beyond 255 in its keywords
	arma              // binary in its rules, with difficulty
	dayz              // binary in its rules, with description
	theShip           // more in INFO, a block behind the players
)

// A game holds the common values of the servers of one title.
type game struct {
	kind     gameKind
	app      uint32
	protocol byte
	folder   string
	name     string
	version  string
	keywords string
	maps     [4]string
}

// games are the Source servers of a World, each as likely as the next.
// TF2's keywords hold "cp", which is a game mode there and no count.
var games = [...]game{
	{ordinary, 240, 17, "cstrike", "Counter-Strike: Source", "1.0.0.93", "alltalk,friendlyfire,HLstatsX:CE", [4]string{"de_dust2", "cs_office", "de_nuke", "gg_simpsons_vs_flanders"}},
	{ordinary, 440, 17, "tf", "Team Fortress", "9543365", "cp,increased_maxplayers,nocrits,payload", [4]string{"pl_upward", "cp_badlands", "ctf_2fort", "mvm_bigrock"}},
	{ordinary, 730, 17, "csgo", "Counter-Strike 2", "1.40.5.3", "empty,secure", [4]string{"de_mirage", "workshop/3070284539/ar_shoots", "de_inferno", ""}},
	{ordinary, 550, 17, "left4dead2", "Left 4 Dead 2", "2.2.4.3", "coop,official,empty", [4]string{"c1m1_hotel", "c5m1_waterfront", "c8m1_apartment", "c2m1_highway"}},
	{ordinary, 4000, 17, "garrysmod", "DarkRP", "2024.10.29", "gm:darkrp gmc:rp loc:eu ver:240313", [4]string{"rp_downtown_v4c_v2", "gm_construct", "ttt_rooftops", "rp_rockford_v2b"}},
	{ordinary, 346110, 17, "ark_survival_evolved", "ARK: Survival Evolved", "1.0.0.0", ",OWNINGID:90071992547409920,NUMOPENPUBCONN:70", [4]string{"TheIsland", "Ragnarok", "Fjordur", "ScorchedEarth"}},
	{ordinary, 892970, 17, "valheim", "", "1.0.0.0", "0.218.15@0.9.9", [4]string{"Midgard", "", "dedicated", "world"}},
	{ordinary, 304930, 17, "unturned", "Unturned", "3.24.6.1", "<tm>0</tm>,pvp,nrm", [4]string{"PEI", "Washington", "Russia", "Hawaii"}},
	{rust, 252490, 17, "rust", "Rust", "2577", "", [4]string{"Procedural Map", "Barren", "HapisIsland", "Craggy Island"}},
	{rust, 252490, 17, "rust", "Rust", "2578", "", [4]string{"Procedural Map", "", "Savas", "Custom"}},
	{arma, 107410, 17, "Arma3", "Warlords REDvsBLUE", "2.18.152405", "bt,r218,n152405,s7,i0,mf,lf,vt,dt,twarlord,g65545,hb6be40ae,f0,c-2147483648--2147483648,pw,e0,j0,k0,", [4]string{"", "Altis", "cup_chernarus_A3", "Stratis"}},
	{dayz, 221100, 17, "dayz", "DayZ", "1.26.159040", "battleye,no3rd,shard000,lqs0,etm4.000000,entm4.000000,08:15", [4]string{"chernarusplus", "enoch", "sakhal", "dayzOffline"}},
}

var shipGame = game{theShip, 2400, 7, "ship", "The Ship", "1.0.0.16", "", [4]string{"raifucu_maru", "batavier", "huronian", "cotopaxi"}}

// noSizeGames are the games whose servers leave the size out of split replies.
var noSizeGames = [...]game{
	{ordinary, 215, 7, "hidden", "Hidden: Source", "1.0.0.0", "", [4]string{"hdn_discovery", "hdn_docks", "hdn_derelict", "hdn_origin"}},
	{ordinary, 240, 7, "cstrike", "Counter-Strike: Source", "1.0.0.34", "alltalk", [4]string{"de_dust2", "cs_office", "de_cbble", "de_train"}},
	{ordinary, 17550, 7, "esmod", "Eternal Silence", "1.0.0.5", "", [4]string{"es_luna", "es_resolute", "es_sector", "es_elevation"}},
	{ordinary, 17700, 7, "insurgency", "INSURGENCY", "1.0.0.21", "", [4]string{"ins_sinjar", "ins_baghdad", "ins_karkar", "ins_ramadi"}},
}

// goldSourceGames are those of HLDS.
var goldSourceGames = [...]game{
	{ordinary, 10, 48, "cstrike", "Counter-Strike", "1.1.2.7/Stdio", "", [4]string{"de_dust2", "cs_assault", "fy_iceworld", "de_aztec"}},
	{ordinary, 70, 48, "valve", "Half-Life", "1.1.2.2/Stdio", "", [4]string{"crossfire", "bounce", "stalkyard", "boot_camp"}},
	{ordinary, 30, 48, "dod", "Day of Defeat", "1.1.2.1/Stdio", "", [4]string{"dod_anzio", "dod_avalanche", "dod_flash", "dod_charlie"}},
	{ordinary, 80, 47, "czero", "Condition Zero", "1.1.2.7/Stdio", "", [4]string{"de_dust2_cz", "cs_havana_cz", "de_inferno_cz", "cs_italy_cz"}},
}

// game returns the game that s runs. Servers that cut their replies short or compress
// their rules run ordinary games: the loss of a part of Rust's or Arma's replies would
// be open to opinion, and compressed rules come from a fixed set.
func (s *Server) game() *game {
	x := s.draw(aspectGame)
	switch {
	case s.Does.Has(GoldSource):
		return &goldSourceGames[x%uint64(len(goldSourceGames))]
	case s.Does.Has(Ship):
		return &shipGame
	case s.noSize():
		return &noSizeGames[x%uint64(len(noSizeGames))]
	case s.Does.Has(Truncate | BZip2):
		return &games[x%8]
	}
	return &games[x%uint64(len(games))]
}

// An engine decides the format of INFO, and which queries need a challenge.
type engine uint8

const (
	engineSource  engine = iota // 'I'
	engineHLDS                  // 'I' with protocol 48: HLDS since 2008
	engineOldHLDS               // 'm'
	engineBoth                  // 'm', and 'I' behind it
	engineHLTV                  // 'm' without bots; players from index 1; no challenge for PLAYER and RULES
)

// engine returns the engine of s.
func (s *Server) engine() engine {
	if !s.Does.Has(GoldSource) {
		return engineSource
	}
	switch s.draw(aspectFlavour) % 8 {
	case 0:
		return engineHLDS
	case 1:
		return engineHLTV
	case 2, 3, 4:
		return engineBoth
	}
	return engineOldHLDS
}

// population counts the players of a server, before a byte wraps.
type population struct {
	players, max, bots int
	said               int // the players according to INFO: not always as many as the list holds
}

var slots = [...]int{10, 16, 20, 24, 32, 32, 64, 100}

// population draws s's players. One server in 64 has more than a byte can
// count, and one in four of these has exactly 256.
func (s *Server) population(g *game) population {
	r := s.stream(aspectCrowd)
	p := population{max: slots[r.Below(len(slots))]}
	switch {
	case s.Does.Has(GoldSource|Ship) || g.kind == arma:
		p.max = 8 + r.Below(25)
	case s.Does.Has(Truncate):
	case r.oneIn(64):
		p.players = 256 + r.Below(4)*15
		p.max = p.players + r.Below(300)
	case s.Does.Has(Split|BZip2) && r.oneIn(2):
		p.players = 60 + r.Below(100)
		p.max = 200
	}
	if p.players == 0 {
		p.players = min(r.Below(p.max+1), r.Below(p.max+1))
	}
	if r.oneIn(4) {
		p.bots = min(r.Below(p.players+1), 255)
	}
	p.said = p.players
	if r.oneIn(16) && g.kind != rust {
		p.said = r.Below(9)
	}
	return p
}

// clamp is how most games fit a count into a byte; Rust lets it wrap.
func clamp(n int) uint8 { return uint8(min(n, 255)) }
