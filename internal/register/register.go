// Package register registers an environment with Harmonix: it converges the provider stack, whose
// outputs and SSM parameters are what an unmodified Harmonix reads (harmonix-contract.md,
// sections 2.9 and 2.10), and whose deletion removes the environment (section 6).
package register

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Options say how the environment can be removed from the target account.
type Options struct {
	// StarterRoleARN is the role in the platform account that the delete hook starts deletions with.
	StarterRoleARN string
}

// Stage is the Register stage.
type Stage struct {
	connector target.Connector
	options   Options
}

// New returns the stage.
func New(c target.Connector, o Options) *Stage { return &Stage{connector: c, options: o} }

// Run converges the provider stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Provider, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	hook, err := s.options.Hook(in.State)
	if err != nil {
		return nil, err
	}
	parameters := Parameters(in.State)
	maps.Copy(parameters, hook)
	spec := t.Spec(in.State.Names.ProviderStack, templates.Provider, parameters)
	spec.Hidden = []string{"ExternalId"}
	out, err := t.Stacks.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Provider{
		Progress: out.Progress(),
		Outputs:  out.Outputs,
	}, nil
}

// Parameters are the provider template's parameters for st, without those of [Options.Hook].
func Parameters(st environment.State) map[string]string {
	return map[string]string{
		"Prefix":              st.Request.Prefix,
		"Name":                st.Request.Name,
		"UniqueId":            st.Names.UniqueID,
		"NodeType":            st.Request.NodeType,
		"VpcId":               st.Network.VPCID,
		"PublicSubnetIds":     list(st.Network.PublicSubnetIDs),
		"PrivateSubnetIds":    list(st.Network.PrivateSubnetIDs),
		"KeyArn":              st.Identity.KeyARN,
		"AuditTable":          st.Identity.AuditTable,
		"ClusterArn":          st.Cluster.ARN,
		"OperationsRoleArn":   st.Identity.OperationsRoleARN,
		"ProvisioningRoleArn": st.Identity.ProvisioningRoleARN,
		"ControlPlaneRoleArn": st.Identity.ControlPlaneRoleARN,
		"ClusterAdminRoleArn": st.Identity.ClusterAdminRoleARN,
		// A supplied role may have a path, which is no part of its name.
		"ClusterAdminRoleName": path.Base(st.Identity.ClusterAdminRoleARN),
		"KubectlRoleArn":       st.Identity.KubectlRoleARN,
		"KubectlFunctionArn":   st.Kubectl.FunctionARN,
		"PodExecutionRoleArn":  st.Identity.PodExecutionRoleARN,
		"NodeRoleArn":          st.Identity.NodeRoleARN,
		"FluentBitRoleArn":     st.AddonRoles.FluentBitRoleARN,
	}
}

// Hook are the provider template's parameters for st that the delete hook is told: how to remove the
// environment. The request goes without its externalId, which is a parameter that is not shown.
func (o Options) Hook(st environment.State) (map[string]string, error) {
	deletion := st.Request.Deletion()
	deletion.ExternalID = ""
	request, err := json.Marshal(deletion)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot write the request that removes %s", st.Names.Environment)
	}
	parameters := map[string]string{
		"DeleteHookArn":   st.Bootstrap.DeleteHookARN,
		"StarterRoleArn":  o.StarterRoleARN,
		"StateMachineArn": st.Execution.StateMachineARN(),
		"Request":         string(request),
		"ExternalId":      st.Request.ExternalID,
	}
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		hash.Write([]byte(name + "=" + parameters[name] + "\n")) //nolint:errcheck // a hash takes everything
	}
	parameters["Revision"] = hex.EncodeToString(hash.Sum(nil)[:10])
	return parameters, nil
}

// list is the value of a StringList. An empty one is a single space, as in Harmonix, because SSM takes no
// empty value (harmonix-contract.md, section 2.3).
func list(values []string) string {
	if len(values) == 0 {
		return " "
	}
	return strings.Join(values, ",")
}
