package contract_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Every stage has an event that a developer invokes it with (sam local invoke), and that the stage
// takes as it is.
func TestEventFiles(t *testing.T) {
	for name, s := range signatures() {
		file := strings.ToLower(name) + ".json"
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, "tests", "events", file))
			if err != nil {
				t.Fatalf("the state %s has no event: %v", name, err)
			}
			decoder := json.NewDecoder(bytes.NewReader(text))
			if name != "RecordFailure" { // it is given all that there is, and reads a part
				decoder.DisallowUnknownFields()
			}
			if err := decoder.Decode(reflect.New(s.in).Interface()); err != nil {
				t.Errorf("%s does not take it: %v", name, err)
			}
		})
	}
}
