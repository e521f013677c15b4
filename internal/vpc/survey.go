package vpc

import (
	"context"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// SurveyAPI is what a survey reads of EC2.
type SurveyAPI interface {
	API
	OfferAPI
}

// Survey reports what stands in the way of r in the VPC that it names. earlier is the subnets of an
// environment that has been begun, standing says that its cluster is there.
func Survey(ctx context.Context, api SurveyAPI, r environment.Request, earlier []string, standing bool) ([]finding.Finding, error) {
	v, found, err := Read(ctx, api, r.VPCID)
	if err != nil {
		return nil, err
	}
	if !found {
		missing := fault.As(Missing(r.VPCID, r.AccountID, r.Region))
		return []finding.Finding{finding.Errorf(string(missing.Code), missing.Field, "%s", missing.Message).WithNext("%s", missing.Next)}, nil
	}
	if v.OwnerID != r.AccountID {
		return []finding.Finding{finding.Errorf(string(fault.InvalidRequest), "/vpcId", "%s is shared by account %s, and an account cannot log the traffic of a VPC that is not its own", v.ID, v.OwnerID).
			WithNext("name a VPC of account %s", r.AccountID)}, nil
	}
	choice, report := Choose(v, r, earlier)
	if len(choice.Private) == 0 {
		return report, nil
	}
	report = append(report, Check(v, choice, r, standing)...)
	offered, err := Offered(ctx, api, r, v.ToMake(r), zonesIn(choice.Private))
	return append(report, offered...), err
}

// Zones returns the names of the zones that r's nodes are to be in, in the VPC that it names; none where
// there is nothing to choose from. earlier is as in [Survey].
func Zones(ctx context.Context, api API, r environment.Request, earlier []string) ([]string, error) {
	v, found, err := Read(ctx, api, r.VPCID)
	if err != nil || !found {
		return nil, err
	}
	choice, _ := Choose(v, r, earlier)
	return zonesIn(choice.Private), nil
}

// Earlier returns the subnets that a network stack with these parameters stands in.
func Earlier(parameters map[string]string) []string {
	var subnets []string
	for _, p := range []string{"PublicSubnetIds", "PrivateSubnetIds"} {
		if parameters[p] != "" {
			subnets = append(subnets, strings.Split(parameters[p], ",")...)
		}
	}
	return subnets
}
