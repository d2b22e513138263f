"""Countermark: a use-control gateway that decides on evidence, and the assay of such safeguards.

Import a name from where it is defined (`from countermark.tlog.proof import verify_inclusion`); this package
re-exports nothing. `docs/design/` says what the parts are and which may know which.
"""

__version__ = "0.1.0"
