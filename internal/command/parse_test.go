package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/command"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// TestArguments says what kubectl gets: the same flags in a form with one reading.
func TestArguments(t *testing.T) {
	cases := map[string]struct {
		reason string
		given  string
		want   string
	}{
		"Plain":          {"nothing to change", "get pods", "get pods"},
		"WithKubectl":    {"people paste whole commands", "kubectl get pods", "get pods"},
		"Letters":        {"letters are written out", "get pods -A -o wide", "get --all-namespaces=true --output=wide pods"},
		"Joined":         {"letters together, the last with its value", "get pods -Aowide", "get --all-namespaces=true --output=wide pods"},
		"ValueInWord":    {"the value may follow its letter", "get pods -nshop -lapp=web", "get --namespace=shop --selector=app=web pods"},
		"LetterEquals":   {"or follow an equals sign", "get pods -n=shop -o=json", "get --namespace=shop --output=json pods"},
		"LongWithSpace":  {"the next argument is the value", "get pods --namespace shop", "get --namespace=shop pods"},
		"ValueLikeAFlag": {"a value is a value whatever it looks like", "get pods -n --kubeconfig=/tmp/x", "get --namespace=--kubeconfig=/tmp/x pods"},
		"TruthByWord":    {"a boolean takes no argument after a space", "get pods --show-labels true", "get --show-labels=true pods true"},
		"Untruth":        {"one may be switched off", "describe pod web --show-events=0", "describe --show-events=false pod web"},
		"Terminator":     {"names behind two hyphens", "get -A -- pods", "get --all-namespaces=true pods"},
		"Paths":          {"an expression is a format's", "get cm -o jsonpath={.items[*].data}", "get --output=jsonpath={.items[*].data} cm"},
		"Columns":        {"as are columns", "get po -o custom-columns=N:.metadata.name", "get --output=custom-columns=N:.metadata.name po"},
		"Logs":           {"-p is the previous container's", "logs deploy/web -c app -p --tail 5", "logs --container=app --previous=true --tail=5 deploy/web"},
		"Top":            {"names of both kinds", "top po -n shop --containers", "top po --namespace=shop --containers=true"},
		"CanI":           {"a question about rights", "auth can-i get secrets -n shop -q", "auth can-i --namespace=shop --quiet=true get secrets"},
		"Status":         {"ends before the function does", "rollout status deploy/web", "rollout status --timeout=40s deploy/web"},
		"StatusLong":     {"however long is asked for", "rollout status deploy/web --timeout 10m", "rollout status --timeout=40s deploy/web"},
		"StatusForEver":  {"or without an end", "rollout status deploy/web --timeout=0", "rollout status --timeout=40s deploy/web"},
		"StatusShort":    {"a shorter time is kept", "rollout status deploy/web --timeout=5s", "rollout status --timeout=5s deploy/web"},
		"Wait":           {"has a bound of its own", "wait pod/web --for=condition=Ready", "wait --for=condition=Ready pod/web"},
		"WaitForEver":    {"below zero is a week", "wait pod/web --for=delete --timeout=-1s", "wait --for=delete --timeout=40s pod/web"},
		"WaitOnce":       {"zero looks once", "wait pod/web --for=delete --timeout=0s", "wait --for=delete --timeout=0s pod/web"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, err := command.Parse(strings.Fields(tc.given))
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(strings.Fields(tc.want), c.Arguments(40*time.Second)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	short, err := command.Parse([]string{"wait", "pod/web", "--for=delete"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"wait", "--for=delete", "--timeout=8s", "pod/web"}, short.Arguments(8*time.Second)); diff != "" {
		t.Errorf("a wait in little time (-want +got):\n%s", diff)
	}
}

// TestRefusals tries what an attacker, or somebody in a hurry, would.
func TestRefusals(t *testing.T) {
	cases := map[string]struct {
		reason string
		given  string
		says   string
	}{
		"Nothing":           {"no command", "", "empty"},
		"Delete":            {"writes", "delete pod web", "not let through; what is: api-resources"},
		"Apply":             {"writes, and reads files", "apply -f x", "not let through"},
		"Exec":              {"runs a program in a pod", "exec web -- sh", "not let through"},
		"Copy":              {"writes files", "cp web:/x /tmp/x", "not let through"},
		"Proxy":             {"opens a port", "proxy", "not let through"},
		"Config":            {"shows the configuration", "config view --raw", "not let through"},
		"Plugin":            {"runs any program", "plugin list", "not let through"},
		"PluginByName":      {"a plugin is called like a verb", "foo", "not let through"},
		"Completion":        {"hidden verbs of the library", "__complete get", "not let through"},
		"Undo":              {"writes", "rollout undo deploy/web", "rollout history, rollout restart, rollout status"},
		"RolloutAlone":      {"a verb of verbs", "rollout", "kubectl rollout is not let through"},
		"Reconcile":         {"writes rights", "auth reconcile -f x", "auth can-i, auth whoami"},
		"FlagFirst":         {"what follows could be a value or a verb", "--kubeconfig=/tmp/x get pods", "begins with --kubeconfig: put the verb first"},
		"LetterFirst":       {"as above", "-n shop get pods", "put the verb first"},
		"Kubeconfig":        {"another cluster", "get pods --kubeconfig=/tmp/x", "ClusterName"},
		"KubeconfigSpace":   {"as above", "get pods --kubeconfig /tmp/x", "ClusterName"},
		"Server":            {"sends the token elsewhere", "get pods --server=https://evil.example", "ClusterName"},
		"ServerLetter":      {"as above", "get pods -s https://evil.example", "ClusterName"},
		"ServerJoined":      {"as above, hidden behind a boolean", "get pods -As=https://evil.example", "flag -s"},
		"Insecure":          {"any server could answer", "get pods --insecure-skip-tls-verify", "not let through"},
		"InsecureLogs":      {"any kubelet could answer", "logs web --insecure-skip-tls-verify-backend", "certificates"},
		"Authority":         {"as above", "get pods --certificate-authority=/tmp/x", "not let through"},
		"Context":           {"another cluster", "get pods --context=x", "ClusterName"},
		"Token":             {"somebody else", "get pods --token=x", "RoleArn"},
		"User":              {"somebody else", "get pods --user=x", "RoleArn"},
		"As":                {"somebody else", "get pods --as=system:admin", "RoleArn"},
		"AsGroup":           {"somebody else", "get pods --as=x --as-group=system:masters", "RoleArn"},
		"Certificate":       {"reads a file", "get pods --client-certificate=/tmp/x", "RoleArn"},
		"File":              {"reads a file", "get -f /proc/self/environ", "reads a file"},
		"FileLong":          {"reads a file", "describe --filename=/proc/self/environ", "reads a file"},
		"FileJoined":        {"hidden behind a boolean", "get -Af/proc/self/environ", "flag -f"},
		"Kustomize":         {"reads files", "get -k /tmp", "reads a file"},
		"FromInput":         {"there is none", "get -", "standard input"},
		"ColumnsFile":       {"prints a file", "get pods -o custom-columns-file=/proc/self/environ", "output format custom-columns-file is not let through"},
		"PathFile":          {"prints a file", "get pods -o=jsonpath-file=/proc/self/environ", "not let through"},
		"TemplateFile":      {"prints a file", "get pods -ogo-template-file=/proc/self/environ", "not let through"},
		"OldTemplateFile":   {"the old name of the same", "get pods --output templatefile=/proc/self/environ", "not let through"},
		"FormatWithoutFile": {"the file would be --template's", "get pods -o go-template-file --template=/proc/self/environ", "not let through"},
		"Template":          {"may be a file", "get pods --template=/proc/self/environ", "-o go-template=…"},
		"FormatAlone":       {"a format that needs an expression", "get pods -o jsonpath", "not let through"},
		"ExplainFormat":     {"explain has templates by name", "explain pods -o /tmp/x", "plaintext"},
		"Raw":               {"any path", "get --raw /api/v1/nodes/x/proxy/run", "any path"},
		"Watch":             {"never ends", "get pods -w", "answers once"},
		"WatchJoined":       {"never ends", "get pods -Aw", "flag -w"},
		"WatchOnly":         {"never ends", "get pods --watch-only", "answers once"},
		"Follow":            {"never ends", "logs web -f", "follows without an end"},
		"FollowLong":        {"never ends", "logs web --follow=true", "answers once"},
		"EventsWatch":       {"never ends", "events --watch", "answers once"},
		"Cache":             {"writes files", "get pods --cache-dir=/tmp/x", "writes files"},
		"Profile":           {"writes files", "get pods --profile=cpu --profile-output=/tmp/x", "writes files"},
		"Kuberc":            {"reads settings with aliases", "get pods --kuberc=/tmp/x", "fixed"},
		"Verbose":           {"prints requests", "get pods -v=9", "fixed"},
		"Abbreviated":       {"an abbreviation is another flag", "get pods --kubeconf=/tmp/x", "none of those let through"},
		"OtherCase":         {"as is another case", "get pods --Kubeconfig=/tmp/x", "none of those let through"},
		"ThreeHyphens":      {"as are more hyphens", "get pods ---kubeconfig=/tmp/x", "not let through"},
		"NoNeedOfValue":     {"a value that is missing", "get pods -n", "needs a value"},
		"NoBoolean":         {"no boolean", "get pods -A=perhaps", "neither true nor false"},
		"NoDuration":        {"no duration", "wait pod/x --timeout=soon", "duration"},
		"BehindTerminator":  {"kubectl might read it as a flag", "get -- --kubeconfig=/tmp/x", "begins with a hyphen"},
		"OfAnotherVerb":     {"flags are each verb's own", "get pods --tail=3", "none of those let through"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := command.Parse(strings.Fields(tc.given))
			if code := fault.CodeOf(err); code != "InvalidRequest" || fault.As(err).Field != "/Command" {
				t.Fatalf("%s: got %q at %q (%v)", tc.reason, code, fault.As(err).Field, err)
			}
			if f := fault.As(err); !strings.Contains(f.Message, tc.says) {
				t.Errorf("%s: says %q, not %q", tc.reason, f.Message, tc.says)
			}
			if strings.Contains(fault.As(err).Message, "/proc/self") || strings.Contains(fault.As(err).Message, "/tmp") {
				t.Errorf("%s: a value is repeated, which may be a secret: %v", tc.reason, err)
			}
		})
	}
}

// TestSizes refuses what no person types.
func TestSizes(t *testing.T) {
	for reason, arguments := range map[string][]string{
		"many arguments": append([]string{"get"}, strings.Fields(strings.Repeat("pods ", 200))...),
		"a long one":     {"get", strings.Repeat("x", 20<<10)},
		"a zero byte":    {"get", "pods\x00--kubeconfig"},
	} {
		if _, err := command.Parse(arguments); fault.CodeOf(err) != "InvalidRequest" {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

// TestVerbs is the list of the commands that are let through.
func TestVerbs(t *testing.T) {
	want := []string{
		"api-resources", "api-versions", "auth can-i", "auth whoami", "describe", "events", "explain", "get", "logs",
		"rollout history", "rollout restart", "rollout status", "top no", "top node", "top nodes", "top po", "top pod", "top pods", "version", "wait",
	}
	if diff := cmp.Diff(want, command.Verbs()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzParse looks for arguments whose canonical form has anything but flags that are let through.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"get pods -A", "get\n-n\n--kubeconfig=x", "logs x -f", "rollout status x --timeout=1h", "get - --", "top po -n=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		c, err := command.Parse(strings.Split(lines, "\n"))
		if err != nil {
			return
		}
		words := strings.Fields(c.Verb())
		allowed := command.Flags(words...)
		for _, argument := range c.Arguments(time.Minute)[len(words):] {
			if !strings.HasPrefix(argument, "-") {
				continue
			}
			name, _, given := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
			if !given || !strings.HasPrefix(argument, "--") || !contains(allowed, name) {
				t.Errorf("%q became %q", lines, argument)
			}
		}
	})
}

func contains(list []string, text string) bool {
	for _, element := range list {
		if element == text {
			return true
		}
	}
	return false
}
