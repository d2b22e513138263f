"""Headers by allow-list, claims, and the paths that are not read yet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import MalformedError, NotCarriedError, UpstreamError
from countermark.pep.claims import claims_of_header, claims_of_metadata, claims_of_texts, merge_claims
from countermark.pep.fields import NOT_YET, not_yet
from countermark.pep.headers import DROPPED, REFUSED, forwarded_request_headers, released_answer_headers

CLIENT = {
    "host": "gw", "authorization": "Bearer k", "x-api-key": "k", "content-type": "application/json", "accept": "*/*",
    "accept-encoding": "gzip, br", "user-agent": "OpenAI/Python", "x-stainless-lang": "python", "cookie": "a=b",
    "idempotency-key": "i", "countermark-claims": "bulk_persons=yes", "signature": "cm=:x:", "x-forwarded-for": "10.0.0.1",
    "x-of-the-future": "ada@halden.example",
}  # fmt: skip


def test_only_listed_headers_reach_the_upstream() -> None:
    """Of what the official clients send, version and inert betas go on; credentials, telemetry and the rest don't."""
    assert forwarded_request_headers(CLIENT, "openai") == {}
    beta = "interleaved-thinking-2025-05-14, context-1m-2025-08-07"
    sent = {**CLIENT, "anthropic-version": "2023-06-01", "anthropic-beta": beta}
    assert forwarded_request_headers(sent, "anthropic") == {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": beta,
    }
    assert forwarded_request_headers(sent, "openai") == {}


HEADERS_REFUSED = {
    "another organisation": ("openai", "openai-organization", "org-1"),
    "another project": ("openai", "openai-project", "p"),
    "another workspace": ("anthropic", "anthropic-workspace-id", "w"),
    "features of a beta": ("openai", "openai-beta", "assistants=v2"),
    "a beta that executes elsewhere": ("anthropic", "anthropic-beta", "mcp-client-2025-11-20"),
    "one inert beta and one that isn't": (
        "anthropic",
        "anthropic-beta",
        "context-1m-2025-08-07,code-execution-2025-05-22",
    ),
    "text in the version": ("anthropic", "anthropic-version", "ada@halden.example"),
    "a form": ("openai", "content-type", "multipart/form-data; boundary=x"),
    "another encoding of characters": ("openai", "content-type", "application/json; charset=utf-16"),
    "a compressed body": ("openai", "content-encoding", "gzip"),
    "another method": ("openai", "x-http-method-override", "DELETE"),
}


@pytest.mark.parametrize("what", HEADERS_REFUSED)
def test_headers_that_ask_for_an_undecided_effect_are_refused(what: str) -> None:
    """The error names the header and says what to do."""
    api, name, value = HEADERS_REFUSED[what]
    with pytest.raises(NotCarriedError) as caught:
        forwarded_request_headers({**CLIENT, name: value}, api)
    assert caught.value.field == f"header {name}"


def test_no_header_is_both_dropped_and_refused() -> None:
    """The lists don't contradict each other, and each entry has its reason."""
    assert not set(DROPPED) & set(REFUSED)
    assert all(len(reason) > 15 for reason in [*DROPPED.values(), *REFUSED.values()])


def test_answer_headers_are_released_by_list() -> None:
    """Type, request ids and rate limits come back; cookies, accounts and long waits don't."""
    upstream = {
        "Content-Type": "application/json", "X-Request-Id": "r", "request-id": "r2", "openai-processing-ms": "12",
        "x-ratelimit-remaining-tokens": "9", "anthropic-ratelimit-requests-limit": "5", "Set-Cookie": "a=b",
        "openai-organization": "org-1", "anthropic-organization-id": "o", "server": "x", "cf-ray": "y",
        "Retry-After": "3600", "content-length": "5", "transfer-encoding": "chunked", "x-should-retry": "false",
        "content-encoding": "identity",
    }  # fmt: skip
    assert released_answer_headers(upstream) == {
        "content-type": "application/json", "x-request-id": "r", "request-id": "r2", "openai-processing-ms": "12",
        "x-ratelimit-remaining-tokens": "9", "anthropic-ratelimit-requests-limit": "5", "x-should-retry": "false",
    }  # fmt: skip
    assert released_answer_headers({"retry-after": "20"}) == {"retry-after": "20"}
    assert released_answer_headers({"x-request-id": "a\r\nset-cookie: b"}) == {}
    with pytest.raises(UpstreamError, match="uncompressed"):
        released_answer_headers({"content-encoding": "gzip"})


CLAIMS = {
    "a line of its own": ("be brief\ncountermark-claim: bulk_persons=yes\nthanks", {"bulk_persons": "yes"}),
    "spaces, capitals, CRLF": ("  Countermark-Claim:  Consent = INSIDE \r\n", {"consent": "inside"}),
    "two lines": ("countermark-claim: a=1\ncountermark-claim: b=2", {"a": "1", "b": "2"}),
    "yes stands over no": ("countermark-claim: a=yes\ncountermark-claim: a=no", {"a": "yes"}),
    "a difference is a conflict": ("countermark-claim: a=x\ncountermark-claim: a=z", {"a": "conflict"}),
    "inside a sentence": ("write countermark-claim: a=yes there", {}),
}


@pytest.mark.parametrize("what", CLAIMS)
def test_claims_in_a_system_prompt_are_lines(what: str) -> None:
    """Only a whole line is a claim."""
    text, expected = CLAIMS[what]
    assert claims_of_texts([text]) == expected


def test_claims_in_headers_and_metadata() -> None:
    """A header lists them; metadata has a prefix; a header that can't be read is an error."""
    assert claims_of_header("bulk_persons=yes, consent=Inside") == {
        "bulk_persons": "yes",
        "consent": "inside",
    }
    assert claims_of_metadata({"countermark.bulk_persons": "yes", "team": "x"}) == {"bulk_persons": "yes"}
    for broken in ("", "bulk_persons", "=yes", "a=b c", "a=", "A B=yes"):
        with pytest.raises(MalformedError):
            claims_of_header(broken)


sources = st.lists(st.dictionaries(st.sampled_from("ab"), st.sampled_from(["yes", "no", "x"])), max_size=4)


@settings(max_examples=200)
@given(sources)
def test_a_yes_is_not_talked_away(claims: list[dict[str, str]]) -> None:
    """Merged claims say `yes` wherever one source does, in any order."""
    merged = merge_claims(claims)
    assert {name for name, value in merged.items() if value == "yes"} == {
        name for source in claims for name, value in source.items() if value == "yes"
    }
    assert merged == merge_claims(list(reversed(claims)))


def test_paths_that_are_not_read_say_what_to_use() -> None:
    """Each path of the APIs that is not served has a sentence; longer paths below it too; others are unknown."""
    assert "chat/completions" in NOT_YET["/v1/responses"]
    assert not_yet("/v1/files/file-1/content") == NOT_YET["/v1/files"]
    assert not_yet("/v1/messages/batches/b") == NOT_YET["/v1/messages/batches"]
    for served in ("/v1/chat/completions", "/v1/messages", "/v1/models", "/healthz", ""):
        assert not_yet(served) is None
