"""QA: scenarios that an agent must master, what came of their runs, the judge."""
