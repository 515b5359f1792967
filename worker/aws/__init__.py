"""Logging in: whose credentials sign the calls, how they are renewed, what the SDK raises.

`login` and `_sources`, `_look`, `_process`: credentials that are not found, or expire. `access`,
`session`, `client`: endpoints, regions, proxies, trust roots. `control_plane`: the provisioned TPS.
`sdk_exceptions`: what an exception of the SDK becomes. `redact`: a secret that is shown. Of the
rest, `transport` alone imports the SDK.
"""
