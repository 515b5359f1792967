"""The command line: options, words for people, signals, the end of the process.

`main`: the commands; `options`: shared flags. `text`: summaries and plans as people see them.
`streams`: stdout and stderr that are closed, full or gone. What a command does is in `commands`.
"""
