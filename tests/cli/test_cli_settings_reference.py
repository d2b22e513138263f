"""docs/reference/settings.md is what the settings are, and the template that `init` writes shows the defaults."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from make_settings_reference import PAGE, documented, keys, page

from countermark.config import SETTINGS_TEMPLATE, Settings, read_settings


def test_the_page_is_current() -> None:
    """Every setting has a heading, with its reason and default as the code has them."""
    assert PAGE.read_text() == page(), "run `python tests/cli/make_settings_reference.py`"
    assert set(re.findall(r"^### `([^`]+)`$", page(), re.MULTILINE)) == documented()


def test_every_field_can_be_set() -> None:
    """No setting exists that the file can't name."""
    assert {field.name for field in fields(Settings)} - {"folder", "upstreams", "signals"} == set(
        keys().values()
    )


def test_the_template_shows_the_defaults(tmp_path: Path) -> None:
    """The commented settings that `init` writes say what holds without them."""
    text = SETTINGS_TEMPLATE.format(gateway="gw-1", port=8400)
    tomllib.loads(text)
    (tmp_path / "settings.toml").write_text(text)
    assert read_settings(tmp_path) == Settings(folder=tmp_path.resolve())
