// Package protocol holds the words of the kubectl function's wire protocol that both the function
// and its callers use (kubectl-protocol.md, section 1). It must not know either side.
package protocol

// The resource types are the CDK's.
const (
	Resource = "Custom::AWSCDK-EKS-KubernetesResource"
	Patch    = "Custom::AWSCDK-EKS-KubernetesPatch"
	Value    = "Custom::AWSCDK-EKS-KubernetesObjectValue"
	Chart    = "Custom::AWSCDK-EKS-HelmChart"
)

// Plan is a request type besides CloudFormation's three: it asks what an Update would do.
const Plan = "Plan"

// Refused begins the message of an AccessDenied that is the cluster's own, so that a caller can tell
// it from one by IAM or by the function: a refusal by the cluster can pass when an access entry is
// new. An answer has nothing but a code and a message to say it with.
const Refused = "refused by the cluster: "

// Fields is the property of a [Value] that says which fields of an object are read, as JSON: an object with
// a key for each, and in it an object that is empty or says which fields of that one. A list's are its
// elements'. A function that does not know it reads all of them.
const Fields = "Fields"

// ErrorDetails is the property by which a caller has an error's message be a [Failure] as JSON. Others
// get text for people.
const ErrorDetails = "ErrorDetails"

// Failure is an error in its parts. Its code is the error's type.
type Failure struct {
	Message string `json:"message"`
	// Field is the JSON pointer of the property at fault, such as /ResourceProperties/RoleArn.
	Field string `json:"field,omitempty"`
	// Next says what to do.
	Next string `json:"next,omitempty"`
	// TooLarge says that everything could be read, and does not fit into an answer.
	TooLarge bool `json:"tooLarge,omitempty"`
}
