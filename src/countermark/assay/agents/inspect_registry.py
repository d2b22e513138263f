"""What Inspect AI finds by the entry point `inspect_ai`: approver `countermark/gate`, task `countermark/control-of-use`.

Imported where Inspect AI isn't installed, it registers nothing.
"""

from __future__ import annotations

from importlib.util import find_spec

from countermark.assay.agents import inspect_approver, inspect_tasks

if find_spec("inspect_ai") is not None:
    from inspect_ai import task
    from inspect_ai.approval import approver

    gate = approver(name="gate")(inspect_approver.gate)
    control_of_use = task(name=inspect_tasks.TASK)(inspect_tasks.control_of_use)
