// Package customresource answers CloudFormation's custom resource requests: exactly once, in the form
// and size that CloudFormation takes, and before the invocation's time is over.
//
// It owns the request's envelope, the deadline guard and the PUT to the request's ResponseURL. It must
// not know what a resource is. The URL is a secret while it lives: whoever has it can answer, so it is
// in no log and no error.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
package customresource
