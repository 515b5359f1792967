"""One HTTP attempt."""
