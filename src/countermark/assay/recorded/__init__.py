"""Public records of safeguards under attack, as they ship: tables of outcomes, and a reader for each.

Answers for: what a row of each source means (unit, polarity, what a failed row counts as, how attempts become one
outcome), and what each table must hash to. Holds no prompt, no answer and no attack: only labels and counts.
`manifest.toml` and NOTICE say where each table comes from. Leaves to others: statistics and report.
"""
