package command

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxStdout and maxStderr bound what is kept of kubectl's output.
	maxStdout = 5 << 20
	maxStderr = 64 << 10
	// maxEncoded bounds the output as it stands in the answer, whose limit is Lambda's 6 MB: escapes make
	// it longer. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxEncoded = 5_500_000
	// longLine is how far a cut moves back to the end of a line.
	longLine = 64 << 10
)

// output keeps the beginning of what is written to it. It takes the rest too, so that the writer goes
// on to its end and to its exit code.
type output struct {
	limit int
	kept  []byte
	total int64
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.total += int64(len(p))
	o.kept = append(o.kept, p[:min(len(p), o.limit-len(o.kept))]...)
	return len(p), nil
}

// text returns what fits into encoded bytes of a JSON text of ASCII characters, and whether that is all.
func (o *output) text(encoded int) (string, bool) {
	end := fitting(o.kept, encoded)
	whole := int64(end) == o.total
	kept := o.kept[:end]
	if !whole {
		kept = atLineEnd(kept)
	}
	return strings.ToValidUTF8(string(kept), string(utf8.RuneError)), whole
}

// fitting returns how many bytes of p fit into budget bytes of an ASCII JSON text, without a part of a
// character at the end.
func fitting(p []byte, budget int) int {
	at := 0
	for at < len(p) {
		r, size := utf8.DecodeRune(p[at:])
		if !utf8.FullRune(p[at:]) {
			return at
		}
		switch {
		case r > 0xFFFF:
			budget -= 12 // two escapes
		case r < ' ', r >= utf8.RuneSelf, r == '<', r == '>', r == '&', r == '"', r == '\\', r == 0x7F:
			budget -= 6
		default:
			budget--
		}
		if budget < 0 {
			return at
		}
		at += size
	}
	return at
}

// atLineEnd cuts a text that was cut already at the end of a line, unless its lines are long.
func atLineEnd(p []byte) []byte {
	if end := strings.LastIndexByte(string(p[max(0, len(p)-longLine):]), '\n'); end >= 0 {
		return p[:max(0, len(p)-longLine)+end+1]
	}
	return p
}
