package plan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// table lays the stages out in columns. The console shows a list of texts as one line each.
func table(stages []Stage, summary Summary) []string {
	rows := [][]string{{"STAGE", "ACTION", "TYPE", "NAME", "DETAILS"}}
	for _, s := range stages {
		rows = append(rows, rowsOf(s)...)
	}
	lines := aligned(rows)
	return append(lines, fmt.Sprintf("%d added, %d modified, %d replaced, %d removed", summary.Added, summary.Modified, summary.Replaced, summary.Removed))
}

// rowsOf are the rows of one stage, the stage's name in the first.
func rowsOf(s Stage) [][]string {
	var rows [][]string
	tagged := 0
	for _, c := range s.Plan.Changes {
		if onlyTags(c) {
			tagged++
			continue
		}
		rows = append(rows, []string{"", string(c.Action), c.Type, c.Name, strings.Join(c.Details, ", ")})
	}
	if tagged > 0 {
		rows = append(rows, []string{"", string(environment.Modified), fmt.Sprintf("%d resources", tagged), "", "Tags"})
	}
	if len(rows) == 0 {
		rows = append(rows, []string{"", string(s.Change), "", "", ""})
	}
	for _, reason := range s.Because {
		rows = append(rows, []string{"", "because", cut(reason)})
	}
	for _, note := range s.Notes {
		rows = append(rows, []string{"", "note", note})
	}
	rows[0][0] = s.Stage
	return rows
}

// onlyTags reports whether nothing but tags would change. A stack's tag is on all of its resources, and
// a row for each would hide the others.
func onlyTags(c environment.PlannedChange) bool {
	return c.Action == environment.Modified && len(c.Details) == 1 && c.Details[0] == "Tags"
}

// maxReason is how much of a reason a line shows; all of it stands in the stage.
const maxReason = 120

func cut(reason string) string {
	if utf8.RuneCountInString(reason) <= maxReason {
		return reason
	}
	return string([]rune(reason)[:maxReason]) + " …"
}

// aligned pads the cells of each column to its widest. The last cell of a row is never padded, and
// says nothing about its column's width when the row ends early: it is a sentence.
func aligned(rows [][]string) []string {
	var widths [5]int
	for _, row := range rows {
		for i, cell := range row {
			if i < len(row)-1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		lines[n] = strings.TrimRight(line.String(), " ")
	}
	return lines
}
