"""Agents under attack, run live: somebody else's tasks and judges, an agent that obeys whatever it reads, our gates between.

Answers for: AgentDojo's pairs run offline with the always-obeying agent (`dojo_*.py`), the gates that stand before its
tools (`gates.py`, `gateway_gate.py`), and Countermark as Inspect AI's approver with the scenarios as its tasks
(`inspect_*.py`). Leaves to others: starting a gateway (`cli`), counting (`outcomes.py`), and every model.

What needs `agentdojo` or `inspect_ai` imports it inside its functions and says how to install it; the rest runs without.
"""
