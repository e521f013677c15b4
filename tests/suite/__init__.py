"""The test suite behind `make test` and the checks behind `make verify`."""
