"""Figures of what `make build` made."""
