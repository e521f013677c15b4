package customresource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/customresource"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	function = "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-opa-dev-kubectl"
	marker   = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
	secret   = "X-Amz-Signature=0123456789abcdef"
)

// cloudFormation is the place where answers are put.
type cloudFormation struct {
	*httptest.Server
	mu sync.Mutex
	// statuses are the first answers; then it is 200.
	statuses []int
	said     string
	bodies   [][]byte
	headers  []http.Header
	lengths  []int64
}

func newCloudFormation(t *testing.T, statuses ...int) *cloudFormation {
	t.Helper()
	c := &cloudFormation{statuses: statuses}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		text, _ := io.ReadAll(r.Body)
		c.bodies, c.headers, c.lengths = append(c.bodies, text), append(c.headers, r.Header), append(c.lengths, r.ContentLength)
		if r.Method != http.MethodPut || r.URL.RawQuery != secret {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if len(c.statuses) > 0 {
			w.WriteHeader(c.statuses[0])
			_, _ = io.WriteString(w, c.said)
			c.statuses = c.statuses[1:]
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// event is a request that is to be answered there.
func (c *cloudFormation) event(request customresource.RequestType, id string) customresource.Event {
	return customresource.Event{
		RequestType: request, ResourceType: "Custom::Thing", ServiceToken: function,
		ResponseURL: c.URL + "/arn%3Aaws/stack%7CThing?" + secret,
		StackID:     "arn:aws:cloudformation:us-east-1:222222222222:stack/s/1", RequestID: "request-1",
		LogicalResourceID: "Thing", PhysicalResourceID: id,
	}
}

// last is the body of the last answer.
func (c *cloudFormation) last(t *testing.T) map[string]any {
	t.Helper()
	if len(c.bodies) == 0 {
		t.Fatal("CloudFormation was not answered")
	}
	var made map[string]any
	if err := json.Unmarshal(c.bodies[len(c.bodies)-1], &made); err != nil {
		t.Fatal(err)
	}
	return made
}

func (c *cloudFormation) responder(log io.Writer) *customresource.Responder {
	return customresource.New(customresource.Options{
		HTTP: c.Client(), Log: slog.New(slog.NewJSONHandler(log, nil)), Pause: time.Millisecond, TooLarge: "Narrow JsonPath.",
	})
}

func TestAnsweredBy(t *testing.T) {
	cases := map[string]struct {
		reason string
		event  string
		want   bool
	}{
		"Direct":     {"CloudFormation sent it here", `{"ResponseURL":"https://s3/x","ServiceToken":"` + function + `"}`, true},
		"Qualified":  {"by way of an alias", `{"ResponseURL":"https://s3/x","ServiceToken":"` + function + `:live"}`, true},
		"Properties": {"the token is among the properties, too", `{"ResponseURL":"https://s3/x","ResourceProperties":{"ServiceToken":"` + function + `"}}`, true},
		"Framework":  {"the CDK's framework passes the real URL on and answers itself", `{"ResponseURL":"https://s3/x","ServiceToken":"arn:aws:lambda:us-east-1:222222222222:function:framework-onEvent"}`, false},
		"Prefix":     {"another function's name begins alike", `{"ResponseURL":"https://s3/x","ServiceToken":"` + function + `2"}`, false},
		"NoToken":    {"nobody says that it is ours to answer", `{"ResponseURL":"https://s3/x"}`, false},
		"Invoke":     {"there is nobody to answer", `{"ServiceToken":"` + function + `"}`, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			event, err := customresource.Parse([]byte(tc.event))
			if err != nil {
				t.Fatal(err)
			}
			for _, invoked := range []string{function, function + ":7"} {
				if got := event.AnsweredBy(invoked); got != tc.want {
					t.Errorf("%s: invoked as %s: got %t, want %t", tc.reason, invoked, got, tc.want)
				}
			}
			if event.AnsweredBy("") {
				t.Error("who does not know its own name answers nothing")
			}
		})
	}
}

func TestParse(t *testing.T) {
	const text = `{"RequestType":"Update","ResourceType":"Custom::Thing","ServiceToken":"t","ResponseURL":"https://s3/x","StackId":"s",` +
		`"RequestId":"r","LogicalResourceId":"l","PhysicalResourceId":"p","ResourceProperties":{"A":"1"},"OldResourceProperties":{"A":"0"}}`
	event, err := customresource.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(again)); diff != "" {
		t.Errorf("what is handed on (-want +got):\n%s", diff)
	}
	for _, wrong := range []string{``, `null`, `[]`, `"x"`, `{`, `{"RequestType":1}`} {
		if _, err := customresource.Parse([]byte(wrong)); fault.CodeOf(err) != fault.InvalidRequest {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// TestAnswers compares what CloudFormation gets with its reference (kubectl-protocol.md, 2.3).
func TestAnswers(t *testing.T) {
	refused := fault.New(fault.AccessDenied, "create thing: forbidden").WithNext("Ask for the right")
	common := map[string]any{"StackId": "arn:aws:cloudformation:us-east-1:222222222222:stack/s/1", "RequestId": "request-1", "LogicalResourceId": "Thing"}
	cases := map[string]struct {
		reason  string
		request customresource.RequestType
		id      string
		answer  customresource.Answer
		err     error
		want    map[string]any
	}{
		"Create": {
			reason: "the id is the request's, as the CDK's framework has it", request: customresource.Create,
			answer: customresource.Answer{Data: map[string]string{"Value": "v"}},
			want:   map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "request-1", "Data": map[string]any{"Value": "v"}},
		},
		"OwnID": {
			reason: "a resource may have a name", request: customresource.Create, answer: customresource.Answer{PhysicalResourceID: "thing", NoEcho: true},
			want: map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "thing", "NoEcho": true},
		},
		"Update": {
			reason: "another id would be a replacement", request: customresource.Update, id: "thing",
			want: map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "thing"},
		},
		"Delete": {
			reason: "CloudFormation refuses another id", request: customresource.Delete, id: "thing", answer: customresource.Answer{PhysicalResourceID: "other"},
			want: map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "thing"},
		},
		"FailedCreate": {
			reason: "the Delete that follows must be known again", request: customresource.Create, err: refused,
			want: map[string]any{"Status": "FAILED", "PhysicalResourceId": marker, "Reason": "AccessDenied: create thing: forbidden. Ask for the right"},
		},
		"FailedUpdate": {
			reason: "the resource is still there", request: customresource.Update, id: "thing", err: refused,
			want: map[string]any{"Status": "FAILED", "PhysicalResourceId": "thing", "Reason": "AccessDenied: create thing: forbidden. Ask for the right"},
		},
		"FailedDelete": {
			reason: "so that Delete can be tried again", request: customresource.Delete, id: "thing", err: errors.New("odd"),
			want: map[string]any{"Status": "FAILED", "PhysicalResourceId": "thing", "Reason": "Internal: odd"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCloudFormation(t)
			err := c.responder(io.Discard).Serve(t.Context(), c.event(tc.request, tc.id), func(context.Context, customresource.Event) (customresource.Answer, error) {
				return tc.answer, tc.err
			})
			if err != nil {
				t.Fatal(err)
			}
			for key, value := range common {
				tc.want[key] = value
			}
			if diff := cmp.Diff(tc.want, c.last(t)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if got, ok := c.headers[0]["Content-Type"]; !ok || len(got) != 1 || got[0] != "" {
				t.Errorf("Content-Type: got %q, want it empty", got)
			}
			if len(c.bodies) != 1 || c.lengths[0] != int64(len(c.bodies[0])) {
				t.Errorf("%d answers, Content-Length %v", len(c.bodies), c.lengths)
			}
		})
	}
}

func TestAnswerFits(t *testing.T) {
	cases := map[string]struct {
		reason string
		answer customresource.Answer
		err    error
		status string
		begins string
	}{
		"Reason":    {"a long reason is cut", customresource.Answer{}, fault.New(fault.Failed, "%s", strings.Repeat("long ", 2000)), "FAILED", "Failed: long long"},
		"Escaped":   {"a character can take six bytes", customresource.Answer{}, fault.New(fault.Failed, "%s", strings.Repeat("<", 3000)), "FAILED", "Failed: <<<"},
		"Runes":     {"no character is cut in two", customresource.Answer{}, fault.New(fault.Failed, "%s", strings.Repeat("café 🚀", 1000)), "FAILED", "Failed: café 🚀"},
		"Value":     {"a value that is too large says what to do", customresource.Answer{Data: map[string]string{"Value": strings.Repeat("v", 4096)}}, nil, "FAILED", "Failed: the answer has"},
		"FullValue": {"one that just fits is sent", customresource.Answer{Data: map[string]string{"Value": strings.Repeat("v", 3850)}}, nil, "SUCCESS", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCloudFormation(t)
			err := c.responder(io.Discard).Serve(t.Context(), c.event(customresource.Create, ""), func(context.Context, customresource.Event) (customresource.Answer, error) {
				return tc.answer, tc.err
			})
			if err != nil {
				t.Fatal(err)
			}
			made := c.last(t)
			reason, _ := made["Reason"].(string)
			if size := len(c.bodies[0]); size > 4096 || made["Status"] != tc.status || !strings.HasPrefix(reason, tc.begins) || strings.Contains(reason, "\uFFFD") {
				t.Errorf("%s: %d bytes, %v: %.60q", tc.reason, size, made["Status"], reason)
			}
			if tc.err != nil && !strings.HasSuffix(reason, " ... (cut)") {
				t.Errorf("%s: it does not say that it was cut: %q", tc.reason, reason[max(0, len(reason)-30):])
			}
			if tc.err != nil && len(c.bodies[0]) < 3900 {
				t.Errorf("%s: only %d bytes are used", tc.reason, len(c.bodies[0]))
			}
			if name == "Value" && !strings.HasSuffix(reason, "Narrow JsonPath.") {
				t.Errorf("%s: %s", tc.reason, reason)
			}
		})
	}
}

