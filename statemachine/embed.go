// Package statemachine holds the definition of the state machine and the schema of its input, for
// the Go code that needs their text. It must not interpret either.
package statemachine

import _ "embed"

// RequestSchema is the JSON Schema (draft-07) of a request.
//
//go:embed request.schema.json
var RequestSchema []byte
