package main

import "strings"

// nearest returns the name that word most likely means, or "" if none is near. It prefers
// a name that begins with word, then a name with a part behind a dash that does, then the
// name that differs least from word, by at most a third of its letters.
func nearest(word string, names []string) string {
	word = strings.ToLower(word)
	if len(word) >= 2 {
		for _, n := range names {
			if strings.HasPrefix(n, word) {
				return n
			}
		}
		for _, n := range names {
			if strings.Contains(n, "-"+word) {
				return n
			}
		}
	}
	best, bestCost := "", max(1, len(word)/3)+1
	for _, n := range names {
		if cost := distance(word, n); cost < bestCost {
			best, bestCost = n, cost
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment, by bytes).
func distance(a, b string) int {
	// Three rows of the table are enough: a swap looks back two.
	var prev2, prev, cur []int
	prev = make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur = make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, cur
	}
	return prev[len(b)]
}
