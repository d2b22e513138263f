"""Makes facts of evidence: predicates of the context of use, the ties to a request, freshness, agreement, levels.

Pure: verified statements, what the gateway saw, and `now` go in; facts come out, each with what supports it. Leaves the
question who signed to `attestation/`, the reading of facts to `policy/`, and the joining of both to `pdp/gather.py`.
What is known of data sets comes from `provenance/`, of approvals from `oversight/`.
"""
