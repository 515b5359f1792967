"""The command line: options, words for people, the end of the process."""
