"""A hold says what is held, shows it truly, and can be carried as a file."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from oversight_world import BUNDLE, FACTS, NOW, VALUES, held, held_content

from countermark.errors import MalformedError, SealError
from countermark.facts import MOST
from countermark.oversight.action import action_descriptor
from countermark.oversight.hold import (
    HeldContent,
    check_content,
    encode_hold_file,
    hold_from_dict,
    hold_to_dict,
    new_hold_id,
    parse_hold_file,
    seal_content,
    unseal_content,
)
from countermark.oversight.sealing import HoldKey
from countermark.oversight.shown import fact_from_dict, fact_to_dict, facts_digest, values_from_dict
from countermark.oversight.words import body_text, plain, words
from countermark.request import Action

KEY = HoldKey(secret=b"k" * 32)


def prompt_content(body: bytes = b'{"model":"m-1"}') -> HeldContent:
    """A held prompt."""
    return HeldContent(
        descriptor=action_descriptor(
            workload="northmark/orders",
            action=Action.PROMPT,
            resource="m-1",
            upstream="main",
            body_sha256=hashlib.sha256(body).hexdigest(),
            headers={"accept": "application/json"},
        ),
        body=body,
    )


def test_a_hold_id_is_128_random_bits() -> None:
    """Two holds never share an id, and the id has the one form that formats name."""
    assert new_hold_id(lambda size: b"\x00" * size) == "h_" + "a" * 26
    assert len({new_hold_id() for _ in range(100)}) == 100


def test_a_hold_survives_writing_and_reading() -> None:
    """parse ∘ encode == id, with the unknown value of an upper limit, which JSON readers round."""
    hold = held(values={**VALUES, "countersigned.persons_at_most": MOST})
    assert hold_from_dict(json.loads(json.dumps(hold_to_dict(hold)))) == hold
    assert parse_hold_file(encode_hold_file(hold, held_content())) == (hold, held_content())


def test_content_opens_for_its_hold() -> None:
    """unseal ∘ seal == id, and only with this hold's id."""
    content, hold = held_content(), held()
    sealed = seal_content(content, hold, KEY)
    assert unseal_content(sealed, hold, KEY) == content
    with pytest.raises(SealError):
        unseal_content(sealed, held(), KEY)


def tampered(change: dict) -> bytes:
    """A carried hold in which something was changed afterwards."""
    value = json.loads(encode_hold_file(held(hold_id="h_" + "a" * 26), held_content()))
    for path, new in change.items():
        *parents, last = path.split("/")
        target = value
        for name in parents:
            target = target[name]
        target[last] = new
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"descriptor/arguments/target": "T-115"},
        {"descriptor/bundle": "c" * 64},
        {"hold/values/countersigned.can_actuate": "no"},
        {"hold/action_digest": "0" * 64},
        {"hold/facts_sha256": "0" * 64},
        {"hold/workload": "northmark/office"},
        {"hold/resource": "look"},
        {"hold/action": "prompt"},
        {"hold/hold": "x"},
        {"hold/hold": 3},
        {"hold/quorum": {"halden_reviewer": True}},
        {"hold/quorum": {"halden_reviewer": 0}},
        {"hold/clauses": ["RL-2", 2]},
        {"hold/clauses": None},
        {"hold/expires_at": "tomorrow"},
        {"hold/state": "won"},
        {"hold/values": []},
        {"hold/values": {"a": 1.5}},
        {"hold/facts": [{}]},
        {"type": "urn:countermark:hold:v2"},
        {"body": "not base64!"},
        {"body": 3},
        {"hold": []},
        {"descriptor": []},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_carried_hold_that_was_changed_is_refused(change: dict) -> None:
    """Who signs is never shown an action or facts other than those whose digests are signed."""
    with pytest.raises(MalformedError):
        parse_hold_file(tampered(change))


@pytest.mark.parametrize(
    "read",
    [
        lambda fact: values_from_dict([]),
        lambda fact: values_from_dict({"a": 1.5}),
        lambda fact: values_from_dict({"a": True}),
        lambda fact: values_from_dict({1: "a"}),
        lambda fact: fact_from_dict({**fact, "name": 1}),
        lambda fact: fact_from_dict({**fact, "values": {"sworn": "yes"}}),
        lambda fact: fact_from_dict({**fact, "values": {"operator": None}}),
        lambda fact: fact_from_dict({**fact, "support": [{**fact["support"][0], "level": "sworn"}]}),
        lambda fact: fact_from_dict({**fact, "support": [{**fact["support"][0], "signers": [1]}]}),
        lambda fact: fact_from_dict({**fact, "support": [{}]}),
    ],
)
def test_facts_of_another_form_are_refused(read) -> None:
    """What is shown to somebody who signs is read as strictly as what is signed."""
    with pytest.raises(MalformedError):
        read(fact_to_dict(FACTS[0]))


