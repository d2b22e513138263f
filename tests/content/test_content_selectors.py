"""Selectors: what names a person or a machine is found in its usual forms, and more rather than less."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.content.selectors import find_selectors


@dataclass(frozen=True)
class Pattern:
    kind: str
    pattern: str


SUBSCRIBERS = (Pattern(kind="subscriber", pattern="SUB-[0-9]{6}"),)

PERSONS: dict[str, tuple[str, set[str]]] = {
    "an address in prose": ("write to Ada@Halden.example.", {"email:ada@halden.example"}),
    "an address in brackets and JSON": (
        '{"to":"<ben+x@mail.halden.example>"}',
        {"email:ben+x@mail.halden.example"},
    ),
    "two addresses without a space": ("a@x.example,b@x.example", {"email:a@x.example", "email:b@x.example"}),
    "an address spelled to escape scanners": ("cem (at) halden [dot] example", {"email:cem@halden.example"}),
    "an address in full-width letters": ("ｄｕａ＠halden．example", {"email:dua@halden.example"}),
    "an address cut by characters without width": (
        "e\u200bva@hal\u00adden.example",
        {"email:eva@halden.example"},
    ),
    "an address in another script": ("ада@пример.example", {"email:ада@пример.example"}),
    "a number with its country": ("+15550100123", {"phone:+15550100123"}),
    "the same with separators": ("+1 (555) 010-0123", {"phone:+15550100123"}),
    "the same with 00": ("0015550100123", {"phone:+15550100123"}),
    "a national number, which has no country": ("(555) 010-0123", {"phone:5550100123"}),
    "dots as separators": ("555.010.0123", {"phone:5550100123"}),
    "a short number with a dash": ("ring 555-0100", {"phone:5550100"}),
    "digits in a row": ("num:5550100123", {"phone:5550100123"}),
    "digits of another script": ("+١٥٥٥٠١٠٠١٢٣", {"phone:+15550100123"}),
    "no-break spaces and typographic dashes": ("+1\u00a0555\u2011010\u20130123", {"phone:+15550100123"}),
    "the bundle's own kind": (
        "of SUB-123456 and sub-654321",
        {"subscriber:sub-123456", "subscriber:sub-654321"},
    ),
    "a date": ("on 2026-05-03, 03.05.2026 and 20260503", set()),
    "a date with a time": ("2026-05-03 10:00:00 and 2026-05-03T10:00:00Z", set()),
    "decimal numbers": ("pi 3.14159265, at 52.520008 13.404954", set()),
    "an IP address": ("10.4.0.5, 192.168.100.200:8080, 10.4.0.0/16", set()),
    "an identifier": ("550e8400-e29b-41d4-a716-446655440000 call_12345678", set()),
    "a small number": ("1234567 items at 12:30 for 1,234,567.89", set()),
    "nothing": ("The quick brown fox.", set()),
}


@pytest.mark.parametrize("what", PERSONS)
def test_persons_are_found_in_their_usual_forms(what: str) -> None:
    """Each form gives its one spelling; dates, decimals, addresses and identifiers give none."""
    text, expected = PERSONS[what]
    assert find_selectors([text], SUBSCRIBERS).persons == expected


ADDRESSES: dict[str, tuple[str, set[str]]] = {
    "an address with a port": ("scan 10.4.0.5:8080", {"10.4.0.5"}),
    "a network": ("10.4.0.0/16", {"10.4.0.0/16"}),
    "a network written from inside": ("10.4.7.9/16", {"10.4.0.0/16"}),
    "a network with a mask": ("10.4.0.0/255.255.0.0", {"10.4.0.0/16"}),
    "a dashed range": ("10.0.0.0-10.0.0.15", {"10.0.0.0/28"}),
    "a range in words": ("10.0.0.0 to 10.0.0.15", {"10.0.0.0/28"}),
    "a range of the last part": ("10.0.0.2-3", {"10.0.0.2/31"}),
    "a range across networks becomes the one around it": ("10.0.0.1-11.0.0.1", {"10.0.0.0/7"}),
    "wildcards": ("10.4.*.*", {"10.4.0.0/16"}),
    "two with a comma": ("10.0.0.1,10.0.0.2", {"10.0.0.1", "10.0.0.2"}),
    "brackets against scanners": (
        "10[.]4[.]0[.]5 and hxxp://db[.]lab[.]example/x",
        {"10.4.0.5", "db.lab.example"},
    ),
    "leading zeros, both readings": ("010.0.0.1", {"10.0.0.1", "8.0.0.1"}),
    "full-width digits": ("１０．４．０．５", {"10.4.0.5"}),
    "a number as host": ("http://2130706433/ https://0x7f000001:80/", {"127.0.0.1"}),
    "IPv6": ("2001:db8::1", {"2001:db8::1"}),
    "IPv6 with brackets and port": ("https://[2001:DB8::1]:443/x", {"2001:db8::1"}),
    "IPv6 written out": ("2001:0db8:0000:0000:0000:0000:0000:0001", {"2001:db8::1"}),
    "IPv6 network": ("2001:db8::/32", {"2001:db8::/32"}),
    "IPv6 with a zone": ("fe80::1%eth0", {"fe80::1"}),
    "IPv4 within IPv6": ("::ffff:10.4.0.5", {"10.4.0.5"}),
    "the whole of IPv6": ("::/0", {"::/0"}),
    "a host name": ("see DB-1.lab.Example.", {"db-1.lab.example"}),
    "a host in a URL": ("ssh://ada@db1:22/x http://intranet/", {"db1", "intranet"}),
    "a host after an account": ("ssh root@db1", {"db1"}),
    "a name in another script": ("http://пример.example/", {"xn--e1afmkfd.example"}),
    "many labels": ("a.b.c.d.e.f.g.h.i.j.k.l.m.example", {"a.b.c.d.e.f.g.h.i.j.k.l.m.example"}),
    "the machine itself": ("curl localhost:80", {"localhost"}),
    "a time": ("at 10:00:00 or 2026-05-03T10:00:00", set()),
    "a version": ("python 1.2.3, v3.11", set()),
    "five parts": ("1.3.6.1.4", set()),
    "parts over 255": ("300.1.1.1", set()),
    "a call in code": ("os.path.join(a)", set()),
    "a file": ("see report.pdf and data.json", set()),
    "C++": ("std::vector", set()),
    "prose": ("Done. Then, e.g. next", set()),
}


@pytest.mark.parametrize("what", ADDRESSES)
def test_addresses_are_found_in_their_usual_forms(what: str) -> None:
    """Each form gives addresses that `ipaddress` reads, or a host name in lower case."""
    text, expected = ADDRESSES[what]
    assert find_selectors([text]).addresses == expected


FRAMES = [
    "{}",
    "scan {}",
    "({})",
    "[{}]",
    '"{}"',
    "host={};",
    "<{}>",
    "{},",
    "a\n{}\nb",
    "{}. Then",
    "ip:{}",
    "\u200b{}",
]


@settings(max_examples=200)
@given(st.ip_addresses(v=4), st.sampled_from([*FRAMES, "{}:443", "http://{}/x", "root@{}", "{}/32", "v{}"]))
def test_any_ipv4_address_is_found_in_any_frame(address: ipaddress.IPv4Address, frame: str) -> None:
    """No surrounding of an address hides it."""
    found = find_selectors([frame.format(address)]).addresses
    assert any(ipaddress.ip_network(each).network_address == address for each in found if each[0].isdigit())


@settings(max_examples=200)
@given(
    st.ip_addresses(v=6), st.sampled_from(FRAMES[:2] + FRAMES[2:6] + ["[{}]:443", "http://[{}]/x", "{}/128"])
)
def test_any_ipv6_address_is_found_in_any_frame(address: ipaddress.IPv6Address, frame: str) -> None:
    """Neither brackets nor a port hide it, in short or long form."""
    if int(address) == 0:
        return
    expected = str(address.ipv4_mapped or address)
    for written in (str(address), address.exploded, str(address).upper()):
        found = find_selectors([frame.format(written)]).addresses
        assert expected in {each.removesuffix("/128") for each in found} or any(
            ":" in each and address in ipaddress.ip_network(each) for each in found
        )


@settings(max_examples=100)
@given(st.ip_addresses(v=4), st.integers(0, 4000), st.sampled_from(["{}-{}", "{} - {}", "{} to {}"]))
def test_a_range_covers_all_that_lies_in_it(low: ipaddress.IPv4Address, size: int, frame: str) -> None:
    """The networks of a range hold both ends and the middle."""
    high = ipaddress.IPv4Address(min(int(low) + size, 2**32 - 1))
    found = [ipaddress.ip_network(each) for each in find_selectors([frame.format(low, high)]).addresses]
    for inside in (low, high, ipaddress.IPv4Address((int(low) + int(high)) // 2)):
        assert any(inside in network for network in found)


names = st.from_regex(r"[a-z0-9](?:[a-z0-9._+-]{0,20}[a-z0-9])?", fullmatch=True)
hosts = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,8}){1,3}", fullmatch=True)


@settings(max_examples=200)
@given(names, hosts, st.sampled_from(["{}", "<{}>", "({})", "mailto:{}", "to={};", '"{}"', "{}, and", "{}."]))
def test_any_email_address_is_found_in_any_frame(name: str, host: str, frame: str) -> None:
    """No surrounding of an address hides it."""
    address = f"{name}@{host}"
    assert f"email:{address}" in {
        each.replace("to=", "", 1) for each in find_selectors([frame.format(address)]).persons
    } | {each.replace("email:to=", "email:", 1) for each in find_selectors([frame.format(address)]).persons}


@settings(max_examples=200)
@given(
    st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True),
    st.lists(st.integers(1, 4), min_size=3, max_size=5),
    st.sampled_from(" -./"),
)
def test_any_number_with_its_country_is_found_however_it_is_grouped(
    digits: str, groups: list[int], mark: str
) -> None:
    """`+` and 8 to 15 digits give one selector in every grouping."""
    parts, rest = [], digits
    for size in groups:
        if len(rest) > size:
            parts.append(rest[:size])
            rest = rest[size:]
    written = "+" + mark.join([*parts, rest])
    assert f"phone:+{digits}" in find_selectors([f"call {written} now"]).persons


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_any_text_can_be_searched(text: str) -> None:
    """Searching never fails, and what is found twice is found once."""
    found = find_selectors([text, text], SUBSCRIBERS)
    assert found == find_selectors([text], SUBSCRIBERS)
    assert all(each == each.casefold() for each in found.persons)
