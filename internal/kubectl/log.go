package kubectl

import (
	"bytes"
	"io"
)

// RuntimeLog returns a writer for what Lambda's Go runtime logs by itself. It leaves out the copy of
// each failed invocation's error, because an API server's message can quote what a manifest says;
// the caller gets that message, and the handler's own log has its code.
func RuntimeLog(next io.Writer) io.Writer { return runtimeLog{next} }

type runtimeLog struct{ next io.Writer }

// Write implements io.Writer. The log package makes one call per line.
func (l runtimeLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(`{"errorMessage":`)) {
		return len(line), nil
	}
	return l.next.Write(line)
}
