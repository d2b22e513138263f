"""Writes `spec/fields.md` from the tables themselves: `python -m countermark.pep.fields_table > spec/fields.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from countermark.pep import anthropic_answer, anthropic_fields, openai_fields
from countermark.pep.fields import NOT_YET, ByJson, Leaf, Shape
from countermark.pep.headers import (
    DROPPED,
    FORWARDED,
    INERT_BETAS,
    MAX_RETRY_AFTER_S,
    REFUSED,
    RELEASED,
    RELEASED_LEADS,
)

TABLES: Final[Mapping[str, tuple[str, Shape]]] = {
    "OpenAI Chat Completions, request": ("", openai_fields.REQUEST),
    "OpenAI Chat Completions, answer": ("answer", openai_fields.ANSWER),
    "OpenAI Chat Completions, chunk of a stream": ("chunk", openai_fields.CHUNK),
    "Anthropic Messages, request": ("", anthropic_fields.REQUEST),
    "Anthropic Messages, answer": ("answer", anthropic_answer.ANSWER),
    "Anthropic Messages, event of a stream": ("event", anthropic_answer.EVENT),
}
"""Each table with the word that its paths begin with in errors."""

_PREFACE: Final = """# Fields: what is read, forwarded and refused

<!-- generated: python -m countermark.pep.fields_table > spec/fields.md -->

    messages[user].content[image_url].image_url.url
    |              |                          |
    |              |                          a field of an object
    |              the member of a union, by its `type` (or `role`)
    a list of messages

Every value in a message has one line here, for each API and direction. What has none is refused, and the refusal names it as
this table would.

| kind | what happens to it |
| --- | --- |
| content | read: its strings are among the texts that facts are made of |
| inert | forwarded; of a type, or one of the named words, so that no text rides along |
| opaque | content that nobody here interprets: counted, and named among what was not read; text media are decoded and read |
| reference | state or execution elsewhere: DENY (in an answer: 502), with what to do instead |

- `null` is accepted for every known field: it carries nothing. What was already listed is not listed twice: `as` names where.
- A bundle can add fields by these paths (`content`: every string in it is read; `inert`: a number or flag); it can't open a
  reference. Paths of answers begin with `answer.`, of streams with `chunk.` or `event.`.
- Bytes are never changed: what was read is what is sent, and what is released is what the upstream sent.
- Inline files: base64 of `text/*`, JSON, XML, YAML, TOML and CSV is decoded and read (UTF-8, else 400). Images, sounds and PDFs
  are counted by media type. Signatures and sealed thinking are counted as `sealed/...`; what isn't base64 there is read.
"""


def _lines(shape: Shape, path: str, listed: dict[int, str]) -> Iterator[str]:
    if isinstance(shape, Leaf):
        says = shape.says.replace("|", "\\|")
        yield f"| `{path}` | {shape.kind} | {says} |"
        return
    parts = list(shape.parts(path))
    if not isinstance(shape, ByJson) and len(parts) > 1:
        earlier = listed.setdefault(id(shape), path)
        if earlier != path:
            yield f"| `{path}` | as | `{earlier}` |"
            return
    if not parts:
        yield f"| `{path}` | inert | an empty object |"
    for where, part in parts:
        yield from _lines(part, where, listed)


def _headers() -> Iterator[str]:
    yield "## Headers of requests\n"
    yield "| header | what happens to it | why |\n| --- | --- | --- |"
    for api, names in FORWARDED.items():
        for name in names:
            yield f"| `{name}` | sent on ({api}) | its value is checked |"
    for name, how in REFUSED.items():
        yield f"| `{name}` | refused | {how} |"
    yield "| `content-encoding` | refused | compressed bodies are not read |"
    for name, reason in DROPPED.items():
        yield f"| `{name}` | dropped | {reason} |"
    yield "| any other | dropped | the upstream would do nothing with it that was decided |\n"
    yield (
        "Of `anthropic-beta` these values are sent on: "
        + ", ".join(f"`{each}`" for each in sorted(INERT_BETAS))
        + ".\n"
    )
    yield "## Headers of answers\n"
    leads = " or ".join(f"`{lead}`" for lead in RELEASED_LEADS)
    yield (
        "Released: "
        + ", ".join(f"`{name}`" for name in sorted(RELEASED))
        + f", and what begins with {leads}."
    )
    yield f"A `retry-after` over {MAX_RETRY_AFTER_S} s stays behind, since clients sleep as long as they are told."
    yield "All others stay behind. An answer that is compressed is refused: it was asked for as it is.\n"


def render() -> str:
    """The whole of `spec/fields.md`."""
    lines = [_PREFACE]
    for title, (path, shape) in TABLES.items():
        lines += [
            f"## {title}\n",
            "| field | kind | what |\n| --- | --- | --- |",
            *_lines(shape, path, {}),
            "",
        ]
    lines += _headers()
    lines += ["## Paths that are not read yet\n", "| path | what to do |\n| --- | --- |"]
    lines += [f"| `{path}` | {how} |" for path, how in NOT_YET.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render(), end="")
