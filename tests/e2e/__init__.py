"""End-to-end tests: the deployed orchestrator on a local cloud, seen from outside.

Expectations are transcribed by hand from the Harmonix contract into `fixtures`; nothing here reads
the names, templates or policies of the Go code.
"""
