// Package arrivals hands the times for which received packets waited in the socket from mux
// to scanner, so that the API of mux does not need a name for them.
package arrivals

import "time"

// Waits returns, for the packets of a *mux.Batch, how long each waited in the socket's buffer
// until the Recv that filled the Batch returned; 0 if the system does not report it. mux
// sets it. The elements may be changed, by a Port that simulates a socket.
var Waits func(batch any) []time.Duration
