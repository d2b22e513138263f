"""People who look at what a model is asked: what they can catch, what they did catch, and how they count as a layer.

Answers for: expected figures of a site (`calculator.py`), figures from recorded reviews (`recorded.py`, `signal.py`), what
a gateway's log tells of its holds (`holds.py`), and supervisors as a layer of an assay (`simulated.py`). Leaves to others:
what a request is, and whether it was misuse.
"""
