"""What QA is asked and what it answers: scenarios, runs and suites. Pure."""
