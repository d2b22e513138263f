"""Tool calls of an answer: each is asked for and decided on its own, before a byte that carries it is released."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from countermark.decision import Outcome
from countermark.errors import CredentialError, MalformedError
from countermark.oversight.action import action_digest, call_descriptor
from countermark.pdp.asked import Answered, Asked
from countermark.pdp.service import Service
from countermark.pep.callers import Callers
from countermark.pep.fields import number_texts
from countermark.pep.reading import ErrorKind, Limits, ToolCall, parse_arguments
from countermark.pep.refusal import Refusal, refusal_of
from countermark.request import Action

MAX_NAME_CHARS = 160
"""Of a model's or tool's name as it stands in an entry; the bundle's and the statements' own names are shorter."""


class CallDecider:
    """Decides the tool calls of answers."""

    def __init__(
        self,
        *,
        service: Service,
        callers: Callers,
        limits: Limits,
        count: Callable[[Answered, Action], None],
        no_decision: Callable[[ErrorKind, str, str], Refusal],
    ) -> None:
        """Take over what the enforcer has.

        Args:
            count: Counts a decision.
            no_decision: Counts a refusal for which there was none, and makes it.
        """
        self._service = service
        self._callers = callers
        self._limits = limits
        self._count = count
        self._no_decision = no_decision

    async def decide(self, prompt: Asked, parent: Answered, calls: Sequence[ToolCall]) -> Refusal | None:
        """Decide every tool call of an answer; the first that is not permitted stops them all.

        Several calls are first looked at without acting, so that no approval is used up for one call of an answer
        that another call stops.

        Returns:
            The refusal that stops the answer; None where every call is permitted.

        Raises:
            LogError: A decision is not known to be durable.
        """
        try:
            caller = self._callers.still(prompt.caller, self._service.now())
        except CredentialError as error:
            return self._no_decision(ErrorKind.UNAUTHENTICATED, "credential", str(error))
        prompt = replace(prompt, caller=caller)
        asked = [await self._service.seen_through(self._ask_call(prompt, parent, call)) for call in calls]
        if len(asked) > 1:
            for each in asked:
                considered = self._service.explain(each)
                if considered.decision.enforced is not Outcome.PERMIT:
                    asked = [each]
                    break
        for each in asked:
            answered = await self._service.answer(each)
            self._count(answered, Action.CALL)
            if answered.decision.enforced is not Outcome.PERMIT:
                return refusal_of(answered, prompt.caller, tool=each.resource)
        return None

    def _ask_call(self, prompt: Asked, parent: Answered, call: ToolCall) -> Asked:
        not_carried: str | None = None
        if len(call.name) > MAX_NAME_CHARS:  # cut in the entry, so that it can't pass for a declared one
            not_carried = f"expected a tool's name of at most {MAX_NAME_CHARS} characters"
        arguments: Any = None
        bundle = self._service.terms.bundle
        try:
            arguments = parse_arguments(call, limits=self._limits)
            descriptor = call_descriptor(
                workload=prompt.caller.workload, tool=call.name, arguments=arguments, bundle=bundle.digest
            )
        except MalformedError as error:
            not_carried = f"expected arguments of `{call.name[:60]}` that can be decided: {error}"
            descriptor = call_descriptor(
                workload=prompt.caller.workload, tool=call.name, arguments=None, bundle=bundle.digest
            )
        raw = call.arguments.encode("utf-8", "surrogatepass")
        return Asked(
            caller=prompt.caller,
            action=Action.CALL,
            resource=call.name[:MAX_NAME_CHARS],
            model=prompt.model,
            upstream="",
            descriptor=descriptor,
            digest=action_digest(descriptor),
            texts=tuple(strings_of(arguments)),
            claims=prompt.claims,
            named=prompt.named,
            parts=1,
            size=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
            content=raw,
            tools=prompt.tools,
            not_carried=not_carried,
            parent=parent.id,
        )


def strings_of(value: Any) -> Iterator[str]:
    """Every string in parsed JSON, keys included, and numbers as text: an address may stand in any of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield from number_texts(value)
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield str(key)
            yield from strings_of(child)
    else:
        for child in value:
            yield from strings_of(child)
