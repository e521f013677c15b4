package environment

import (
	"strings"
	"unicode/utf8"
)

// maxCompared bounds the names for which a nearest name is looked for: a longer one is no typing
// error, and comparing costs the product of both lengths.
const maxCompared = 40

// nearest returns the candidate that name was probably meant to be, or "". Case, hyphens,
// underscores and spaces do not count.
func nearest(name string, candidates []string) string {
	if utf8.RuneCountInString(name) > maxCompared {
		return ""
	}
	folded := fold(name)
	best, bestDistance := "", max(2, len(folded)/3)+1
	for _, candidate := range candidates {
		if d := distance(folded, fold(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	if best != "" || len(folded) < 4 {
		return best
	}
	for _, candidate := range candidates {
		if strings.Contains(fold(candidate), folded) {
			return candidate
		}
	}
	return ""
}

// fold drops what people vary in names.
func fold(s string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
}

// distance is the Levenshtein distance between a and b: how many characters have to be inserted,
// removed or replaced to turn one into the other.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, f := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, t := range to {
			replace := diagonal
			if f != t {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
