package stack

import (
	"encoding/json"
	"reflect"
	"strings"
)

// body is a template as JSON.
type body map[string]any

// parseBody reads a template. One that is not JSON is nobody's own, and has nothing at any path.
func parseBody(text string) body {
	var b body
	if json.Unmarshal([]byte(text), &b) != nil {
		return nil
	}
	return b
}

// at returns what the body has at a path such as "Resources/NodeGroup/Properties/Labels".
func (b body) at(path string) (any, bool) {
	var value any = map[string]any(b)
	for step := range strings.SplitSeq(path, "/") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[step]; !ok {
			return nil, false
		}
	}
	return value, true
}

// with returns the body with the value at the path, where there is one already. What b is made of is
// shared and not changed.
func (b body) with(path string, value any) body {
	step, rest, deeper := strings.Cut(path, "/")
	old, ok := b[step]
	if !ok {
		return b
	}
	if deeper {
		object, isObject := old.(map[string]any)
		if !isObject {
			return b
		}
		value = map[string]any(body(object).with(rest, value))
	}
	changed := make(body, len(b))
	for key, v := range b {
		changed[key] = v
	}
	changed[step] = value
	return changed
}

// sameAt reports whether two bodies have the same at a path. One that has nothing there has no part
// of its own to differ: it differs as a whole.
func sameAt(path string, a, b body) bool {
	x, inA := a.at(path)
	y, inB := b.at(path)
	return !inA || !inB || reflect.DeepEqual(x, y)
}

// taking returns the template with what another one has at the paths. A template in which that
// changes nothing stays the text that it is.
func taking(template string, paths []string, from string) string {
	mine, other := parseBody(template), parseBody(from)
	changed := false
	for _, path := range paths {
		if sameAt(path, mine, other) {
			continue
		}
		value, _ := other.at(path)
		mine, changed = mine.with(path, value), true
	}
	if !changed {
		return template
	}
	text, err := json.Marshal(mine)
	if err != nil { // it was JSON before
		return template
	}
	return string(text)
}
