"""`countermark assay pack`: goals, papers and an attacker's script from anyone, sealed before the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from countermark.assay.extra import need_numbers
from countermark.attestation.keys import PrivateKey
from countermark.cli.key_files import read_public
from countermark.cli.output import FINDING, Group, example, json_option, progress, show, table
from countermark.cli.signing import key_option, read_file, write_new
from countermark.clock import system_clock
from countermark.errors import SettingsError

_file = click.Path(path_type=Path, exists=True, dir_okay=False)
_folder = click.Path(path_type=Path, exists=True, file_okay=False)
_truth = click.option("--truth", type=_file, metavar="FILE", help="The author's truth: opens it and counts.")
_SCRIPT_WARNING = (
    "expected --allow-script: the pack brings a program of its author, which runs on this machine as you. It gets no "
    "environment, no file or secret of ours, limits on time and memory and, where the kernel allows it, no network; but "
    "without a container it can read what you can read. Look at it first: `countermark assay pack show {pack} --script`"
)


@click.group("pack", cls=Group)
def pack() -> None:
    """Let somebody else write the exam: their goals, their papers, their attacker.

    The truth, which case is misuse and which is work, stays with the author until the run is over: only its digest is handed
    over. A pack measures control of use, not any model.
    """


@pack.command("new")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--author", required=True, metavar="NAME", help="Who writes it: heads every figure.")
@json_option
@example('countermark assay pack new borrowed-lists --author "Brightwater Lab"')
def new(folder: Path, author: str, *, as_json: bool) -> None:
    """Write a small pack to start from: scenarios, an attacker's script, and what to do next. It runs as it is."""
    from countermark.assay.pack.scaffold import write_scaffold

    about = write_scaffold(folder, author=author)
    show(
        {"folder": str(folder), "name": about.name, "author": about.author},
        as_json=as_json,
        text=lambda: (
            f"written: {folder}; next: edit {folder}/scenarios and {folder}/attacker, then\n"
            f"  countermark assay pack sign {folder} --key KEY --out {about.name}.pack"
        ),
    )


@pack.command("sign")
@click.argument("folder", type=_folder)
@key_option("Private key of the author (`countermark keys new`).")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="PACK",
    help="The pack, to be handed over.",
)
@click.option(
    "--truth",
    "truth_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the truth goes, which stays with you.  [default: beside PACK, ending in .truth.json]",
)
@json_option
@example("countermark assay pack sign borrowed-lists --key author.pem --out borrowed-lists.pack")
def sign(folder: Path, key: Path, out: Path, truth_file: Path | None, *, as_json: bool) -> None:
    """Seal a pack: cases in an order that says nothing, the script, and a signed digest of everything; the truth apart."""
    need_numbers()
    from countermark.assay.pack.sealed import make_pack, read_pack
    from countermark.assay.pack.source import read_source

    kept = truth_file or out.with_name(out.name.removesuffix(".pack") + ".truth.json")
    if kept == out or kept.exists() or out.exists():
        raise SettingsError(f"expected neither `{out}` nor `{kept}`, nor one file for both: name others")
    data, truth = make_pack(read_source(folder), PrivateKey.load(key), now=system_clock())
    made = read_pack(data, now=system_clock())
    _write_private(kept, truth)
    write_new(out, data)

    def words() -> str:
        counts = made.counts
        return "\n".join(
            [
                f"sealed: {out}, {len(made.cases)} cases, digest {made.sha256[:16]}, key {made.key.keyid[:12]}",
                f"kept:   {kept}: don't hand it over before the run",
                *_sizes(counts),
            ]
        )

    show(
        {
            "pack": str(out),
            "truth": str(kept),
            "sha256": made.sha256,
            "truth_sha256": made.truth_sha256,
            "keyid": made.key.keyid,
            "counts": dict(made.counts),
            "sizes": _sizes(made.counts),
        },
        as_json=as_json,
        text=words,
    )


@pack.command("show")
@click.argument("pack_file", metavar="PACK", type=_file)
@click.option("--script", "with_script", is_flag=True, help="Print the attacker's script, too.")
@json_option
@example("countermark assay pack show borrowed-lists.pack --script")
def show_pack(pack_file: Path, *, with_script: bool, as_json: bool) -> None:
    """Check a pack and say what is in it, without running anything."""
    need_numbers()
    from countermark.assay.pack.sealed import read_pack

    found = read_pack(read_file(pack_file), now=system_clock())

    def words() -> str:
        about = found.about
        lines = [
            f"{about.name} {about.version} by {about.author} (interest: {about.interest}), key {found.key.keyid[:12]}",
            about.about,
            f"{len(found.cases)} cases; the script has {about.asks} requests for each, at 0 to {about.liars} lying signers",
            f"digest {found.sha256}; truth sealed as {found.truth_sha256}",
            *_sizes(found.counts),
        ]
        for name, text in found.attacker.items() if with_script else ():
            lines += ["", f"--- attacker/{name}", _plain(text)]
        return "\n".join(lines)

    show(
        {
            "name": found.about.name,
            "version": found.about.version,
            "author": found.about.author,
            "interest": found.about.interest,
            "about": found.about.about,
            "keyid": found.key.keyid,
            "sha256": found.sha256,
            "truth_sha256": found.truth_sha256,
            "cases": len(found.cases),
            "counts": dict(found.counts),
            "asks": found.about.asks,
            "liars": found.about.liars,
            "script": dict(found.attacker) if with_script else sorted(found.attacker),
        },
        as_json=as_json,
        text=words,
    )


