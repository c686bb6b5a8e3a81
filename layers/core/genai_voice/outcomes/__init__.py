"""Outcomes of conversations, and their sums for each variant of an experiment."""