// TestOnce counts the answers that CloudFormation got.
func TestOnce(t *testing.T) {
	const ok = http.StatusOK
	done := func(context.Context, customresource.Event) (customresource.Answer, error) {
		return customresource.Answer{}, nil
	}
	cases := map[string]struct {
		reason   string
		request  customresource.RequestType
		id       string
		statuses []int
		said     string
		handle   customresource.Handler
		attempts int
		status   any
		code     fault.Code
	}{
		"First":      {"a success is the last attempt", customresource.Create, "", nil, "", done, 1, "SUCCESS", ""},
		"Transient":  {"S3 is tried again until it takes the answer", customresource.Create, "", []int{503, 500, 429, ok}, "", done, 4, "SUCCESS", ""},
		"SlowUpload": {"S3 has a 400 for what was too slow", customresource.Create, "", []int{400, ok}, "<Code>RequestTimeout</Code>", done, 2, "SUCCESS", ""},
		"Expired":    {"CloudFormation has given up", customresource.Create, "", []int{403, ok}, "<Code>AccessDenied</Code>", done, 1, "SUCCESS", ""},
		"Malformed":  {"nor does another 400 pass", customresource.Create, "", []int{400, ok}, "<Code>InvalidArgument</Code>", done, 1, "SUCCESS", ""},
		"Panic": {"a panic is an answer, too", customresource.Update, "thing", nil, "", func(context.Context, customresource.Event) (customresource.Answer, error) {
			panic("hunter2")
		}, 1, "FAILED", ""},
		"Deferred": {"another invocation answers", customresource.Delete, "thing", nil, "", func(context.Context, customresource.Event) (customresource.Answer, error) {
			return customresource.Answer{}, customresource.ErrDeferred
		}, 0, nil, ""},
		"Marker": {"what failed to be created is not there to be deleted", customresource.Delete, marker, nil, "", func(context.Context, customresource.Event) (customresource.Answer, error) {
			t.Error("the handler was asked to delete what it never made")
			return customresource.Answer{}, nil
		}, 1, "SUCCESS", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, log := newCloudFormation(t, tc.statuses...), &bytes.Buffer{}
			c.said = tc.said
			err := c.responder(log).Serve(t.Context(), c.event(tc.request, tc.id), tc.handle)
			if fault.CodeOf(err) != tc.code || len(c.bodies) != tc.attempts {
				t.Errorf("%s: error %v after %d attempts, want %q after %d", tc.reason, err, len(c.bodies), tc.code, tc.attempts)
			}
			if tc.attempts > 0 {
				if diff := cmp.Diff(tc.status, c.last(t)["Status"]); diff != "" {
					t.Errorf("%s: %s", tc.reason, diff)
				}
			}
			for _, planted := range []string{"Signature", "hunter2"} {
				if strings.Contains(log.String(), planted) {
					t.Errorf("the log has %s: %s", planted, log)
				}
			}
		})
	}
}

