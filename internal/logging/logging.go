// Package logging sends the pods' logs to CloudWatch, into the groups and streams that Harmonix'
// Logs tab reads (harmonix-contract.md, section 3.4): by Fargate's own log router, or by Fluent
// Bit on every node.
package logging

import (
	"context"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Stage is the Logging stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run applies the log configuration. It does not wait for pods: on Fargate there are none, and the
// DaemonSet's come with the nodes.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Logging, error) {
	objects, err := Manifests(in.State)
	if err != nil {
		return nil, err
	}
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	cluster := client.Of(t.Config, in.State)
	changes, err := cluster.Apply(ctx, objects...)
	if err != nil {
		return nil, err
	}
	_, changed := client.Summarize(changes)
	return &environment.Logging{
		Progress: cluster.Progress(changes),
		LogGroup: in.State.Names.LogGroup,
		Objects:  changed,
	}, nil
}
