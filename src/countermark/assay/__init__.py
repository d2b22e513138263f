"""Measures how much of a safeguard is real: apparent, real and theater, each with its interval and at a stated cost.

Answers for: statistics, the matrix of outcomes and its rules, attribution to layers, the recorded public tables that
ship, and their report. Leaves to others: deciding (pdp), enforcing (pep) and every store; what it measures, it
measures from outside. Needs the extra `assay` (NumPy, SciPy); `extra.py` says so where they are missing.
"""
