"""The command line: one module per noun, each command a thin call of one function.

Exit codes: 0 yes, 1 denied or a finding, 2 bad input. `--json` prints one JSON document and nothing else.
"""
