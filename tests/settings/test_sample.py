"""The sample file loads, has every field, and shows the defaults."""

import re
import tomllib
from pathlib import Path

import pytest
from msgspec import structs

from otpvoice.core.speech import Gate
from otpvoice.sections import Section
from otpvoice.setting_types import expected_format
from otpvoice.settings import Settings, load
from otpvoice.settings.schema import SECTIONS, Client

SAMPLE = Path(__file__).parents[2] / "config" / "otpvoice.toml"
FIELDS = [(name, field) for name, kind in SECTIONS.items() for field in structs.fields(kind)]


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Load the sample."""
    return load({"OTPVOICE_CONFIG": str(SAMPLE)}).settings


def test_sample_loads_outside_production() -> None:
    """With one warning, about the missing webhook secret."""
    loaded = load({"OTPVOICE_CONFIG": str(SAMPLE)})
    assert not loaded.settings.server.production
    assert len(loaded.warnings) == 1
    assert "every callback will be 401" in loaded.warnings[0]


def test_sample_has_the_sections_in_order() -> None:
    """And no others. Further providers and routes are in comments."""
    tree = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    names = [field.name.removeprefix("first_") for field in structs.fields(Settings)]
    assert list(tree) == [name for name in names if name not in {"providers", "routes"}]


def test_sample_of_further_providers_is_valid(tmp_path: Path) -> None:
    """With its comment marks removed."""
    sample = SAMPLE.read_text(encoding="utf-8")
    uncommented = re.sub(r"^#     (?=[\[\w])", "", sample, flags=re.MULTILINE)
    (tmp_path / "otpvoice.toml").write_text(uncommented, encoding="utf-8")
    settings = load({"OTPVOICE_CONFIG": str(tmp_path / "otpvoice.toml")}).settings
    assert list(settings.providers) == ["twilio", "plivo"]
    assert settings.providers["twilio"].spoken_flows()["en"].gate_kind is Gate.DOOR
    assert settings.routes["abroad"].regions == ("US", "GB")


@pytest.mark.parametrize(("section", "field"), FIELDS, ids=lambda each: getattr(each, "name", each))
def test_sample_has_every_field_with_its_default(
    settings: Settings, section: str, field: structs.FieldInfo
) -> None:
    """Or it says that the field is required."""
    tree = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    assert field.name in tree[section]
    if field.required or field.name in SECTIONS[section].required_unless:
        assert _comment(section, field.name).startswith("# Required")
    else:
        assert getattr(settings.tables()[section], field.name) == field.default


@pytest.mark.parametrize(("section", "field"), FIELDS, ids=lambda each: getattr(each, "name", each))
def test_sample_explains_every_field(section: str, field: structs.FieldInfo) -> None:
    """In a comment, with its bounds if it has any."""
    comment = _comment(section, field.name)
    assert len(comment) > 20
    for bound in re.findall(r"from (\d+) to (\d+)", expected_format(field.type)):
        if section != "verification" or field.name != "retention":  # written as "10m" and "365d"
            assert f"{bound[0]} to {bound[1]}" in comment
    if expected_format(field.type).endswith("at least 1"):
        assert "at least 1" in comment


@pytest.mark.parametrize("field", structs.fields(Client), ids=lambda field: field.name)
def test_sample_has_every_field_of_a_client(field: structs.FieldInfo) -> None:
    """Commented out, in a valid form."""
    sample = SAMPLE.read_text(encoding="utf-8")
    table = sample[sample.index("[clients.login-backend]\n") : sample.index("[provider]\n")]
    assert re.search(rf"^(# )?{field.name} = ", table, re.MULTILINE)


def test_sample_loads_with_uncommented_client_fields(tmp_path: Path) -> None:
    """Each field has a valid value."""
    sample = SAMPLE.read_text(encoding="utf-8")
    uncommented = re.sub(r"^# (\w+ = )", r"\1", sample, flags=re.MULTILINE)
    (tmp_path / "otpvoice.toml").write_text(uncommented, encoding="utf-8")
    client = load({"OTPVOICE_CONFIG": str(tmp_path / "otpvoice.toml")}).settings.clients
    assert all(value is not None for value in structs.asdict(client["login-backend"]).values())


@pytest.mark.parametrize("kind", [*SECTIONS.values(), Client])
def test_every_field_has_an_expected_format(kind: type[Section]) -> None:
    """For error messages."""
    for field in structs.fields(kind):
        assert expected_format(field.type)


def _comment(section: str, field: str) -> str:
    """Return the comment above a field of the sample."""
    text = SAMPLE.read_text(encoding="utf-8")
    table = text[text.index(f"\n[{section}]\n") :]
    match = re.search(rf"((?:^#.*\n)+){field} = ", table, re.MULTILINE)
    assert match, f"{section}.{field} has no comment"
    return match[1]
