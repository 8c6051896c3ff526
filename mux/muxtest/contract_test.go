package muxtest_test

import (
	"testing"
	"testing/synctest"

	"github.com/a2scan/a2scan/mux/muxtest"
)

func TestContract(t *testing.T) {
	for _, c := range muxtest.Contract {
		t.Run(c.Name, func(t *testing.T) {
			n := muxtest.New(1)
			c.Check(t, n.Listen(muxtest.Options{}), n.Listen(muxtest.Options{}))
		})
	}
}

// In virtual time the same holds; a wait that is not durable would never end.
func TestContractInVirtualTime(t *testing.T) {
	for _, c := range muxtest.Contract {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := muxtest.New(1)
				c.Check(t, n.Listen(muxtest.Options{}), n.Listen(muxtest.Options{}))
			})
		})
	}
}
