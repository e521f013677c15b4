// Package deletehook stands behind the custom resource of a provider stack: who deletes that stack, as
// Harmonix does, removes the environment (design, decision 6).
//
// It starts the deletion in the orchestrator, or joins the one that runs, and answers CloudFormation
// when it has ended. A deletion can take longer than Lambda and CloudFormation wait: the function hands
// over to itself before Lambda's time is over, and answers that the deletion goes on before
// CloudFormation's hour is (aws-traps.md, section 2). It must not remove anything itself.
package deletehook
