package deletehook

import (
	"encoding/json"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// properties are the custom resource's, as package harmonix has them written.
type properties struct {
	StarterRoleARN  string `json:"StarterRoleArn"`
	StateMachineARN string `json:"StateMachineArn"`
	// Request is the request that removes the environment, without its externalId.
	Request    string `json:"Request"`
	ExternalID string `json:"ExternalId"`
}

// removal is what the properties say.
type removal struct {
	properties
	request environment.Request
	names   environment.Names
}

// read reads the properties. The request is not checked here: the orchestrator does that, and may be of
// another version.
func read(text json.RawMessage) (removal, error) {
	var r removal
	if json.Unmarshal(text, &r.properties) != nil || json.Unmarshal([]byte(r.Request), &r.request) != nil {
		return removal{}, fault.New(fault.Internal, "the custom resource's properties are no request to remove an environment").WithNext(nextAsk)
	}
	for _, must := range []string{r.request.AccountID, r.request.Region, r.request.Prefix, r.request.Name, r.StarterRoleARN, r.StateMachineARN} {
		if must == "" {
			return removal{}, fault.New(fault.Internal, "the custom resource's properties do not say which environment, or whom to ask").WithNext(nextAsk)
		}
	}
	r.request.Operation, r.request.ExternalID = environment.OperationDelete, r.ExternalID
	r.names = environment.NamesOf(r.request)
	return r, nil
}

// nextAsk is the way out where the hook cannot do its work.
const nextAsk = "start an execution with the environment's request and the operation delete: it removes this stack too"
