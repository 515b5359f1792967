"""Who works on which Chunks, at what share of the rate.

`base`: what a worker is given. `local`: this process does all of it. Processes on many machines
would be another engine here.
"""
