"""What content shows: classifiers of requests, and whether an answer is a refusal. Signals may restrict, never permit.

`offline.py`, `classifier.py` and `refusal.py` are pure; `sources.py` puts the classifier of a bundle to work, with thin
adapters to servers (`moderations.py`, `chat_guard.py`) and a local model (`minilm.py`, an extra) beside it. What a signal
may do is the dialect's rule (`policy/lint.py`); which classifier and threshold count is the bundle's word.
"""
