"""The HTTP endpoints: one module each, and what they share.

`http` reads and writes, `about` is for the log, `flow` decides what comes next, `middleware` is the gate.
"""
