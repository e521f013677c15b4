// Package contract holds the tests of what no compiler sees: that the state machine's definition,
// template.yaml, the stack templates and the Go stages agree with each other and keep to the limits
// of AWS. It has no code of its own. Expected values are written out here and not taken from the
// packages under test.
package contract
