package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// CloudFormation's limits on what a call carries (aws-traps.md, row 1.62).
const (
	maxTemplate  = 51_200
	maxParameter = 4_096
)

// kind is a kind of operation on a stack.
type kind string

const (
	kindCreate   kind = "create"
	kindUpdate   kind = "update"
	kindDelete   kind = "delete"
	kindRetain   kind = "retain"
	kindContinue kind = "continue"
	kindRollback kind = "rollback"
)

// action is the IAM action of the call that starts the operation.
func (k kind) action() string {
	return map[kind]string{
		kindCreate:   "cloudformation:CreateStack",
		kindUpdate:   "cloudformation:UpdateStack",
		kindDelete:   "cloudformation:DeleteStack",
		kindRetain:   "cloudformation:UpdateStack",
		kindContinue: "cloudformation:ContinueUpdateRollback",
		kindRollback: "cloudformation:RollbackStack",
	}[k]
}

// check refuses a spec that no call should be made with. All of it is the provider's own doing:
// requests are validated before.
func (s Spec) check() error {
	switch {
	case s.Name == "" || s.Execution == "" || s.Since.IsZero():
		return fault.New(fault.Internal, "a stack needs a name, an execution and the time its state was entered, got %q, %q and %s", s.Name, s.Execution, s.Since)
	case count(s.kinds(), func(k Kind) bool { return k.Rest }) != 1:
		return fault.New(fault.Internal, "of the kinds of updates of stack %s, one has to be the rest", s.Name)
	case len(s.Template) > maxTemplate:
		return fault.New(fault.Internal, "the template of stack %s has %d bytes, CloudFormation takes %d", s.Name, len(s.Template), maxTemplate)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Parameters)) {
		if n := len(s.Parameters[key]); n > maxParameter {
			return fault.New(fault.Internal, "parameter %s of stack %s has %d bytes, CloudFormation takes %d", key, s.Name, n, maxParameter)
		}
	}
	return nil
}

func count(kinds []Kind, is func(Kind) bool) (n int) {
	for _, k := range kinds {
		if is(k) {
			n++
		}
	}
	return n
}

// checkFixed refuses a spec that would make what the stack holds anew.
func (s Spec) checkFixed(live Description) error {
	for _, name := range s.Fixed {
		have, known := live.Parameters[name]
		if want := s.Parameters[name]; known && have != want {
			return fault.New(fault.Conflict, "stack %s was made with %s %q and would be made with %q now: what it holds would be replaced", s.Name, name, have, want).
				WithNext("bring back what the environment was made with, or make a new environment under another name")
		}
	}
	return nil
}

// with is the spec with the parameters that the stack was given.
func (s Spec) with(live Description) Spec {
	s.Parameters = maps.Clone(s.Parameters)
	for _, name := range s.Given {
		if have, known := live.Parameters[name]; known {
			s.Parameters[name] = have
		}
	}
	return s
}

// createInput is the call that makes the stack.
func (s Spec) createInput(token string) *cloudformation.CreateStackInput {
	return &cloudformation.CreateStackInput{
		StackName:          &s.Name,
		TemplateBody:       &s.Template,
		Parameters:         s.parameters(),
		Tags:               s.tags(),
		RoleARN:            optional(s.RoleARN),
		Capabilities:       s.capabilities(),
		StackPolicyBody:    optional(s.Policy),
		ClientRequestToken: &token,
	}
}

// stays reports whether a failed update of the stack may stay as it is.
func (s Spec) stays() bool {
	return slices.ContainsFunc(s.Kinds, func(k Kind) bool { return k.Stays })
}

// updateInput is the call that makes the step.
func (s step) updateInput(token string) *cloudformation.UpdateStackInput {
	in := s.spec.updateInput(token)
	if s.stays {
		in.DisableRollback = aws.Bool(true)
	}
	return in
}

// updateInput is the call that brings the stack to s.
func (s Spec) updateInput(token string) *cloudformation.UpdateStackInput {
	return &cloudformation.UpdateStackInput{
		StackName:          &s.Name,
		TemplateBody:       &s.Template,
		Parameters:         s.parameters(),
		Tags:               s.tags(),
		RoleARN:            optional(s.RoleARN),
		Capabilities:       s.capabilities(),
		ClientRequestToken: &token,
	}
}

// parameters are sorted, so that equal specs make equal calls.
func (s Spec) parameters() []types.Parameter {
	var list []types.Parameter
	for _, key := range slices.Sorted(maps.Keys(s.Parameters)) {
		value := s.Parameters[key]
		list = append(list, types.Parameter{ParameterKey: &key, ParameterValue: &value})
	}
	return list
}

// tags are sorted, so that equal specs make equal calls. None is an empty list and not nil, which
// would leave a stack the tags it has.
func (s Spec) tags() []types.Tag {
	list := make([]types.Tag, 0, len(s.Tags))
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		value := s.Tags[key]
		list = append(list, types.Tag{Key: &key, Value: &value})
	}
	return list
}

func (s Spec) capabilities() []types.Capability {
	if len(s.Capabilities) == 0 {
		return []types.Capability{types.CapabilityCapabilityNamedIam}
	}
	return s.Capabilities
}

// tokenPrefix begins every token of the provider.
const tokenPrefix = "eksenv"

// token is the client request token of one operation: eksenv-{run}-{kind}-{operation}. It is the
// same when the call is repeated and another for the next attempt, since CloudFormation refuses a
// token it has seen with another operation (aws-traps.md, row 1.65). version tells attempts apart.
//
// Every event of an operation carries its token, those of its rollback too, so run and kind in
// clear text tell later invocations what their run has started.
func (s Spec) token(k kind, version string) string {
	return strings.Join([]string{tokenPrefix, s.run(), string(k), digest(s.Name, string(k), version)}, "-")
}

// run names the run in tokens.
func (s Spec) run() string {
	return digest(s.Execution, strconv.FormatInt(s.Since.UnixNano(), 10))
}

// startedBy returns the kind of the operation that token belongs to, if run started it.
func startedBy(run, token string) (kind, bool) {
	parts := strings.Split(token, "-")
	if len(parts) != 4 || parts[0] != tokenPrefix || parts[1] != run {
		return "", false
	}
	return kind(parts[2]), true
}

// version tells the stack apart from itself before and after another operation.
func (d Description) version() string {
	return d.StackID + " " + d.Updated.UTC().Format(time.RFC3339Nano)
}

// attempt is the version of a stack that does not exist.
func attempt(n int) string { return "attempt " + strconv.Itoa(n) }

// digest is short enough for four parts to stay far below a token's 128 characters.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:10])
}

// optional is nil for an empty s: CloudFormation refuses an empty string where it takes none.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