@pack.command("run")
@click.argument("pack_file", metavar="PACK", type=_file)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="RESULT",
    help="Folder of the result. A run of the same pack that was stopped goes on there.",
)
@click.option("--allow-script", is_flag=True, help="Run the author's program on this machine.")
@click.option(
    "--author-key",
    type=_file,
    metavar="FILE",
    help="The author's public key, from a source that isn't the pack.",
)
@_truth
@click.option("--seed", default=1, show_default=True, help="World, keys and draws come from it.")
@click.option("--mechanisms", is_flag=True, help="Also Countermark with each mechanism switched off in turn.")
@click.option(
    "--side-by-side", default=2, show_default=True, type=click.IntRange(1, 16), help="Stacks at a time."
)
@json_option
@example(
    "countermark assay pack run borrowed-lists.pack --out result --allow-script --author-key author.pub.json"
)
def run(
    pack_file: Path,
    folder: Path,
    author_key: Path | None,
    truth: Path | None,
    seed: int,
    side_by_side: int,
    *,
    allow_script: bool,
    mechanisms: bool,
    as_json: bool,
) -> None:
    """Play a pack against the four stacks and the controls. Its digest is in the log before the first request.

    Without the truth nobody here knows which case is misuse: what became of each case is logged and signed, and counted once
    the author opens the truth.
    """
    need_numbers()
    if not allow_script:
        raise SettingsError(_SCRIPT_WARNING.format(pack=pack_file))
    from countermark.stacks.pack import run_pack, score_pack

    with progress("cases, plainly and under the script", quiet=as_json) as tell:
        document = run_pack(
            read_file(pack_file),
            folder,
            author_key=None if author_key is None else read_public(author_key),
            seed=seed,
            mechanisms=mechanisms,
            side_by_side=side_by_side,
            tell=tell,
        )
    if truth is not None:
        _show_result(score_pack(folder, read_file(truth)), folder, as_json=as_json)
        return
    show(document, as_json=as_json, text=lambda: _sealed_words(document, folder))


@pack.command("score")
@click.argument("folder", metavar="RESULT", type=_folder)
@click.option("--truth", type=_file, required=True, metavar="FILE", help="The author's truth.")
@click.option("--vkey", help="Key of the run's log, from a source that is not the folder.")
@json_option
@example("countermark assay pack score result --truth borrowed-lists.truth.json")
def score(folder: Path, truth: Path, vkey: str | None, *, as_json: bool) -> None:
    """Open the truth of a run, check that it is the one that was sealed before it, and count.

    Whoever ran it has the key that signs the result. The author can count, too, in a copy of the folder without `keys/`, before
    the truth is handed over to anybody; nothing is written then.
    """
    need_numbers()
    from countermark.stacks.pack import score_pack

    _show_result(score_pack(folder, read_file(truth), vkey=vkey), folder, as_json=as_json)


def _show_result(document: Mapping[str, Any], folder: Path, *, as_json: bool) -> None:
    from countermark.assay.report.campaign_text import render

    def words() -> str:
        about = document["pack"]
        alone = about["by_answer_alone"]
        signed = (folder / "keys").exists()
        lines = [render(document, folder=folder if signed else None), "", *about["sizes"]]
        if alone:
            named = ", ".join(alone[:3])
            lines.append(
                f"{len(alone)} goals name nothing that could be recognised, and any answer counts as reaching them: {named}"
            )
        if not signed:
            lines.append("counted only: the key of the run isn't here, so nothing was signed or written")
        return "\n".join([*lines, about["note"]])

    show(document, as_json=as_json, text=words)
    if document["void"]:
        raise click.exceptions.Exit(FINDING)


def _sealed_words(document: Mapping[str, Any], folder: Path) -> str:
    names = [each["name"] for each in document["plan"]["strategies"]]
    confined = document["confined"]
    rows = [
        [
            stack["name"],
            *(str(document["through"][stack["name"]][name]) for name in names),
            str(document["script"][stack["name"]]["faults"]),
        ]
        for stack in document["plan"]["stacks"]
    ]
    return "\n".join(
        [
            f"SEALED: {len(document['cases'])} cases by {document['written_by']}; how many came through:",
            table(rows, ["", *names, "script faults"]),
            f"the script ran with network: {confined['network']}; files: {confined['files']}",
            "which of them are misuse only the author knows; counted by",
            f"  countermark assay pack score {folder} --truth FILE",
            *_sizes(document["plan"]["pack"]["counts"]),
            document["note"],
        ]
    )


def _plain(text: str) -> str:
    """Other people's text for a terminal: nothing in it moves the cursor."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def _sizes(counts: Mapping[str, int]) -> list[str]:
    from countermark.assay.statistics.size import plan_text

    return plan_text(
        counts["goals"], counts["tasks"], clusters=counts["clusters"], pairs=counts["twins"]
    ).splitlines()


def _write_private(path: Path, data: bytes) -> None:
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(data)
    except OSError as error:
        raise SettingsError(f"expected to write `{path}`: {error.strerror}") from error
