package master_test

import (
	"errors"
	"fmt"

	"github.com/a2scan/a2scan/proto/master"
)

// A filter is built of conditions. It reports those that cannot be sent.
func ExampleFilter() {
	var all master.Filter
	f := all.
		Is("appid", "252490"). // Rust
		Is("empty", "1").      // has players
		Nor(all.Is("map", "Barren").Is("password", "0"))
	fmt.Println(f)
	fmt.Println(f.Wire())

	linux := f.Is("linux", "1")
	fmt.Println(linux, linux.Err())

	var wrong *master.FilterError
	fmt.Println(errors.As(all.Is("map", "de_*").Err(), &wrong), wrong.Key)
	// Output:
	// appid=252490,empty=1,nor(map=Barren,password=0)
	// \appid\252490\empty\1\nor\2\map\Barren\password\0
	// appid=252490,empty=1,nor(map=Barren,password=0),linux=1 <nil>
	// true map
}
