// Package helm installs, upgrades and uninstalls releases of charts, in process, as `helm upgrade
// --install` and `helm uninstall` do.
//
// It is the only importer of Helm's SDK: a new major version of that is a change of this package.
// It owns where charts come from (a repository over HTTPS or in S3, an OCI registry with Amazon ECR's
// login, an archive in S3), the releases, their recovery when an operation was cut off, and what of
// all that is a mistake of the caller. It must not know the wire protocol, an environment or a stage.
//
// Nothing is kept between requests but HTTP connections, and nothing is logged: values may be secrets.
package helm
