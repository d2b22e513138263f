"""The terms of use: clauses, bundles, the one list of facts, the dialect's lint, and evaluation by Cedar.

Answers for: what a clause may read and say, whether a bundle may be put in force, and what its clauses say of one set
of facts and approvals. Leaves to others: where facts come from (`evidence`, `content`, `pdp/gather.py`), the outcome of
a decision with its people (`pdp/decide.py`), and who must sign a bundle (the trust root, in `attestation`).
"""
