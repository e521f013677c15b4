package stage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// invoke calls run as Lambda does and returns the error as it leaves the function.
func invoke(t *testing.T, run func(context.Context, stage.Input) (*environment.Network, error)) (errorType, message string) {
	t.Helper()
	_, err := lambda.NewHandler(stage.Handle("Network", quiet(), run)).Invoke(t.Context(), []byte(`{}`))
	if err == nil {
		t.Fatal("no error")
	}
	text, marshalErr := json.Marshal(err)
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	var sent struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(text, &sent); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return sent.ErrorType, sent.ErrorMessage
}

func TestHandleErrors(t *testing.T) {
	cases := map[string]struct {
		reason string
		run    func() error
		typ    string
		cause  string
	}{
		"All": {
			"every part reaches the user",
			func() error { return fault.New(fault.InvalidRequest, "bad").WithField("/cidr").WithNext("correct it") },
			"InvalidRequest", `{"stage":"Network","code":"InvalidRequest","message":"bad","field":"/cidr","next":"correct it"}`,
		},
		"Wrapped": {
			"a fault is found below other errors",
			func() error { return fmt.Errorf("converge: %w", fault.New(fault.Conflict, "taken")) },
			"Conflict", `{"stage":"Network","code":"Conflict","message":"taken"}`,
		},
		"Unclassified": {
			"an error that nobody classified is a defect", func() error { return errors.New("oops") },
			"Internal", `{"stage":"Network","code":"Internal","message":"oops"}`,
		},
		"Panic": {
			"a panic keeps the sandbox and says where", func() error { panic("no such thing") },
			"Internal", `{"stage":"Network","code":"Internal","message":"the Network stage broke: no such thing"}`,
		},
	}
	for _, code := range []string{
		"InvalidRequest", "PreflightFailed", "Conflict", "AccessDenied", "QuotaExceeded", "InProgress", "Throttled", "Transient", "Failed", "Internal",
	} {
		cases[code] = struct {
			reason string
			run    func() error
			typ    string
			cause  string
		}{
			"the code is the name that Retry and Catch match", func() error { return fault.New(fault.Code(code), "m") },
			code, `{"stage":"Network","code":"` + code + `","message":"m"}`,
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			typ, message := invoke(t, func(context.Context, stage.Input) (*environment.Network, error) { return nil, tc.run() })
			if typ != tc.typ {
				t.Errorf("%s: error type %q, want %q", tc.reason, typ, tc.typ)
			}
			if diff := cmp.Diff(tc.cause, message); diff != "" {
				t.Errorf("%s: cause (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Step Functions takes a cause of 32,768 characters (aws-traps.md, row 3.5), and the failure record
// may have to hold two of them.
func TestLongMessages(t *testing.T) {
	cases := map[string]struct{ reason, message string }{
		"Plain":     {"as many characters as bytes", strings.Repeat("a", 100_000)},
		"Quotes":    {"a quote is escaped to four characters", strings.Repeat(`"`, 100_000)},
		"Backslash": {"a backslash is too", strings.Repeat(`\`, 100_000)},
		"Control":   {"a control character becomes seven", strings.Repeat("\x01", 100_000)},
		"Broad":     {"no character is cut in two", strings.Repeat("🙂", 30_000)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, message := invoke(t, func(context.Context, stage.Input) (*environment.Network, error) {
				return nil, fault.New(fault.Failed, "%s", tc.message)
			})
			payload, err := json.Marshal(map[string]string{"errorType": "Failed", "errorMessage": message})
			if err != nil {
				t.Fatal(err)
			}
			if n := utf8.RuneCount(payload); n >= 32_768/2 {
				t.Errorf("%s: the cause has %d characters", tc.reason, n)
			}
			var cause stage.Cause
			if err := json.Unmarshal([]byte(message), &cause); err != nil || !strings.HasSuffix(cause.Message, " … (cut)") || strings.ContainsRune(cause.Message, utf8.RuneError) {
				t.Errorf("%s: the cut cause ends in %q (%v)", tc.reason, cause.Message[max(0, len(cause.Message)-20):], err)
			}
		})
	}
	if got := stage.CauseOf("Network", fault.New(fault.Failed, "short “message”")).Message; got != "short “message”" {
		t.Errorf("a short message became %q", got)
	}
}

// A stage ends three seconds before Lambda kills it, so that its own error is the one that is seen.
func TestDeadline(t *testing.T) {
	lambdas := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), lambdas)
	defer cancel()
	var got time.Time
	_, err := stage.Handle("Network", quiet(), func(ctx context.Context, _ stage.Input) (*environment.Network, error) {
		got, _ = ctx.Deadline()
		return &environment.Network{}, nil
	})(ctx, stage.Input{})
	if err != nil {
		t.Fatal(err)
	}
	if margin := lambdas.Sub(got); margin != 3*time.Second {
		t.Errorf("the stage ends %s before Lambda, want 3s", margin)
	}
}

func TestSeconds(t *testing.T) {
	cases := map[string]struct {
		reason   string
		entered  time.Time
		min, max float64
	}{
		"Retried":    {"counted from the state's first entry, over all retries", time.Now().Add(-90 * time.Second), 90, 110},
		"NotEntered": {"an input without the time says nothing", time.Time{}, 0, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := stage.Handle("Network", quiet(), func(context.Context, stage.Input) (*environment.Network, error) {
				return &environment.Network{VPCID: "vpc-1"}, nil
			})(t.Context(), stage.Input{Entered: tc.entered})
			if err != nil {
				t.Fatal(err)
			}
			if out.Seconds < tc.min || out.Seconds > tc.max || out.VPCID != "vpc-1" {
				t.Errorf("%s: got %+v", tc.reason, *out)
			}
		})
	}
}
