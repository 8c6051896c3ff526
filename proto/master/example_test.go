package master_test

import (
	"errors"
	"fmt"

	"github.com/a2scan/a2scan/proto/master"
)

// A filter is built of terms, and refused if it cannot be sent.
func ExampleWhere() {
	f, err := master.Where(
		master.Is("appid", "252490"), // Rust
		master.Is("empty", "1"),      // has players
		master.Nor(master.Is("map", "Barren"), master.Is("password", "0")),
	)
	if err != nil {
		panic(err)
	}
	fmt.Println(f)
	fmt.Println(f.Wire())

	linux, err := f.And(master.Is("linux", "1"))
	fmt.Println(linux, err)

	_, err = master.Where(master.Is("map", `de_*`))
	var wrong *master.FilterError
	fmt.Println(errors.As(err, &wrong), wrong.Key)
	// Output:
	// appid=252490,empty=1,nor(map=Barren,password=0)
	// \appid\252490\empty\1\nor\2\map\Barren\password\0
	// appid=252490,empty=1,nor(map=Barren,password=0),linux=1 <nil>
	// true map
}
