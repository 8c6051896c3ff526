package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/a2scan/a2scan/scanner/targets"
)

// removedTargets says how many targets each list has removed; it is empty if none did.
func removedTargets(c *targets.Counts) string {
	var parts []string
	for _, l := range []struct {
		n    uint64
		text string
	}{
		{c.Blocklisted, "%s in --blocklist-file"},
		{c.Excluded, "%s in --exclude"},
		{c.NotAllowed, "%s not in --allowlist-file"},
		{c.Reserved, "%s reserved or multicast"},
	} {
		if l.n > 0 {
			parts = append(parts, fmt.Sprintf(l.text, thousands(l.n)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s removed: %s", plural(c.Blocked, "target", "targets"), strings.Join(parts, ", "))
}

// checkTargets returns an error if a list that was read to its end had no target, or none
// that may be asked.
func checkTargets(list *targets.List) error {
	c := list.Counts()
	switch lists := c.Blocklisted + c.Excluded + c.NotAllowed; {
	case c.Allowed > 0:
		return nil
	case lists > 0:
		return fmt.Errorf("nothing to scan: %s", removedTargets(&c))
	case c.Blocked > 0:
		return nil
	case c.NotUDP > 0:
		return errors.New("nothing to scan: the input has only ports of other protocols than UDP")
	}
	return errors.New("nothing to scan: no line of the input is a target")
}
