package contract_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// problems are the rows of the table of known problems of the CDK's kubectl handler, in its order and
// by its words (kubectl-protocol.md, 1J).
var problems = []string{
	"Manifest too large",
	"last-applied annotation > 262144 B (CRDs)",
	"Response object is too long",
	"helm timeout == Lambda timeout",
	"another operation (install/upgrade/rollback) is in progress",
	"atomic missing/ineffective",
	"parallel charts conflict on same CRD; CRDs not ready",
	"Helm uninstall doesn't wait",
	"Namespace/Release change leaves old release",
	"values not merged / drift on upgrade",
	"replacement deletes live objects; create (not apply) collides",
	"create retried after partial success",
	"prune",
	"RESTMapping/skew errors",
	"immutable field updates fail",
	"secrets logged",
	"{{resolve:secretsmanager}} not resolved",
	"Delete hangs/timeouts",
	"Delete fails when cluster gone / not ACTIVE",
	"swallowed delete errors hide leftovers",
	"Patch: update does not restore, restore fails, Delete NotFound fails",
	"Get: swallows every error until timeout",
	"OCI: versions, logins, private registry creds",
	"ECR/API throttling, TooManyRequests",
	"i/o timeout, no back-off",
	"webhook no endpoints available",
	"private endpoint / isolated VPC",
	"imported cluster AccessDenied on AssumeRole",
	"one provider per cluster/stack, not reusable",
	"no wait-for-ready",
	"function missing waiter",
	"OOM",
	"b'...' error text",
	"shared /tmp state across warm invocations",
	"v2 SkipCrds dropped; \"false\" treated as true; JSON bool crash",
}

// tests are the tests of each problem: a package's folder and a test, or one of its cases.
var tests = map[string][]string{
	"Manifest too large":                                          {"internal/kubectl TestManifestInS3", "internal/file TestRead"},
	"last-applied annotation > 262144 B (CRDs)":                   {"internal/kubectl TestLiveResources/LargeManifest", "internal/kube TestLive/LargeObjectHasNoAnnotation"},
	"Response object is too long":                                 {"internal/customresource TestAnswerFits"},
	"helm timeout == Lambda timeout":                              {"internal/helm TestLive/CutOff", "internal/customresource TestDeadline"},
	"another operation (install/upgrade/rollback) is in progress": {"internal/helm TestLive/Recover"},
	"atomic missing/ineffective":                                  {"internal/helm TestLive/Atomic", "internal/helm TestLive/Abandon"},
	"parallel charts conflict on same CRD; CRDs not ready":        {"internal/kubectl TestLiveResources/KindAfterItsObject", "internal/helm TestLive/Definitions"},
	"Helm uninstall doesn't wait":                                 {"internal/helm TestLive/HeldUninstall"},
	"Namespace/Release change leaves old release":                 {"internal/kubectl TestLiveCharts"},
	"values not merged / drift on upgrade":                        {"internal/helm TestLive/InstallUpgradeUninstall"},
	"replacement deletes live objects; create (not apply) collides": {
		"internal/kubectl TestLiveResources/TakenOver", "internal/kubectl TestIdentityStays", "internal/kubectl TestFailedCreateDeletesNothing",
	},
	"create retried after partial success": {"internal/kubectl TestLiveResources/FailedCreateIsUndone", "internal/kube TestCreateWhoseAnswerWasLost"},
	"prune":                                {"internal/kubectl TestLiveResources/PruneOfAnyKind", "internal/kubectl TestLiveResources/PruneBoundToNamespace", "internal/kubectl TestPrune"},
	"RESTMapping/skew errors": {
		"internal/command TestRun/Skew", "internal/command TestOtherKubectl/Other", "internal/deploykubectl TestLayer",
		"tests/contract TestLayersAreThoseOfStandardSupport", "internal/kube TestLive/NewKind",
	},
	"immutable field updates fail":                                         {"internal/kubectl TestLiveResources/Immutable"},
	"secrets logged":                                                       {"internal/kubectl TestNothingSecretIsLogged", "internal/kubectl TestLiveSecretIsInNoMessage", "internal/kubectl TestLiveCharts"},
	"{{resolve:secretsmanager}} not resolved":                              {"internal/kubectl TestDynamicReferences"},
	"Delete hangs/timeouts":                                                {"internal/kubectl TestLiveResources/StuckDelete"},
	"Delete fails when cluster gone / not ACTIVE":                          {"internal/kubectl TestClusterOnItsWay", "internal/kubectl TestDeleteWithoutCluster", "internal/kubectl TestChartWithoutCluster"},
	"swallowed delete errors hide leftovers":                               {"internal/kubectl TestLiveResources/ForbiddenDelete", "internal/helm TestLive/ForbiddenUninstall"},
	"Patch: update does not restore, restore fails, Delete NotFound fails": {"internal/kubectl TestPatchAndRestore"},
	"Get: swallows every error until timeout":                              {"internal/kubectl TestQueries/Forbidden", "internal/kubectl TestRefusals/JSONPath"},
	"OCI: versions, logins, private registry creds":                        {"internal/helm TestRegistry"},
	"ECR/API throttling, TooManyRequests":                                  {"internal/kube TestRetries"},
	"i/o timeout, no back-off":                                             {"internal/kubectl TestQueryOfAClusterThatDoesNotAnswer", "internal/kube TestClassifyNetwork"},
	"webhook no endpoints available":                                       {"internal/kubectl TestLiveWebhook", "internal/kube TestRetries/Passing"},
	"private endpoint / isolated VPC":                                      {"internal/kubectl TestThreeWaysIn", "internal/kube TestConnect"},
	"imported cluster AccessDenied on AssumeRole":                          {"internal/kube TestConnectFailures"},
	"one provider per cluster/stack, not reusable":                         {"internal/kubectl TestManyClusters"},
	"no wait-for-ready":                                                    {"internal/kubectl TestWaitsForReadiness"},
	"function missing waiter":                                              {"internal/kubectl/client TestErrors/Pending"},
	"OOM":                                                                  {"tests/contract TestKubectlFunctionHasMemory"},
	"b'...' error text":                                                    {"internal/kubectl TestRefusals", "internal/kubectl TestErrorInParts"},
	"shared /tmp state across warm invocations":                            {"internal/kubectl TestLiveCharts"},
	"v2 SkipCrds dropped; \"false\" treated as true; JSON bool crash":      {"internal/kubectl TestScalars", "internal/kubectl TestLiveCharts"},
}

