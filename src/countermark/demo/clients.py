"""The official client packages, unchanged: who has them needs nothing of ours to ask a gateway."""

from __future__ import annotations

from typing import Any

from countermark.errors import SettingsError


def clients() -> tuple[Any, Any]:
    """The packages `openai` and `anthropic`.

    Raises:
        SettingsError: They are not installed.
    """
    try:
        import anthropic
        import openai
    except ImportError as error:
        raise SettingsError(
            "expected the packages `openai` and `anthropic`: pip install 'countermark[demo]'"
        ) from error
    return openai, anthropic
