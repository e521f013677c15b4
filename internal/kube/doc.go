// Package kube connects to an EKS cluster and works on its objects in process, without kubectl.
//
// It owns the connection (DescribeCluster, the presigned token, discovery) and the four typed
// operations: create, apply, patch and delete, plus reading. What it leaves in the cluster is what
// kubectl would leave there, so that people and pipelines can go on with plain kubectl.
// It must not know the wire protocol, an environment or a stage.
package kube
