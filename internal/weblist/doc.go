// Package weblist fetches lists of game servers over HTTP: from the Steam Web API
// ([Steam]), and from the static lists of Xash3D FWGS ([Xash]).
//
// Rows are handed on as they arrive, each address once. What was fetched is never
// lost: a call that fails is repeated, and if it keeps failing its part of the list is
// named in the [Summary].
package weblist
