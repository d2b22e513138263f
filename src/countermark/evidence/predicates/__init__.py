"""The predicates that evidence gives meaning to, one module each: a frozen value and a strict `parse_<predicate>`.

Each has a JSON Schema in `spec/predicates/`; `spec/predicates.md` shows an example before the rules.
"""
