// Package a3sb decodes the Arma 3 and DayZ server-browser block.
package a3sb
