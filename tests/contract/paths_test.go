package contract_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Every path that the definition reads is needed and is checked: with any one of them misspelt, the
// walk of TestWalk comes to another end. So a path that passes there is in the state document.
func TestWalkReadsEveryPath(t *testing.T) {
	intact, ways := map[string]string{}, walks(t)
	for name, way := range ways {
		end, _, err := way.walk(t, definition(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		intact[name] = end
	}
	count := 0
	definition(t).each(func(name string, s state) {
		for _, at := range readers(s) {
			count++
			broken := definition(t)
			broken.each(func(other string, copied state) {
				if other == name {
					misspell(copied.Parameters, at)
				}
			})
			if !noticed(t, broken, ways, intact) {
				t.Errorf("%s: nothing notices that %s reads a path that is not there", name, at)
			}
		}
	})
	if count < 50 {
		t.Errorf("found %d paths, want those of all states", count)
	}
}

// way is one through the machine: what the request asks for, and what fails.
type way struct {
	operation string
	failing   []string
	undoing   bool
}

func (w way) walk(t *testing.T, m machine) (end string, output any, err error) {
	t.Helper()
	return (&walker{operation: w.operation, failing: w.failing, undoing: w.undoing}).run(m, decoded(t, `"whatever was sent"`))
}

// walks are the ways: nothing fails, or one Task.
func walks(t *testing.T) map[string]way {
	t.Helper()
	found := map[string]way{"apply": {"apply", nil, false}, "delete": {"delete", nil, false}, "undo": {"apply", []string{"Access"}, true}}
	for name := range definition(t).tasks() {
		found[name] = way{"apply", []string{name}, false}
		if _, removes := removing[name]; removes {
			found[name] = way{"delete", []string{name}, false}
		}
		if name == "RecordFailure" {
			found[name] = way{"apply", []string{"Access", name}, false}
		}
	}
	return found
}

// readers are the places of a state's Parameters that read the document, such as "failure/Error.$". The
// context object is there on every way.
func readers(s state) []string {
	var found []string
	var walk func(block map[string]any, prefix string)
	walk = func(block map[string]any, prefix string) {
		for _, key := range slices.Sorted(maps.Keys(block)) {
			switch v := block[key].(type) {
			case string:
				if strings.HasSuffix(key, ".$") && strings.HasPrefix(v, "$.") {
					found = append(found, prefix+key)
				}
			case map[string]any:
				walk(v, prefix+key+"/")
			}
		}
	}
	walk(s.Parameters, "")
	return found
}

// misspell changes the path at a place that readers named.
func misspell(block map[string]any, place string) {
	first, rest, nested := strings.Cut(place, "/")
	if !nested {
		block[first] = "$.misspelt"
		return
	}
	inner, _ := block[first].(map[string]any)
	misspell(inner, rest)
}

// noticed reports whether a walk of the definition fails, or ends elsewhere than that of the intact one.
func noticed(t *testing.T, m machine, ways map[string]way, intact map[string]string) bool {
	t.Helper()
	for name, way := range ways {
		end, _, err := way.walk(t, m)
		if err != nil || end != intact[name] {
			return true
		}
	}
	return false
}
