"""The human queue: a conversation is passed to a person, who claims and resolves it."""
