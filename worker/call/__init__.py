"""One request to its outcome."""
