"""Forms: what each predicate asks of whoever states it, as options, as questions, and as fields of a file.

Nothing is filled in that nobody said. A list that may be empty has to be said to be empty (`none`), since an empty one
is a statement too: that nothing is done to persons, or that nothing happens without a person between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from countermark.errors import MalformedError
from countermark.evidence.predicates.deployment import EFFECTS, ENVIRONMENTS, SITES
from countermark.evidence.predicates.legal_basis import TYPES
from countermark.evidence.predicates.oversight import DECIDERS, REVIEWS
from countermark.evidence.predicates.purpose import BASES_REQUIRED, DATA_CLASSES, OPERATIONS

NONE: Final = "none"
Ask = Callable[["Field"], str]
"""Asks a person for a field's value, in the words that the option takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a predicate.

    Attributes:
        name: In the predicate and in files.
        option: On the command line.
        question: What a person is asked.
        many: A list; options are repeated, answers are separated by commas.
        may_be_empty: `none` says that the list is empty.
        words: The values that it can have; empty where it is free.
        number: An integer.
        optional: Left out where nobody says it.
    """

    name: str
    option: str
    question: str
    many: bool = False
    may_be_empty: bool = False
    words: Sequence[str] = ()
    number: bool = False
    optional: bool = False

    @property
    def parameter(self) -> str:
        """The name under which click hands its value over."""
        return self.option.removeprefix("--").replace("-", "_")

    def read(self, value: Any) -> Any:
        """Read what was said: on the command line, in a file, or as an answer.

        Raises:
            MalformedError: Not a value of this field.
        """
        if self.many:
            return self._read_many(value)
        if self.number:
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
                return int(value)
            raise MalformedError(f"expected {self.option} to be a number, got `{value!s:.40}`")
        if not isinstance(value, str) or not value.strip():
            raise MalformedError(f"expected {self.option} to be a text, got `{value!s:.40}`")
        self._check(value.strip())
        return value.strip()

    def _read_many(self, value: Any) -> list[str]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            raise MalformedError(f"expected {self.option} to be texts")
        found = [piece.strip() for part in parts for piece in part.split(",") if piece.strip()]
        if self.may_be_empty and (found == [NONE] or value in ([], ())):
            return []
        if not found:
            raise MalformedError(
                f"expected {self.option}" + (f", or `{self.option} none`" if self.may_be_empty else "")
            )
        for item in found:
            self._check(item)
        return list(dict.fromkeys(found))

    def _check(self, item: str) -> None:
        # a bundle may have classes of its own beside these, so only closed lists are held here
        if self.words and self.name != "data_classes" and item not in self.words:
            raise MalformedError(
                f"expected {self.option} to be one of `{', '.join(self.words)}`, got `{item[:40]}`"
            )

    @property
    def help(self) -> str:
        """Help for the option."""
        parts = [self.question]
        if self.words:
            parts.append(f"One of {', '.join(self.words)}.")
        if self.may_be_empty:
            parts.append("`none` where there are none.")
        if self.many:
            parts.append("Again for more.")
        return " ".join(parts)


_DEPLOYMENT: Final = (
    Field(name="system", option="--system", question="Which system is it, in words?"),
    Field(name="operator", option="--operator", question="Which party operates it?"),
    Field(name="environment", option="--environment", question="Production or test?", words=ENVIRONMENTS),
    Field(name="site", option="--site", question="What kind of place is it?", words=SITES),
    Field(
        name="tools",
        option="--tool",
        question="Which tools may the model call, and what do they set off (NAME=effect+effect, NAME=nothing)?",
        many=True,
        may_be_empty=True,
    ),
    Field(
        name="answer_effects",
        option="--answer-effect",
        question="What does the plain answer set off by itself, with no person between?",
        many=True,
        may_be_empty=True,
        words=EFFECTS,
    ),
)
_PURPOSE: Final = (
    Field(
        name="purpose", option="--purpose", question="What is it for (a purpose of the bundle, like office)?"
    ),
    Field(
        name="models",
        option="--model",
        question="With which models, by the names that callers write?",
        many=True,
    ),
    Field(
        name="operations",
        option="--operation",
        question="What is done to persons?",
        many=True,
        may_be_empty=True,
        words=OPERATIONS,
    ),
    Field(
        name="data_classes",
        option="--data-class",
        question="What data does it carry?",
        many=True,
        words=DATA_CLASSES,
    ),
    Field(
        name="persons_at_most",
        option="--persons-at-most",
        question="How many persons may one request be about, at most?",
        number=True,
    ),
    Field(
        name="basis_required",
        option="--basis-required",
        question="Which legal basis does each request need?",
        words=BASES_REQUIRED,
    ),
)
_LEGAL_BASIS: Final = (
    Field(name="type", option="--type", question="An order or a consent?", words=TYPES),
    Field(name="number", option="--number", question="Its number in your register?"),
    Field(
        name="may_derive",
        option="--may-derive",
        question="What does it allow to be done?",
        many=True,
        words=OPERATIONS,
    ),
    Field(
        name="data_set",
        option="--data-set",
        question="Of a consent: which data set is it about?",
        optional=True,
    ),
)
_ENGAGEMENT: Final = (
    Field(name="number", option="--number", question="Its number in your register?"),
    Field(
        name="ranges",
        option="--range",
        question="Which networks may be tested (10.4.0.0/16)?",
        many=True,
        may_be_empty=True,
    ),
    Field(
        name="names",
        option="--host",
        question="Which host names (*.lab.example)?",
        many=True,
        may_be_empty=True,
    ),
)
_OVERSIGHT: Final = (
    Field(name="review", option="--review", question="When does a person look?", words=REVIEWS),
    Field(
        name="decides",
        option="--decides",
        question="Who takes the decision that has the effect?",
        words=DECIDERS,
    ),
)
_CREDENTIAL: Final = (
    Field(
        name="holders",
        option="--holder",
        question="Which persons hold it (they never approve what they ask)?",
        many=True,
    ),
)

FORMS: Final[Mapping[str, Sequence[Field]]] = {
    "credential": _CREDENTIAL,
    "deployment": _DEPLOYMENT,
    "purpose": _PURPOSE,
    "legal-basis": _LEGAL_BASIS,
    "engagement": _ENGAGEMENT,
    "oversight": _OVERSIGHT,
    "status": (),
}
MANY_WORKLOADS: Final = ("legal-basis", "engagement")
"""Predicates about something that several workloads may lean on."""


def fill(kind: str, given: Mapping[str, Any], found: Mapping[str, Any], ask: Ask | None) -> dict[str, Any]:
    """Fill in a form: what the command line says, else what the file says, else what a person answers.

    Args:
        given: By `Field.parameter`; None or empty where it wasn't said.
        found: By `Field.name`.
        ask: None where nobody can be asked.

    Raises:
        MalformedError: Fields that nobody said, all of them named; or a value that a field can't have.
    """
    made: dict[str, Any] = {}
    missing: list[Field] = []
    for field in FORMS[kind]:
        value = given.get(field.parameter)
        if value is None or value == ():
            value = found.get(field.name)
        if value is None and ask is not None and not field.optional:
            value = ask(field)
        if value is None:
            if not field.optional:
                missing.append(field)
            continue
        made[field.name] = value if isinstance(value, Mapping) else field.read(value)
    if missing:
        named = ", ".join(field.option for field in missing)
        first = missing[0]
        raise MalformedError(
            f"expected {named}: {first.help[0].lower()}{first.help[1:]} Nothing is filled in for you"
        )
    return made


def read_tools(value: Any) -> dict[str, dict[str, list[str]]]:
    """Tools and their effects, from `NAME=effect+effect` or from the predicate's own form.

    Raises:
        MalformedError: No effects are named, or one that isn't known.
    """
    if isinstance(value, Mapping):
        return {
            str(name): {"effects": list(item.get("effects", ())) if isinstance(item, Mapping) else []}
            for name, item in value.items()
        }
    tools: dict[str, dict[str, list[str]]] = {}
    for item in value:
        name, sign, effects = str(item).partition("=")
        named = [] if effects == "nothing" else effects.split("+")
        if not sign or not name or any(effect not in EFFECTS for effect in named):
            raise MalformedError(
                f"expected --tool like `search=nothing` or `mail=communicate+spend` (of {', '.join(EFFECTS)}), "
                f"got `{item!s:.60}`"
            )
        tools[name] = {"effects": named}
    return tools