// TestUnanswered is of an S3 that nobody reaches until the time is over.
func TestUnanswered(t *testing.T) {
	c, log := newCloudFormation(t), &bytes.Buffer{}
	event := c.event(customresource.Create, "")
	r := c.responder(log)
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := r.Serve(ctx, event, func(context.Context, customresource.Event) (customresource.Answer, error) {
		return customresource.Answer{}, nil
	})
	if fault.CodeOf(err) != fault.Transient || strings.Contains(err.Error()+log.String(), "Signature") {
		t.Errorf("got %v, log %s", err, log)
	}
}

// TestForeignAddress is of addresses that the answer must not go to.
func TestForeignAddress(t *testing.T) {
	for _, address := range []string{"http://192.0.2.1/x?" + secret, "ftp://s3/x?" + secret, "x?" + secret, "http://%zz?" + secret} {
		c, log := newCloudFormation(t), &bytes.Buffer{}
		event := c.event(customresource.Create, "")
		event.ResponseURL = address
		err := c.responder(log).Serve(t.Context(), event, func(context.Context, customresource.Event) (customresource.Answer, error) {
			return customresource.Answer{}, nil
		})
		if err != nil || !strings.Contains(log.String(), "answer not sent") || strings.Contains(log.String(), "Signature") {
			t.Errorf("%s: %v, log %s", address, err, log)
		}
	}
}

