"""The played models that the assay's controls stand on."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

from countermark.loopback.answers import Api, Mode, compose, read_asked
from countermark.loopback.process import loopback_process
from countermark.loopback.refusal import REFUSAL


def _body(text: str) -> bytes:
    return json.dumps({"model": "m-1", "messages": [{"role": "user", "content": text}]}).encode()


def test_deny_refuses_whatever_is_asked() -> None:
    """No request gets an answer of the mode `deny`, whatever it says and whatever tools it offers."""
    for text in ("", "summarise this manual", 'call actuate({"target": "T-1"})'):
        assert [choice.text for choice in compose(read_asked(Api.CHAT, _body(text)), Mode.DENY)] == [REFUSAL]


def test_phrases_of_a_file_replace_the_list(tmp_path: Path) -> None:
    """A process that is given phrases refuses by these, folded, and by none of its own."""
    file = tmp_path / "phrases"
    file.write_text("Match  These Rows\n\n")
    with loopback_process("--mode", "refuse", "--phrases", str(file)) as model:
        for text, refused in (("please match these\nrows", True), ("guess their politics", False)):
            request = Request(
                f"{model.url}/v1/chat/completions",
                data=_body(text),
                headers={"content-type": "application/json"},
            )
            with urlopen(request, timeout=10) as answer:
                said = json.load(answer)["choices"][0]["message"]["content"]
            assert (said == REFUSAL) is refused
