"""The command line: options, words for people, exit codes."""
