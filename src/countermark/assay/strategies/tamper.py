"""Runs the gateway, and rewrites its log between two uses of an approval that is good for one.

What is asked is what `replay` asks. The first request passes with the people who decide on it; then the gateway is stopped,
its log changed, and started again; the second request has no signature but the one that is used up. Where a goal has no
approval to use twice, the log is of no use: its own request is sent as it is.
"""

from __future__ import annotations

from countermark.assay.strategies.asking import ask, attempt
from countermark.assay.strategies.asking import naive as naive_text
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene

CHANGES = ("drop-last-entry", "drop-approval-entry", "rewrite-signed", "remove-log")
"""Cut the last entry off; take out the one that used the approval up; write the log anew without it, and sign it with the
gateway's own key; throw the log away. `countermark.stacks` makes them."""


def _tries(scene: Scene) -> tuple[Try, ...]:
    if not scene.decided:
        return (attempt("nothing-to-use-twice", scene, ask(scene, naive_text(scene))),)
    twice = ask(scene, naive_text(scene), role="twin")
    return tuple(attempt(change, scene, twice, twice, roles=("twin",), tamper=change) for change in CHANGES)


STRATEGY = Strategy(
    name="tamper-log",
    title="uses an approval twice, after rewriting the log in between",
    aims_at="the log's chain and checkpoints, and the memory of used approvals",
    family="route",
    author=Author.AUTOMATED,
    cost=Cost.RUNNER,
    access="the gateway's machine, its keys and its log",
    liars=0,
    tries=_tries,
    needs=("own", "twin"),
)