// TestKnownProblems finds the tests of each row of the table.
func TestKnownProblems(t *testing.T) {
	named := map[string]bool{}
	for problem := range tests {
		named[problem] = true
	}
	listed := map[string]bool{}
	for _, problem := range problems {
		listed[problem] = true
	}
	if diff := cmp.Diff(listed, named); diff != "" {
		t.Errorf("problems with a test (-table +tests):\n%s", diff)
	}
	for _, problem := range problems {
		t.Run(problem, func(t *testing.T) {
			for _, test := range tests[problem] {
				folder, path, _ := strings.Cut(test, " ")
				name, part, hasPart := strings.Cut(path, "/")
				source, ok := testSource(t, folder, name)
				if !ok {
					t.Errorf("%s has no test %s", folder, name)
				}
				if hasPart && !strings.Contains(source, `"`+part+`"`) {
					t.Errorf("%s of %s has no case %s", name, folder, part)
				}
			}
		})
	}
}

// testSource returns a test function's text.
func testSource(t *testing.T, folder, name string) (string, bool) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return string(text[files.Position(f.Pos()).Offset:files.Position(f.End()).Offset]), true
			}
		}
	}
	return "", false
}

// The CDK's handler ran out of its 512 MB (aws/aws-cdk#11787), and has 1024 since.
func TestKubectlFunctionHasMemory(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "infra/templates/kubectl.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct{ MemorySize, Timeout int }
		}
	}
	if err := json.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	function := template.Resources["Function"].Properties
	if function.MemorySize < 1024 || function.Timeout != 900 {
		t.Errorf("it has %d MB and %d s", function.MemorySize, function.Timeout)
	}
}
