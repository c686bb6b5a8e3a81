"""Builds the artifacts that are deployed and the OpenAPI document, and deploys or serves what was built."""
