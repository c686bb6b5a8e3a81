"""Work that must happen later or again: a sweep finds what is due."""
