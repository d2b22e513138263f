"""Logs of other tools, read into goals and strategies.

Answers for reading: each reader declares its unit, polarity, errors and epochs, reads strictly and within limits, and
drops nothing unsaid. Leaves to `outcomes`, `measured` and `report` what follows from the rows.
"""
