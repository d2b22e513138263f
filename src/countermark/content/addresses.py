"""IP addresses, networks, ranges and host names in a folded text, in one spelling each.

A range is written as the networks that cover it (`10.0.0.1-10.0.0.50`), a wildcard as the whole that it stands for
(`10.4.*.*`): all of it has to lie inside an engagement. Times (`10:00:00`) and versions of three parts (`1.2.3`) are
no addresses; four parts are one (`1.2.3.4`), whatever they were meant as.

Source: RFC 4291, section 2.2 (forms of IPv6); RFC 1123, section 2.1 (host names).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Final

MAX_NETWORKS_OF_RANGE: Final = 16
"""A range that needs more is written as the one network around it, which is more than it."""

_OCTET: Final = r"(?:\d{1,3}(?:-\d{1,3})?(?:,\d{1,3}(?:-\d{1,3})?){0,32}|\*|[xX](?![A-Za-z]))"
_IPV4: Final = re.compile(
    rf"(?<![\d.])({_OCTET}(?:\.{_OCTET}){{3}})(?![\d*]|\.\d)"
    r"(?:\s?(?:-|to|through|\.\.)\s?(\d{1,3}(?:\.\d{1,3}){3})(?![\d]|\.\d)|/(\d{1,3}(?:\.\d{1,3}){3}|\d{1,2})(?![\d.]*\d))?",
    re.ASCII,
)
_IPV6: Final = re.compile(
    r"(?<![\w:.])([0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?)(?:%[\w.-]{1,32})?"
    r"(?:/(\d{1,3}))?(?![\w:]|\.\d)"
)
_COLONS: Final = re.compile(r":[0-9A-Fa-f]{0,4}:")
_HOST: Final = re.compile(
    r"(?<![\w.-])((?:[^\W_](?:[\w-]{0,61}\w)?|_[\w-]{1,62})(?:\.[\w](?:[\w-]{0,61}[^\W_])?){0,125}"
    r"\.(?:xn--[A-Za-z0-9-]{1,59}|[^\W\d_]{2,63}))(?![\w(]|-\w|\.\w)"
)
_URL: Final = re.compile(
    r"\b[A-Za-z][A-Za-z0-9+.-]{1,15}://(?:[^\s/@?#]{0,128}@)?(\[[^\]\s]{2,64}\]|[^\s/:?#\"'<>\\`)\],;]{1,253})"
)
_AFTER_AT: Final = re.compile(r"(?<=[\w.+/=?^`{|}~'!#$%&*-])@([\w-]{1,63}(?:\.[\w-]{1,63})*)")
_FILE_ENDING: Final = re.compile(
    # endings of file names that are no top-level domain
    r"bak|bin|bmp|cfg|class|conf|css|csv|dll|docx?|exe|gif|gz|html?|ini|ipynb|jar|jpe?g|jsx?|jsonl?|lock|log|md5|mp[34]"
    r"|odt|pdf|pem|png|pptx?|pyc|sha256|sql|svg|tar|tgz|tmp|toml|tsx?|txt|wav|webp|xlsx?|xml|ya?ml",
    re.IGNORECASE,
)
_PART: Final = r"(?:0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,11})"
_LOOSE: Final = re.compile(rf"{_PART}(?:\.{_PART}){{0,3}}\.?")
_HEXADECIMAL: Final = re.compile(rf"(?<![\w.])(?=[\d.]*0[xX])({_PART}(?:\.{_PART}){{3}})(?![\w]|\.\w)")


def find_addresses(text: str) -> Iterator[str]:
    """Yield every address, network and host name in a folded text; some more than once."""
    if "." in text:
        yield from _find_ipv4(text)
        if "0x" in text or "0X" in text:
            for match in _HEXADECIMAL.finditer(text):
                yield from _loose(match[1])
        for name in {match[1] for match in _HOST.finditer(text)}:
            if not _FILE_ENDING.fullmatch(name.rpartition(".")[2]):
                yield _host(name)
    if ":" in text:
        if _COLONS.search(text):
            yield from _find_ipv6(text)
        for host in {match[1] for match in _URL.finditer(text)}:
            yield from _url_host(host)
    if "@" in text:
        for host in {match[1] for match in _AFTER_AT.finditer(text)}:
            if not re.fullmatch(r"[\d.]+", host):
                yield _host(host)
    if "localhost" in text:
        yield "localhost"


def without_addresses(text: str) -> str:
    """The text with a gap for each IPv4 address, so that its digits are not taken for a telephone number."""

    def gap(match: re.Match[str]) -> str:
        telephone = match.string[max(0, match.start() - 2) : match.start()].rstrip().endswith("+")
        return match[0] if telephone or None in map(_octet, match[1].split(".")) else "\x00"

    return _IPV4.sub(gap, text)


def _host(name: str) -> str:
    name = name.rstrip(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return name.casefold()
    return name.lower()


def _url_host(host: str) -> Iterator[str]:
    if host.startswith("["):
        yield from _find_ipv6(host[1:-1])
    elif _LOOSE.fullmatch(host):
        yield from _loose(host)
    elif not re.fullmatch(r"[\d.*]+", host):
        yield _host(host)


def _loose(written: str) -> Iterator[str]:
    """The address that `2130706433`, `127.1`, `0x7f.0.0.1` and `0177.1` are to a resolver: one to four parts, of which
    the last fills what is left.

    Source: POSIX, `inet_addr`; WHATWG URL, section 3.5 (IPv4 parser).
    """
    parts = written.removesuffix(".").split(".")
    for leading_zero in (8, 10):  # `010` is 8 to most, and 10 to some
        try:
            *lead, last = (_part(part, leading_zero) for part in parts)
        except ValueError:  # `09` is no octal number
            continue
        if max(lead, default=0) < 256 and last < 256 ** (4 - len(lead)):
            yield str(IPv4Address(sum(part << (24 - 8 * place) for place, part in enumerate(lead)) + last))


def _part(written: str, leading_zero: int) -> int:
    if written[:2].lower() == "0x":
        return int(written, 16)
    return int(written, leading_zero if len(written) > 1 and written[0] == "0" else 10)


def _find_ipv4(text: str) -> Iterator[str]:
    # each way to write it once: what stands there a hundred thousand times is worked out once
    for address, last, mask in {match.groups() for match in _IPV4.finditer(text)}:
        low_high = [_octet(part) for part in address.split(".")]
        if any(bounds is None for bounds in low_high):
            continue
        bounds = [pair for pair in low_high if pair is not None]
        low = IPv4Address(bytes(pair[0] for pair in bounds))
        high = IPv4Address(bytes(pair[1] for pair in bounds))
        if last:
            with contextlib.suppress(ValueError):
                high = max(high, IPv4Address(".".join(str(int(part)) for part in last.split("."))))
        if mask:
            try:
                yield str(ip_network(f"{low}/{mask}", strict=False))
            except ValueError:
                pass
            else:
                if low == high:
                    continue
        yield from _range(low, high)
        if low == high:
            yield from _octal(address)


@lru_cache(maxsize=4096)
def _octet(part: str) -> tuple[int, int] | None:
    if part in {"*", "x", "X"}:
        return 0, 255
    numbers = [int(number) for number in re.split(r"[-,]", part)]
    return (min(numbers), max(numbers)) if max(numbers) <= 255 else None


def _octal(written: str) -> Iterator[str]:
    """The other reading of `010.0.0.1`, which some resolvers take as octal."""
    parts = written.split(".")
    if any(len(part) > 1 and part[0] == "0" for part in parts):
        try:
            numbers = [int(part, 8) if len(part) > 1 and part[0] == "0" else int(part) for part in parts]
            yield str(IPv4Address(bytes(numbers)))
        except ValueError:
            return


def _range(low: IPv4Address, high: IPv4Address) -> Iterator[str]:
    if low == high:
        yield str(low)
        return
    if high < low:
        low, high = high, low
    networks = list(summarize_address_range(low, high))
    if len(networks) <= MAX_NETWORKS_OF_RANGE:
        yield from (str(network).removesuffix("/32") for network in networks)
    else:
        yield str(ip_network(f"{low}/{32 - (int(low) ^ int(high)).bit_length()}", strict=False))


def _find_ipv6(text: str) -> Iterator[str]:
    for match in _IPV6.finditer(text):
        written = match[1]
        address: IPv6Address | None = None
        for candidate in (written, written.rstrip(":"), written.rpartition(":")[0]):
            try:
                found = ip_address(candidate)
            except ValueError:
                continue
            if isinstance(found, IPv6Address):
                address = found
                break
        if address is None or (written.strip(":") == "" and not match[2]):
            continue
        if match[2] and int(match[2]) <= 128:
            yield str(IPv6Network(f"{address}/{match[2]}", strict=False))
        elif address.ipv4_mapped is not None:
            yield str(address.ipv4_mapped)
        else:
            yield str(address)
