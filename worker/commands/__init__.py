"""The steps of each command, from its config to its end, without a command line.

`run`, `plan`, `explain`, `loadtest`, `emulate`: one each. `finish`: what happens after the last
part: sum, gates, report, `_SUCCESS`. `advice`: what an error says to people. How pages are made is
in `report`.
"""
