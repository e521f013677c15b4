package kubectl_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/command"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

var _ kubectl.Commands = (*command.Runner)(nil)

// commands notes what it was to run.
type commands struct {
	server   string
	run      []string
	patience time.Duration
	result   command.Result
	err      error
}

func (c *commands) Run(_ context.Context, _ *rest.Config, server string, asked command.Command, patience time.Duration) (command.Result, error) {
	c.server, c.run, c.patience = server, asked.Arguments(time.Minute), patience
	return c.result, c.err
}

const commandProperties = `"ClusterName":"dev-shop-cluster","RoleArn":"` + adminRole + `"`

func TestCommand(t *testing.T) {
	cases := map[string]struct {
		reason   string
		payload  string
		run      string
		patience time.Duration
		code     fault.Code
		message  string
	}{
		"Runs":       {reason: "as sent", payload: `{"Command":["get","pods","-A"],` + commandProperties + `}`, run: "get --all-namespaces=true pods", patience: 50 * time.Second},
		"Patient":    {reason: "a number as text, as CloudFormation would", payload: `{"Command":["version"],"TimeoutSeconds":"5",` + commandProperties + `}`, run: "version", patience: 5 * time.Second},
		"Refused":    {reason: "before anybody is asked", payload: `{"Command":["delete","pods","--all"],` + commandProperties + `}`, code: "InvalidRequest", message: "kubectl delete is not let through"},
		"Text":       {reason: "no shell takes it apart", payload: `{"Command":"get pods",` + commandProperties + `}`, code: "InvalidRequest", message: "not a list of texts"},
		"NoText":     {reason: "nor a number", payload: `{"Command":["get",1],` + commandProperties + `}`, code: "InvalidRequest", message: "no text"},
		"Empty":      {reason: "nothing to run", payload: `{"Command":[],` + commandProperties + `}`, code: "InvalidRequest", message: "empty"},
		"NoCluster":  {reason: "which one", payload: `{"Command":["version"],"RoleArn":"` + adminRole + `"}`, code: "InvalidRequest", message: "ClusterName is required"},
		"NoTime":     {reason: "nothing can be run in it", payload: `{"Command":["version"],"TimeoutSeconds":0,` + commandProperties + `}`, code: "InvalidRequest", message: "TimeoutSeconds"},
		"OtherRole":  {reason: "the same roles as for everything", payload: `{"Command":["version"],"ClusterName":"c","RoleArn":"arn:aws:iam::222222222222:role/admin"}`, code: "AccessDenied", message: "may not assume role"},
		"OfResource": {reason: "a resource's further property is ignored", payload: `{"Command":["version"],"RequestType":"Create","ResourceType":"Custom::Other","ResourceProperties":{}}`, code: "InvalidRequest", message: "unknown resource type"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f, runs := newFunction(t), &commands{}
			f.fake.Put("/version", `{"major":"1","minor":"36","gitVersion":"v1.36.2-eks-1"}`)
			f.Handler = kubectl.New(with(f, runs))
			_, code, message := f.invoke(t, tc.payload)
			if fault.Code(code) != tc.code || !strings.Contains(message, tc.message) {
				t.Fatalf("%s: %s %s", tc.reason, code, message)
			}
			if strings.Join(runs.run, " ") != tc.run || tc.run != "" && (runs.server != "v1.36.2-eks-1" || runs.patience > tc.patience || runs.patience < tc.patience-time.Second) {
				t.Errorf("%s: ran %q for %s against %q", tc.reason, runs.run, runs.patience, runs.server)
			}
		})
	}
}

// TestCommandAnswer is the answer's shape, letter by letter.
func TestCommandAnswer(t *testing.T) {
	f := newFunction(t)
	f.fake.Put("/version", `{"gitVersion":"v1.36.2"}`)
	f.Handler = kubectl.New(with(f, &commands{result: command.Result{
		ExitCode: 1, Stdout: "café\n", Stderr: "secret-in-output", Truncated: true,
		Version: command.Versions{Kubectl: "v1.36.3", Server: "v1.36.2"}, Warnings: []string{"cut"},
	}}))
	answer, code, message := f.invoke(t, `{"Command":["get","secret","secret-name","-l","token=secret-value"],`+commandProperties+`}`)
	if code != "" {
		t.Fatal(code, message)
	}
	want := `{"ExitCode":1,"Stdout":"caf\u00e9\n","Stderr":"secret-in-output","Truncated":true,"Version":{"Kubectl":"v1.36.3","Server":"v1.36.2"},"Warnings":["cut"]}`
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var line map[string]any
	if err := json.Unmarshal(f.log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["command"] != "get" || line["exitCode"] != 1.0 || strings.Contains(f.log.String(), "secret") {
		t.Errorf("logged %s", f.log)
	}
}

// with is a function's options with something to run commands.
func with(f *function, c kubectl.Commands) kubectl.Options {
	o := f.options
	o.Commands = c
	return o
}
