"""Signs and verifies every statement of ours: keys, envelopes (DSSE), statements (in-toto), trust root, levels.

Offline and alone: it imports the vocabulary, `cryptography` and `rfc8785`, so that auditors and effectors can install
it without a web framework, database or policy engine. It answers *who vouches for this statement and until when*;
what a predicate means, and whether a statement concerns a request, is left to the part that owns the predicate.
"""
