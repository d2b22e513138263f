"""Goals and benign tasks as data: what is asked, what is really going on, and which twin asks for the same with right.

Answers for the truth of each scenario and for nothing that a seed decides (`worlds/`) or an attacker does
(`strategies/`). One TOML file is one cluster (spec/assay-scenarios.md).
"""
