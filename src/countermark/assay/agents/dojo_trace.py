"""What an agent wrote down of its run, made fit to be judged. Messages are plain mappings, as AgentDojo has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]


def strip_refused(messages: Sequence[Message], refused: Collection[str]) -> list[Message]:
    """A trace without the calls that a gate did not let through, and without their results.

    Twelve of AgentDojo's user tasks and one injection task are judged from the calls that stand in the assistant's
    messages: a call that was refused and left there counts as done.

    Args:
        refused: Ids of the calls.
    """
    kept: list[Message] = []
    for message in messages:
        if message["role"] == "tool" and message["tool_call"].id in refused:
            continue
        if message["role"] == "assistant" and message["tool_calls"]:
            calls = [call for call in message["tool_calls"] if call.id not in refused]
            if not calls:
                continue
            kept.append({**message, "tool_calls": calls})
        else:
            kept.append(message)
    return kept


def in_one_line(text: str) -> str:
    """A text with every run of white space as one space: YAML folds the lines of what is injected."""
    return " ".join(text.split())


def sees(injected: str, returned: Sequence[str]) -> bool:
    """Whether an injected text stands, whole, in one of the strings that a tool returned.

    The strings themselves are looked at, not how they are printed: printed as YAML, quotes are doubled and lines escaped,
    which hides a text of several lines from a search and from no reader.
    """
    wanted = in_one_line(injected)
    return any(wanted in in_one_line(text) for text in returned)
