"""What a count is worth: exact intervals, bootstraps over related goals, paired tests, sample sizes, judges' errors.

Answers for: numbers in, estimates out, with the same result for the same seed. Leaves to others: what a row means,
and what counts as a breach (`outcomes.py`).
"""