def test_a_carried_prompt_with_another_body_is_refused() -> None:
    """The body that a reviewer reads is the body that would be sent."""
    content = prompt_content()
    hold = held(content)
    value = json.loads(encode_hold_file(hold, content))
    value["body"] = base64.b64encode(b'{"model":"m-2"}').decode()
    with pytest.raises(MalformedError, match="body"):
        parse_hold_file(json.dumps(value).encode())
    check_content(hold, content)


def test_the_digest_of_facts_is_of_values_and_not_of_their_order() -> None:
    """Two gateways that know the same facts compute the same digest."""
    assert facts_digest(VALUES) == facts_digest(dict(reversed(VALUES.items())))
    assert facts_digest(VALUES) != facts_digest({**VALUES, "observed.binding": "api-key"})
    assert facts_digest({"countersigned.persons_at_most": MOST}) != facts_digest(
        {"countersigned.persons_at_most": 5}
    )


def test_holds_ask_the_same_question_while_action_bundle_and_facts_are_the_same() -> None:
    """A first approval may satisfy a clause: fewer clauses are still the same question, more are not."""
    hold = held(clauses=("RL-2", "RL-4"))
    assert hold.is_same_question(held(clauses=("RL-2",)))
    assert not held(clauses=("RL-2",)).is_same_question(hold)
    assert not hold.is_same_question(held(bundle="c" * 64))
    assert not hold.is_same_question(held(values={**VALUES, "observed.binding": "api-key"}))
    assert not hold.is_same_question(held(held_content(arguments={})))


def test_words_say_everything_that_is_signed() -> None:
    """Action, for whom, on which clauses and facts with signers and basis, how often and until when."""
    said = words(held(), held_content(), titles={"RL-2": "No autonomous use of force"})
    for part in (
        '`northmark/field` calls the tool `actuate` with {"target":"T-114"}',
        "RL-2 (No autonomous use of force)",
        "1 x halden_reviewer, 1 x northmark_commander",
        "eva (cannot approve)",
        BUNDLE[:16],
        "2026-05-03T11:00:00Z",
        "countersigned.can_actuate = yes",
        "northmark/owner (cem): word, party; halden/reviewer (ada): document-seen, party",
        "credential of the workload, until 2026-06-01T00:00:00Z",
        "ONCE",
    ):
        assert part in said


def test_words_of_a_prompt_name_model_upstream_body_and_headers() -> None:
    """A prompt is sent to a model at an upstream; its digest is the one that is signed."""
    content = prompt_content()
    said = words(held(content), content)
    assert "sends to the model `m-1` at `main`" in said
    assert hashlib.sha256(content.body).hexdigest() in said
    assert "accept: application/json" in said


def test_a_claim_is_not_shown_as_support_of_a_better_view() -> None:
    """Under a view only what is heard in it is listed."""
    claimed = tuple(
        replace(fact, support=tuple(replace(each, level=type(each.level).CLAIMED) for each in fact.support))
        for fact in FACTS
    )
    assert "northmark/owner (cem)" not in words(held(facts=claimed), held_content())


def test_words_of_a_closed_hold_say_that_a_signature_changes_nothing() -> None:
    """Nobody signs for something that was decided long ago without being told."""
    hold = held()
    closed = replace(hold, state=type(hold.state).USED, closed_at=NOW + timedelta(minutes=5))
    assert "a signature changes nothing" in words(closed, held_content())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("T-114", "T-114"),
        ("\x1b[2J", "\\u{1b}[2J"),
        ("abc\u202edef", "abc\\u{202e}def"),
        ("a\u200bb", "a\\u{200b}b"),
        ("one\ntwo", "one\\u{a}two"),
        ("Zürich 東京", "Zürich 東京"),
    ],
    ids=["plain", "clears the screen", "runs backwards", "zero width", "a second line", "other scripts"],
)
def test_what_comes_from_outside_cannot_pass_for_our_words(text: str, shown: str) -> None:
    """A model can't write arguments that rearrange what the reviewer reads."""
    assert plain(text) == shown


def test_hostile_arguments_stay_one_line_of_the_words() -> None:
    """Arguments that imitate our text can't begin a line of it."""
    content = held_content(arguments={"target": "x\n  needs         nobody\u202e"})
    said = words(held(content), content)
    assert said.count("\n  needs ") == 1
    assert "\u202e" not in said


def test_a_body_is_shown_with_what_is_cut_said() -> None:
    """Bytes that are no text are shown as escapes, and a long body says how much is missing."""
    assert body_text(HeldContent(descriptor={}, body=b"a\xff\nb")) == "a\\xff\nb"
    assert (
        body_text(HeldContent(descriptor={}, body=b"abcdef"), max_chars=4) == "abcd\n[cut: 2 more characters]"
    )
