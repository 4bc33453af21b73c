"""The sample: loads as it is, shows every field, and tells the true defaults."""

import re
import tomllib
from pathlib import Path

import pytest
from msgspec import structs

from otpvoice.settings import Settings, load
from otpvoice.settings.schema import SECTIONS, Client, Section
from otpvoice.settings.types import expected_format, required_type

SAMPLE = Path(__file__).parents[2] / "config" / "otpvoice.toml"
FIELDS = [(name, field) for name, kind in SECTIONS.items() for field in structs.fields(kind)]


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The sample, read."""
    return load({"OTPVOICE_CONFIG": str(SAMPLE)}).settings


def test_loads_as_it_is() -> None:
    """The sample starts outside production; only its open webhook is warned about."""
    loaded = load({"OTPVOICE_CONFIG": str(SAMPLE)})
    assert not loaded.settings.server.production
    assert len(loaded.warnings) == 1
    assert "every callback will be 401" in loaded.warnings[0]


def test_every_section_is_there() -> None:
    """The sample has the tables of the tree, in its order, and no others."""
    tree = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    assert list(tree) == [field.name for field in structs.fields(Settings)]


@pytest.mark.parametrize(("section", "field"), FIELDS, ids=lambda each: getattr(each, "name", each))
def test_every_field_is_there(settings: Settings, section: str, field: structs.FieldInfo) -> None:
    """Every field is written in the sample with its real default, or said to be required."""
    tree = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    assert field.name in tree[section]
    if field.required:
        assert _comment(section, field.name).startswith("# Required")
    else:
        assert getattr(getattr(settings, section), field.name) == field.default


@pytest.mark.parametrize(("section", "field"), FIELDS, ids=lambda each: getattr(each, "name", each))
def test_every_field_is_explained(section: str, field: structs.FieldInfo) -> None:
    """Every field has a comment of its own, with its bounds where it has any."""
    comment = _comment(section, field.name)
    assert len(comment) > 20
    for bound in re.findall(r"from (\d+) to (\d+)", expected_format(field.type)):
        if section != "verification" or field.name != "retention":  # told as "10m" and "365d"
            assert f"{bound[0]} to {bound[1]}" in comment
    if expected_format(field.type).endswith("at least 1"):
        assert "at least 1" in comment


@pytest.mark.parametrize("field", structs.fields(Client), ids=lambda field: field.name)
def test_every_field_of_a_client_is_there(field: structs.FieldInfo) -> None:
    """What a client may have of its own stands there commented out, in a form that is right."""
    sample = SAMPLE.read_text(encoding="utf-8")
    table = sample[sample.index("[clients.login-backend]\n") : sample.index("[provider]\n")]
    assert re.search(rf"^(# )?{field.name} = ", table, re.MULTILINE)


def test_commented_fields_of_a_client_load(tmp_path: Path) -> None:
    """An operator who removes the marks of the commented fields has a client that starts."""
    sample = SAMPLE.read_text(encoding="utf-8")
    uncommented = re.sub(r"^# (\w+ = )", r"\1", sample, flags=re.MULTILINE)
    (tmp_path / "otpvoice.toml").write_text(uncommented, encoding="utf-8")
    client = load({"OTPVOICE_CONFIG": str(tmp_path / "otpvoice.toml")}).settings.clients
    assert all(value is not None for value in structs.asdict(client["login-backend"]).values())


@pytest.mark.parametrize("kind", [*SECTIONS.values(), Client])
def test_every_field_can_tell_what_it_expects(kind: type[Section]) -> None:
    """Whatever is wrong, there are words for what would be right."""
    for field in structs.fields(kind):
        assert expected_format(required_type(field.type))


def _comment(section: str, field: str) -> str:
    """The comment right above a field of the sample."""
    text = SAMPLE.read_text(encoding="utf-8")
    table = text[text.index(f"\n[{section}]\n") :]
    match = re.search(rf"((?:^#.*\n)+){field} = ", table, re.MULTILINE)
    assert match, f"{section}.{field} has no comment"
    return match[1]
