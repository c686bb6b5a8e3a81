"""The sweep finds the rows that are due and hands them on to the features that do the work."""
