package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// withDefaults adds the template's defaults for parameters that are not given: a stack lists those
// among its parameters too.
func withDefaults(given map[string]string, template string) map[string]string {
	var t struct {
		Parameters map[string]struct{ Default any }
	}
	decoder := json.NewDecoder(strings.NewReader(template))
	decoder.UseNumber()
	if decoder.Decode(&t) != nil {
		return given
	}
	all := make(map[string]string, len(t.Parameters))
	for name, p := range t.Parameters {
		if p.Default != nil {
			all[name] = fmt.Sprint(p.Default)
		}
	}
	maps.Copy(all, given)
	return all
}

// sameJSON reports whether a and b are the same document. Texts that are not JSON have to be equal.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
