//go:build !portable

package mux

// sysSendmmsg is the number of sendmmsg(2), which package syscall, frozen
// before it, does not know here.
const sysSendmmsg = 307
