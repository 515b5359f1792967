"""A command each, from its config to its end, without the command line."""
