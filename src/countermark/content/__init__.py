"""Reading untrusted bytes: strict JSON for requests, digests, and the selectors (persons, addresses) in a text.

Everything here is pure: bytes or text in, a value out. It knows no wire format (`pep/`), no statement (`evidence/`) and
no clause; what a selector is *inside of* is computed where the evidence is.
"""
