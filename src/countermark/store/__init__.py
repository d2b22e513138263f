"""State of one gateway: holds, nonces, consumed approvals, suspensions, the time last seen.

Each part declares the storage that it needs as a Protocol beside its own code; here are the implementations, all held
to the same tests: `sqlite` (the default, one file) and `memory` (for tests). The log is not here: it has its own
files, and what it says wins over what is here.
"""
