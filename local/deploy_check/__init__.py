"""Creates the stack with ministack in place of AWS, uses it, and deletes it: `make deploy-check`."""
