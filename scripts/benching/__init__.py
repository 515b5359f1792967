"""What scripts/bench is made of: a canned server, measured processes, and one module a mode."""