// TestDeadline is of handlers that do not come to an end by themselves.
func TestDeadline(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	cases := map[string]struct {
		reason string
		handle customresource.Handler
		want   string
	}{
		"Obedient": {"who minds the context can say what was left", func(ctx context.Context, _ customresource.Event) (customresource.Answer, error) {
			<-ctx.Done()
			return customresource.Answer{}, fault.New(fault.Failed, "two of three are done")
		}, "Failed: two of three are done"},
		"Stuck": {"who does not is answered for", func(context.Context, customresource.Event) (customresource.Answer, error) {
			<-stuck
			return customresource.Answer{}, nil
		}, "Failed: Update of Thing (Custom::Thing) was not done before the function's time was over. What was begun may still have had its effect: try again."},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloudFormation(t)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := c.responder(io.Discard).Serve(ctx, c.event(customresource.Update, "thing"), tc.handle); err != nil {
				t.Fatal(err)
			}
			if ctx.Err() != nil {
				t.Error("the answer came after the deadline")
			}
			if diff := cmp.Diff(tc.want, c.last(t)["Reason"]); diff != "" || len(c.bodies) != 1 {
				t.Errorf("%s: %d answers (-want +got):\n%s", tc.reason, len(c.bodies), diff)
			}
		})
	}
}

// TestServiceTimeout is of resources that CloudFormation waits for less long than the function could work.
func TestServiceTimeout(t *testing.T) {
	cases := map[string]struct {
		reason     string
		properties string
		want       string
	}{
		"Text":   {"CloudFormation sends texts", `{"ServiceTimeout":"1"}`, "Failed: the context ended"},
		"Number": {"others may send numbers", `{"ServiceTimeout":1}`, "Failed: the context ended"},
		"Longer": {"there is time", `{"ServiceTimeout":"3600"}`, "Failed: it did not"},
		"None":   {"there is none", `{"ServiceToken":"x"}`, "Failed: it did not"},
		"Odd":    {"who says nothing sensible has none", `{"ServiceTimeout":{"a":-1}}`, "Failed: it did not"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloudFormation(t)
			event := c.event(customresource.Update, "thing")
			event.Properties = json.RawMessage(tc.properties)
			err := c.responder(io.Discard).Serve(t.Context(), event, func(ctx context.Context, _ customresource.Event) (customresource.Answer, error) {
				select {
				case <-ctx.Done():
					return customresource.Answer{}, fault.New(fault.Failed, "the context ended")
				case <-time.After(3 * time.Second):
					return customresource.Answer{}, fault.New(fault.Failed, "it did not")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, c.last(t)["Reason"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
