// Package kubectl speaks the wire protocol of the AWS CDK's kubectl handler, so that whoever invokes
// that handler (a Harmonix, a CDK stack, a pipeline, our own stages) can invoke this one instead.
//
// It owns the protocol: decoding, the four resource types, who may be assumed, and the answers.
// The work in the cluster is that of the packages kube and helm. It never logs what it is asked to write or has read.
//
// Where it differs from the CDK's handler it is stricter about safety or quicker to answer:
// a role that is not allowed is refused, a deletion reports what it could not delete, an Update
// removes objects by comparing the manifests and not by label alone, and a query that can never
// succeed fails at once.
package kubectl
