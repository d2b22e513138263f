"""`doctor`: each thing that goes wrong is named, with what to do, and a gateway that is well is called well."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cli_world import document, run
from first_day import UPSTREAM, office, solo, state

from countermark.cli import checks
from countermark.cli.checks import Grade, examine
from countermark.tlog.segment import segment_paths


class _Model(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)  # it wants a key: it is there all the same
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway with all that it needs; its model's server is where `model` listens."""
    gateway = solo(tmp_path_factory.mktemp("well"))
    office(gateway)
    return gateway


@pytest.fixture
def gateway(well: Path, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    shutil.copytree(well, tmp_path / "g")
    return tmp_path / "g"


def found(gateway: Path, now: datetime | None = None) -> dict[str, str]:
    """Problems and what ends soon, by what they are about; the upstream's is left out."""
    findings = examine(gateway, now=(now or datetime.now(UTC)).replace(microsecond=0))
    problems: dict[str, str] = {}
    for each in findings:
        if each.grade in (Grade.PROBLEM, Grade.SOON) and each.about != "upstream":
            problems[each.about] = f"{problems.get(each.about, '')}\n{each.message}"
    return problems


def test_a_gateway_that_is_well_is_called_well(well: Path) -> None:
    """Nothing is wrong but that no model's server listens at its address."""
    assert found(well) == {}
    told = document("doctor", "--dir", well, code=1)
    assert [each["about"] for each in told["findings"] if each["grade"] == "problem"] == ["upstream"]
    notes = [each["message"] for each in told["findings"] if each["grade"] == "note"]
    assert any("keys of people lie beside the gateway" in each for each in notes)
    assert any("one-sided" in each for each in notes)
    assert any("can go round this gateway: northmark" in each for each in notes)


def test_an_upstream_that_answers_is_enough(tmp_path: Path) -> None:
    """Any status shows that it is there and speaks HTTP: it wants its key, which `doctor` doesn't send."""
    server = HTTPServer(("127.0.0.1", 0), _Model)
    Thread(target=server.serve_forever, daemon=True).start()
    gateway = tmp_path / "g"
    address = f"http://127.0.0.1:{server.server_port}"
    named = ("--party", "northmark", "--person", "ada", "--upstream", address, "--model", "m-1")
    run("init", gateway, "--solo", *named, "--port", 0)
    state(gateway, "credential", "--api-key-out", tmp_path / "k", "--holder", "ada")
    assert "nothing is wrong" in run("doctor", "--dir", gateway).output
    server.shutdown()
    server.server_close()
    assert f"expected a model's server at {address}" in run("doctor", "--dir", gateway, code=1).output


def _no_settings(gateway: Path) -> None:
    (gateway / "settings.toml").unlink()


def _setting_unknown(gateway: Path) -> None:
    (gateway / "settings.toml").write_text("[gateway]\ncolour = 1\n")


def _key_open(gateway: Path) -> None:
    (gateway / "keys/hold.key").chmod(0o644)


def _folder_open(gateway: Path) -> None:
    (gateway / "keys").chmod(0o755)


def _digest_key_gone(gateway: Path) -> None:
    (gateway / "keys/digest.key").unlink()


def _person_key_open(gateway: Path) -> None:
    (gateway / "people/ada.pem").chmod(0o640)


def _root_gone(gateway: Path) -> None:
    (gateway / "trust-root.json").unlink()


def _another_gateways_key(gateway: Path) -> None:
    (gateway / "keys/gateway.pem").unlink()
    (gateway / "keys/gateway.pub.json").unlink()
    run("keys", "new", "gw-1", "--out", gateway / "keys/gateway.pem")


def _bundle_changed(gateway: Path) -> None:
    path = gateway / "bundle/bundle.toml"
    path.write_text(path.read_text().replace("skew_s = 60", "skew_s = 61"))


def _out_of_the_dialect(gateway: Path) -> None:
    path = gateway / "bundle/clauses/RL-6.md"
    path.write_text(path.read_text().replace("unless {", "unless { context has operator &&"))


def _statement_broken(gateway: Path) -> None:
    path = next((gateway / "statements").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"AAAA'))


def _no_credential(gateway: Path) -> None:
    for path in (gateway / "statements").iterdir():
        path.unlink()


def _entry_changed(gateway: Path) -> None:
    segment = segment_paths(gateway / "log")[0]
    data = bytearray(segment.read_bytes())
    at = bytes(data).index(b'"kind":"start"')
    data[at + 9] ^= 1
    segment.write_bytes(bytes(data))


BROKEN: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no settings": (_no_settings, "settings", "countermark init"),
    "a setting that doesn't exist": (_setting_unknown, "settings", "colour"),
    "a secret that others can read": (_key_open, "keys", "0600"),
    "a folder of secrets that others can enter": (_folder_open, "keys", "can be entered by others"),
    "a secret that is gone": (_digest_key_gone, "keys", "digest.key"),
    "a person's key that others can read": (_person_key_open, "keys", "ada.pem can be read by others"),
    "no trust root": (_root_gone, "trust root", "expected the trust root"),
    "a key that the trust root doesn't name": (_another_gateways_key, "trust root", "another key"),
    "a bundle that nobody approved": (_bundle_changed, "bundle", "everything is denied"),
    "a clause that isn't in the dialect": (_out_of_the_dialect, "bundle", "RL-6"),
    "a statement that doesn't verify": (_statement_broken, "statements", ""),
    "nobody who can ask": (_no_credential, "statements", "every caller is refused (401)"),
    "an entry that was changed": (_entry_changed, "log", ""),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named(gateway: Path, case: str) -> None:
    """Each is a finding under its own heading, with exit code 1, and no other check falls over because of it."""
    break_it, about, message = BROKEN[case]
    break_it(gateway)
    problems = found(gateway)
    assert about in problems
    assert message in problems[about]
    run("doctor", "--dir", gateway, code=1)


TIMES = {
    "a credential that ends within the week": (timedelta(days=86), "statements", "ends at"),
    "a statement that has lapsed": (timedelta(days=91), "statements", "expected a time before"),
    "an approval of the bundle that ends within the week": (
        timedelta(days=84),
        "bundle",
        "its approval ends",
    ),
    "an approval that has lapsed": (timedelta(days=91), "bundle", "everything is denied"),
    "a trust root that ends within the month": (timedelta(days=340), "trust root", "ends at"),
    "a trust root that has lapsed": (timedelta(days=366), "trust root", ""),
    "a clock that is behind the log": (timedelta(seconds=-3600), "trust root", ""),
}


@pytest.mark.parametrize("case", TIMES)
def test_what_ends_is_said_before_it_ends(well: Path, case: str) -> None:
    """A week before (a trust root: a month), and after."""
    after, about, message = TIMES[case]
    problems = found(well, now=datetime.now(UTC) + after)
    assert message in problems[about]


def test_a_clock_behind_the_log_is_said(gateway: Path) -> None:
    """Decisions are never taken at a time before the log's last entry; whose clock is wrong is told."""
    ahead = datetime.now(UTC) + timedelta(days=2)
    patient = checks.Patient(folder=gateway, now=datetime.now(UTC).replace(microsecond=0))
    list(checks.check_settings(patient))
    list(checks.check_trust(patient))
    patient.now = ahead
    assert not [each for each in checks.check_log(patient) if each.grade is Grade.PROBLEM]
    patient.now = datetime.now(UTC) - timedelta(hours=1)
    assert [each.about for each in checks.check_log(patient) if each.grade is Grade.PROBLEM] == ["clock"]


def test_an_order_without_its_selector_key_is_named(gateway: Path, tmp_path: Path) -> None:
    """Without the key no person would be recognised as inside the order."""
    persons = tmp_path / "persons.txt"
    persons.write_text("subscriber:SUB-204417\n")
    order = ("--type", "order", "--number", "17/3", "--may-derive", "locate", "--selectors", persons)
    state(gateway, "legal-basis", *order, workload="orders")
    assert "statements" not in found(gateway)
    next((gateway / "keys/selectors").iterdir()).rename(gateway / "keys/selectors/other")
    assert "keyed with `northmark-1`" in found(gateway)["statements"]


def test_another_program_on_the_port_is_named(gateway: Path) -> None:
    """Somebody else's server is no gateway of ours."""
    server = HTTPServer(("127.0.0.1", 0), _Model)
    Thread(target=server.serve_forever, daemon=True).start()
    settings = gateway / "settings.toml"
    settings.write_text(settings.read_text().replace("port = 0 ", f"port = {server.server_port} "))
    assert "another program listens" in found(gateway)["port"]
    server.shutdown()
    server.server_close()
    assert "port" not in found(gateway)


def test_a_small_disk_is_named(gateway: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that can't write its log answers 503; it is said before that."""
    usage = shutil.disk_usage(gateway)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage._replace(free=10 << 20))
    assert "10 MiB are free" in found(gateway)["disk"]


def test_the_upstream_of_these_tests_is_not_there() -> None:
    """Otherwise they would prove nothing."""
    assert UPSTREAM.endswith(":9")
