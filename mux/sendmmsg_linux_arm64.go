//go:build !portable

package mux

import "syscall"

const sysSendmmsg = syscall.SYS_SENDMMSG
