// Package arrivals is an agreement between mux and scanner about packets that wait in the
// socket, without names in the API of mux.
package arrivals

import "time"

// Waits returns, for the packets of a *mux.Batch, how long each waited in the socket's buffer
// until the Recv that filled the Batch returned; 0 if the system does not report it. mux
// sets it. The elements may be changed, by a Port that simulates a socket.
var Waits func(batch any) []time.Duration

// Gather returns for how long packets may gather in the socket before a Recv into a *mux.Batch
// that may wait looks there. A Port may ignore it. mux sets Gather.
var Gather func(batch any) *time.Duration
