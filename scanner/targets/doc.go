// Package targets turns lines, prefixes and names into targets.
package targets
