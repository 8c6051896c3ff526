package master

import (
	"fmt"
	"strconv"
	"strings"
)

// A Region is a part of the world, as servers name it themselves. The zero value is
// [USEast]; [Everywhere] selects all servers.
type Region uint8

// The regions.
const (
	USEast       Region = 0x00
	USWest       Region = 0x01
	SouthAmerica Region = 0x02
	Europe       Region = 0x03
	Asia         Region = 0x04
	Australia    Region = 0x05
	MiddleEast   Region = 0x06
	Africa       Region = 0x07
	Everywhere   Region = 0xFF
)

// regions is a list, not a map, for the order of messages.
var regions = []struct {
	name   string
	region Region
}{
	{"us-east", USEast},
	{"us-west", USWest},
	{"south-america", SouthAmerica},
	{"europe", Europe},
	{"asia", Asia},
	{"australia", Australia},
	{"middle-east", MiddleEast},
	{"africa", Africa},
	{"all", Everywhere},
}

// String returns the region's name, as UnmarshalText takes it.
func (r Region) String() string {
	for _, n := range regions {
		if n.region == r {
			return n.name
		}
	}
	return strconv.Itoa(int(r))
}

// UnmarshalText sets r to the region of a name (us-east, us-west, south-america,
// europe, asia, australia, middle-east, africa, all) or of a number up to 255.
func (r *Region) UnmarshalText(text []byte) error {
	s := string(text)
	var names []string
	for _, n := range regions {
		if strings.EqualFold(n.name, s) {
			*r = n.region
			return nil
		}
		names = append(names, n.name)
	}
	if v, err := strconv.ParseUint(s, 10, 8); err == nil {
		*r = Region(v)
		return nil
	}
	return fmt.Errorf("%q is not a region; use one of %s", s, strings.Join(names, ", "))
}
