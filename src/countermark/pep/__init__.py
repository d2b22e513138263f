"""Enforcement for callers: reads the wire formats by their tables of fields, and is the one way in and out.

`openai.py` and `anthropic.py` hold one table per API: every field, part, event and header is inert (forwarded), content
(read) or a reference to state or execution elsewhere (refused); what has no entry is refused by name. They are pure.
What is decided is left to `pdp/`; who asks, to `evidence/`.
"""
