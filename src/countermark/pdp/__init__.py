"""The policy decision point: gathers facts, decides, records, answers.

`service.py` walks the numbered steps; `gather.py` turns evidence and observation into the facts that the bundle's clauses
read; `decide.py` is the one pure function; `replay.py` re-decides what the log holds. Leaves enforcement to `pep/` and
the meaning of evidence and clauses to `evidence/` and `policy/`.
"""
