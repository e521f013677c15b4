package client

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Fields are the fields of an object that are asked for, all when there are none: of a thousand nodes, or
// of their pods, everything is more than Lambda answers with.
type Fields map[string]Fields

// FieldsOf are the fields that T has JSON tags for. What [Decode] reads is what is asked for.
func FieldsOf[T any]() Fields { return fieldsOf(reflect.TypeFor[T]()) }

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func fieldsOf(t reflect.Type) Fields {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	fields := Fields{}
	// A type that reads itself, such as a time, has no fields of its own in the object.
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(unmarshaler) {
		return fields
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = fieldsOf(field.Type)
		}
	}
	return fields
}
