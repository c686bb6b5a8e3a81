"""What is built of the project: the artifacts that are deployed, and the OpenAPI document."""
