package record

import (
	"context"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/cost"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// Result is the result document: the output of a successful execution.
type Result struct {
	environment.Ending
	// Changed says whether any stage changed anything.
	Changed bool `json:"changed"`
	// Seconds is the time since the execution was started.
	Seconds float64       `json:"seconds"`
	Stages  []StageResult `json:"stages"`
	Cluster ClusterResult `json:"cluster"`
	Kubectl KubectlResult `json:"kubectl"`
	Network NetworkResult `json:"network"`
	// Outputs are the provider stack's: what Harmonix reads.
	Outputs map[string]string `json:"outputs"`
	// Nodes are the cluster's nodes as they were at the end.
	Nodes []environment.NodeResult `json:"nodes"`
	// MoreNodes is how many there are besides, when Nodes would be too long.
	MoreNodes int `json:"moreNodes,omitempty"`
	// Findings are what was noticed that stopped nothing.
	Findings []environment.Finding `json:"findings"`
	// Cost is what the environment costs in a month, by list prices.
	Cost cost.Estimate `json:"cost"`
	// ConsoleURL is the execution's page in the Step Functions console.
	ConsoleURL string `json:"consoleUrl"`
}

// StageResult is what one stage did.
type StageResult struct {
	Stage string `json:"stage"`
	environment.Progress
}

// ClusterResult says how to reach the cluster.
type ClusterResult struct {
	Name         string `json:"name"`
	ARN          string `json:"arn"`
	Endpoint     string `json:"endpoint"`
	Version      string `json:"version"`
	AdminRoleARN string `json:"adminRoleArn"`
}

// KubectlResult names the environment's kubectl function.
type KubectlResult struct {
	FunctionARN string `json:"functionArn"`
}

// NetworkResult names the VPC.
type NetworkResult struct {
	VPCID string `json:"vpcId"`
}

// success ends an execution that has done its work, and holds the lock.
type success struct {
	history *History
	locks   releaser
	bus     *Bus
}

// conclude records the result document, gives the lock back and tells of the end.
func (s success) conclude(ctx context.Context, st environment.State, result any) error {
	if err := s.history.Append(ctx, st, succeeded, result); err != nil {
		return err
	}
	if err := s.locks.Release(ctx, st.Request, st.Execution.ARN); err != nil {
		return err
	}
	return s.bus.tell(ctx, st, succeeded, result, nil)
}

// Complete is the Complete stage.
type Complete struct{ success }

// NewComplete returns the stage.
func NewComplete(h *History, l releaser, b *Bus) *Complete {
	return &Complete{success{history: h, locks: l, bus: b}}
}

// Run records the success, gives the lock back and tells of the end.
func (c *Complete) Run(ctx context.Context, in stage.Input) (*Result, error) {
	result := resultOf(in.State, time.Now())
	if err := c.conclude(ctx, in.State, result); err != nil {
		return nil, err
	}
	return result, nil
}

// findings joins preflight's with what Verify found.
func findings(s environment.State) []environment.Finding {
	return append(append([]environment.Finding{}, s.Findings...), s.Verification.Findings...)
}

func resultOf(s environment.State, now time.Time) *Result {
	result := &Result{
		Ending:  s.Ending(succeeded),
		Seconds: s.Execution.Seconds(now),
		Cluster: ClusterResult{
			Name: s.Names.Cluster, ARN: s.Cluster.ARN, Endpoint: s.Cluster.Endpoint,
			Version: s.Cluster.Version, AdminRoleARN: s.Identity.ClusterAdminRoleARN,
		},
		Kubectl:    KubectlResult{FunctionARN: s.Kubectl.FunctionARN},
		Network:    NetworkResult{VPCID: s.Network.VPCID},
		Outputs:    s.Provider.Outputs,
		Nodes:      s.Verification.Nodes,
		MoreNodes:  s.Verification.MoreNodes,
		Findings:   findings(s),
		Cost:       cost.Of(s),
		ConsoleURL: s.Execution.ConsoleURL(),
	}
	result.Stages, result.Changed = stageResults(s.Stages())
	return result
}

// stageResults are the stages that have finished, and whether any of them changed anything.
func stageResults(all []environment.StageProgress) (results []StageResult, changed bool) {
	results = []StageResult{}
	for _, stage := range all {
		if stage.Progress == nil {
			continue
		}
		results = append(results, StageResult{Stage: stage.Name, Progress: *stage.Progress})
		changed = changed || stage.Progress.Change != environment.Unchanged
	}
	return results, changed
}
