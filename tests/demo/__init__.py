"""The demo: one request on the local cloud, from `sam deploy` to a cluster that answers."""
