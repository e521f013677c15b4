package preflight

import (
	"fmt"
	"slices"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// refuse returns the error for a report with errors in it, and nil for one with warnings only. It says
// everything at once: whoever has to ask for a larger quota should not learn a day later that the
// role is missing as well. Where nothing but the request is wrong, or the environment is another's, its
// code says that.
func refuse(report []finding.Finding, s subject) error {
	so := "nothing was created"
	if s.made() {
		so = "the environment was not changed"
	}
	return refused(report, so)
}

// refuseRemoval is refuse for a request to remove an environment.
func refuseRemoval(report []finding.Finding) error { return refused(report, "nothing was removed") }

// refused is the error for a report, which says what has become of the environment.
func refused(report []finding.Finding, so string) error {
	errors, warnings := finding.Split(report)
	if len(errors) == 0 {
		return nil
	}
	f := &fault.Error{Code: classOfAll(errors), Field: errors[0].Field, Findings: slices.Concat(errors, warnings)}
	heading := fmt.Sprintf("%s in the way; %s:", count(len(errors), "thing stands", "things stand"), so)
	f.Next = "do what each line says and start the request again, corrected where a line says so"
	if f.Code == fault.InvalidRequest {
		heading = fmt.Sprintf("%s wrong with the request; %s:", count(len(errors), "thing is", "things are"), so)
		f.Next = "correct the request and start a new execution; statemachine/request.schema.json describes every field"
	}
	f.Message = finding.Text(heading, f.Findings)
	return f
}

// classOfAll is the code of all the errors, if they have the same one and it says whose the fault is.
func classOfAll(errors []finding.Finding) fault.Code {
	for _, code := range []fault.Code{fault.InvalidRequest, fault.Conflict} {
		if !slices.ContainsFunc(errors, func(f finding.Finding) bool { return f.Code != string(code) }) {
			return code
		}
	}
	return fault.PreflightFailed
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// findingsOf turns what is wrong with a request into findings.
func findingsOf(violations []environment.Violation) []finding.Finding {
	all := make([]finding.Finding, len(violations))
	for i, v := range violations {
		all[i] = v.Finding()
	}
	return all
}

// together returns one error for what was found so far and for err, which stopped further checks. A
// retried code stands alone: the next attempt finds the rest again.
func together(report []finding.Finding, s subject, err error) error {
	f := fault.As(err)
	if f.Code.Retried() || refuse(report, s) == nil {
		return err
	}
	return refuse(append(report, finding.Errorf(string(f.Code), f.Field, "%s", f.Message).WithNext("%s", f.Next)), s)
}
