"""Traces: what happened under one trace id, in the order of time."""
