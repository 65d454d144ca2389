"""What a checked run must show, as pure functions: facts in, `Check`s out. No IO, no clock.

Each compares two accounts of the same thing that came by different ways, in whole numbers.
"""
