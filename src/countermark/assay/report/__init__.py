"""How measurements are shown: a table for a terminal, one JSON document, one printed sheet.

Answers for: words, order and form. Leaves to others: every number; nothing is computed here but what is counted off.
"""
