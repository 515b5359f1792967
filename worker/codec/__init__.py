"""Rows to request bodies, and answers' bodies to columns: a value or a type is wrong. Pure.

`requests`: what a row sends, and why it is refused. `texts`: numbers, UUIDs and others as text.
`accepted_types`: a column whose type is refused, as a list where an ID is wanted. `decoder`,
`columns`: results that are read or laid out wrongly. `duplicates`, `digests`: identical requests.
"""
