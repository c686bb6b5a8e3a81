"""Apps and demo scenarios are put into the table, again and again without harm. Used by operators alone."""
