"""Values that each field accepts and rejects."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest

from otpvoice.core.speech import Flow, Gate
from otpvoice.settings import LoadedSettings

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

KEY = "QUFB" * 10 + "QUE="  # 32 bytes
URL_SAFE = "-_-_" * 10 + "-_8"


def setting(field: str, literal: str) -> tuple[str, dict[str, None]]:
    """Return a file with the setting, and the variable that must not override it."""
    *table, name = field.split(".")
    toml = f"[{'.'.join(table)}]\n{name} = {literal}\n"
    return toml, {"OTPVOICE_" + field.upper().replace(".", "_"): None}


@pytest.mark.parametrize(
    ("field", "literal", "value"),
    [
        ("server.bind", '"0.0.0.0:0"', "0.0.0.0:0"),
        ("server.bind", '"[::1]:8000"', "[::1]:8000"),
        ("server.bind", '"unix:/run/otpvoice.sock"', "unix:/run/otpvoice.sock"),
        ("dialer.metrics_bind", '""', ""),
        ("dialer.metrics_bind", '"[::1]:9464"', "[::1]:9464"),
        ("server.public_url", '"https://otp.example.com/voice/"', "https://otp.example.com/voice"),
        ("server.cors_origins", "[]", ()),
        ("server.cors_origins", '"https://app.example.com"', ("https://app.example.com",)),
        (
            "server.cors_origins",
            '["http://localhost:5173", "https://[::1]:8443", "capacitor://localhost"]',
            ("http://localhost:5173", "https://[::1]:8443", "capacitor://localhost"),
        ),
        ("server.production", "false", False),
        ("server.threads", "1", 1),
        ("redis.url", '"rediss://user:p%40ss@store:6380/3"', "rediss://user:p%40ss@store:6380/3"),
        ("redis.url", '"redis://store"', "redis://store"),
        ("redis.url", '"unix:///run/redis.sock?db=1"', "unix:///run/redis.sock?db=1"),
        ("redis.url", '"redis+sentinel://a:1,b:2/main"', "redis+sentinel://a:1,b:2/main"),
        (
            "redis.url",
            '"redis+sentinel://:pw@a:1,[::1]:2/main/3?tls=true"',
            "redis+sentinel://:pw@a:1,[::1]:2/main/3?tls=true",
        ),
        (
            "redis.url",
            '"redis+cluster://user:p%40ss@a:1,b:2?tls=true"',
            "redis+cluster://user:p%40ss@a:1,b:2?tls=true",
        ),
        ("redis.url", '"redis+cluster://10.0.0.1:6379/"', "redis+cluster://10.0.0.1:6379/"),
        (
            "redis.url",
            '"redis+sentinel://a:1/main?tls=true&sentinel_username=u&sentinel_password=p%40"',
            "redis+sentinel://a:1/main?tls=true&sentinel_username=u&sentinel_password=p%40",
        ),
        ("secrets.number_key", f'"{KEY}"', b"A" * 32),
        ("secrets.number_key", f'"{URL_SAFE}"', bytes.fromhex("fbffbf" * 10 + "fbff")),
        ("provider.base_url", '"http://127.0.0.1:8100/api/v2"', "http://127.0.0.1:8100/api/v2/"),
        ("provider.bridge", '"1234567"', "1234567"),
        ("provider.caller_id", '"+918068280000"', "+918068280000"),
        ("provider.caller_id", '""', ""),
        ("provider.routes", '["c2c"]', ("c2c",)),
        ("provider.webhook_secret", '"one"', ("one",)),
        ("provider.webhook_secret", '"one,with-comma"', ("one,with-comma",)),
        ("provider.webhook_secret", '["new", "old"]', ("new", "old")),
        ("provider.webhook_secret", '""', ()),
        ("provider.webhook_path_token", '"a-b.c_d~e"', ("a-b.c_d~e",)),
        ("provider.interval", "45", 45),
        ("provider.otp_format", '"spaced"', "spaced"),
        ("provider.default_name", '"ग्राहक"', "ग्राहक"),
        ("provider.default_name", '"{Name} Kumar"', "Kumar"),
        ("provider.timezone", '"Europe/Berlin"', "Europe/Berlin"),
        ("provider.c2c_attempts", "2", 2),
        ("verification.ttl", "60", 60),
        ("verification.ttl", '"10m"', 600),
        ("verification.ttl", '"90s"', 90),
        ("verification.ttl", '"90"', 90),
        ("verification.retention", '"24h"', 86400),
        ("verification.retention", '"30d"', 2592000),
        ("verification.code_length", "10", 10),
        ("verification.min_remaining_life", "0", 0),
        ("limits.regions", '["in", "De"]', ("IN", "DE")),
        ("limits.regions", "[]", ()),
        ("limits.number_types", '["fixed_line"]', ("fixed_line",)),
        ("limits.deny_prefixes", "[]", ()),
        ("limits.call_gap", '[30, "1m", "2h"]', (30, 60, 7200)),
    ],
)
def test_valid_value_is_accepted_in_normal_form(
    start: Start, field: str, literal: str, value: object
) -> None:
    """Within its bounds."""
    toml, variables = setting(field, literal)
    settings: Any = start(toml, **variables).settings
    assert reduce(getattr, field.split("."), settings) == value


@pytest.mark.parametrize(
    ("field", "literal", "expected"),
    [
        ("server.bind", '"8000"', "host:port"),
        ("server.bind", '"localhost:65536"', "host:port"),
        ("dialer.metrics_bind", '"9464"', "host:port"),
        ("dialer.metrics_bind", '"unix:/run/metrics.sock"', "host:port"),
        ("server.public_url", '"otp.example.com"', "http:// or https://"),
        ("server.public_url", '"ftp://otp.example.com"', "http:// or https://"),
        ("server.public_url", '"https://"', "http:// or https://"),
        ("server.public_url", '"https://user:pw@host"', "password"),
        ("server.public_url", '"https://host/?a=1"', "query"),
        ("server.public_url", '"https://host/#a"', "fragment"),
        ("server.public_url", '"https://host:0"', "URL"),
        ("server.public_url", '"HTTPS://host"', "lower case"),
        ("server.public_url", '"https://ho st"', "URL"),
        ("server.cors_origins[0]", '"*"', "no path or *"),
        ("server.cors_origins[0]", '["https://*.example.com"]', "no path or *"),
        ("server.cors_origins[0]", '["null"]', "an origin like"),
        ("server.cors_origins[0]", '["app.example.com"]', "an origin like"),
        ("server.cors_origins[0]", '["https://app.example.com/"]', "no path or *"),
        ("server.cors_origins[0]", '["https://app.example.com/login"]', "no path or *"),
        ("server.cors_origins[0]", '["https://App.example.com"]', "lower case"),
        ("server.cors_origins[0]", '["https://user@app.example.com"]', "an origin like"),
        ("server.cors_origins[0]", '["https://a.example.com https://b.example.com"]', "an origin"),
        ("server.cors_origins[0]", '["https://app.example.com\\n"]', "an origin like"),
        ("server.cors_origins[0]", '["https://app.example.com:443"]', "the usual port"),
        ("server.cors_origins[0]", '["http://app.example.com:80"]', "the usual port"),
        ("server.cors_origins[0]", '["https://app.example.com:0"]', "an origin like"),
        ("server.cors_origins[0]", '["https://app.example.com:65536"]', "an origin like"),
        ("server.cors_origins[0]", '["https://"]', "an origin like"),
        ("server.cors_origins", "true", "a list"),
        ("server.production", "1", "true or false"),
        ("server.threads", "0", "at least 1"),
        ("server.threads", "1.5", "whole number"),
        ("server.threads", "true", "whole number"),
        ("server.workers", "0", "at least 1"),
        ("redis.url", '"http://store"', "redis://, rediss://, unix://"),
        ("redis.url", '"redis+tls://a:1"', "redis+sentinel:// or redis+cluster://"),
        ("redis.url", '"redis+cluster://user@a:1"', "redis+sentinel:// or redis+cluster://"),
        ("redis.url", '"redis+cluster://"', "host:port,host:port"),
        ("redis.url", '"redis+cluster://a,b:2"', "host:port,host:port"),
        ("redis.url", '"redis+cluster://a:1,"', "host:port,host:port"),
        ("redis.url", '"redis+cluster://a:65536"', "host:port,host:port"),
        ("redis.url", '"redis+cluster://::1:6379"', "host:port,host:port"),
        ("redis.url", '"redis+cluster://a:1/0"', "no databases"),
        ("redis.url", '"redis+cluster://a:1?ssl=true"', "nothing but ?tls=true"),
        ("redis.url", '"redis+cluster://a:1?sentinel_password=x"', "nothing but ?tls=true"),
        ("redis.url", '"redis+sentinel://a:1/main?sentinel_password="', "sentinel_password=…"),
        ("redis.sentinel_password", '"two words"', "visible ASCII"),
        ("redis.sentinel_password", '"word"', "not a redis+sentinel:// URL"),
        ("redis.ca_file", f'"{__file__}"', "no use without TLS: set redis.url to rediss://"),
        ("redis.client_cert", f'"{__file__}"', "no use without TLS"),
        ("redis.ca_file", '"/missing.pem"', "'/missing.pem' cannot be read: No such file"),
        ("redis.client_cert", '"a\\u0000b"', "cannot be read: it is no path"),
        ("redis.url", '"redis+sentinel://a:1,b:2"', "/service"),
        ("redis.url", '"redis+sentinel://a:1,b:2/"', "/service"),
        ("redis.url", '"redis+sentinel://a:1,b:2/main/x"', "/service/database"),
        ("redis.url", '"redis+sentinel://a:1,b:2/main/0/1"', "/service/database"),
        ("redis.url", '"redis+sentinel://a:1/main/0?tls=yes"', "nothing but ?tls=true"),
        ("redis.url", '"redis:///0"', "host"),
        ("redis.url", '"unix://"', "socket"),
        ("redis.url", '"unix:/run/redis.sock"', "path of the socket"),
        ("redis.url", '"redis://store/main"', "not a number"),
        ("secrets.keys", "[]", "1 or more"),
        ("secrets.keys[0]", f'["{KEY}"]', "id before the colon"),
        ("secrets.keys[0]", f'["K1:{KEY}"]', "id before the colon"),
        ("secrets.keys[0]", f'["{"k" * 33}:{KEY}"]', "id before the colon"),
        ("secrets.keys[1]", f'["k1:{KEY}", "k2:QUFB"]', "3 bytes"),
        ("secrets.keys[0]", f'["k1:{KEY[:-4]}????"]', "not base64"),
        ("secrets.keys[0]", '[{ id = "k1", key = "QUFB" }]', "base64 of exactly 32 bytes"),
        ("secrets.keys[1]", f'["k1:{KEY}", "k1:{URL_SAFE}"]', "k1 is already in the list"),
        ("secrets.number_key", f'"{"QUFB" * 11}"', "33 bytes"),
        ("secrets.number_key", "7", "base64 of exactly 32 bytes"),
        ("provider.name", '"othertel"', "one of mobtexting"),
        ("provider.base_url", '"portal.mobtexting.com"', "http:// or https://"),
        ("provider.token", '""', "visible ASCII"),
        ("provider.token", '"two words"', "visible ASCII"),
        ("provider.bridge", '"+918068280000"', "7 to 15 digits"),
        ("provider.bridge", '"123456"', "7 to 15 digits"),
        ("provider.bridge", '"1234567890123456"', "7 to 15 digits"),
        ("provider.bridge", '"१२३४५६७८"', "7 to 15 digits"),
        ("provider.bridge", r'"918068280000\n"', "7 to 15 digits"),
        ("provider.bridge", "918068280000", "text of"),
        ("provider.bridge", "2026-01-01", "text of"),
        ("provider.caller_id", '"918068280000"', "E.164 with +"),
        ("provider.routes", "[]", "1 or more"),
        ("provider.routes", "{ obd = true }", "a list"),
        ("verification.redial_after[1]", '["busy", "declined"]', "one of busy, no_answer, failed"),
        ("provider.routes[1]", '["obd", "sip"]', "one of obd, c2c"),
        ("provider.routes[2]", '["obd", "c2c", "obd"]', "obd is already in the list"),
        ("provider.webhook_id", "12", "text"),
        ("provider.webhook_secret[1]", '["right", ""]', "visible ASCII"),
        ("provider.webhook_path_token[0]", '"a/b"', "letters, digits"),
        ("provider.interval", "7", "one of 0, 5, 15, 30, 45, 60"),
        ("provider.otp_format", '"dots"', "one of comma, spaced, plain"),
        ("provider.default_name", '"123"', "a name with letters of any script: '123' has none"),
        ("provider.timezone", '"Asia/Bangalore"', "'Asia/Bangalore' is not in it"),
        ("provider.timezone", '"../etc/passwd"', "time zone"),
        ("provider.timezone", '""', "time zone"),
        ("provider.c2c_attempts", "3", "from 0 to 2"),
        ("provider.c2c_attempts", "-1", "from 0 to 2"),
        ("provider.c2c_duration", "0", "at least 1"),
        ("verification.ttl", "59", "from 60 to 600"),
        ("verification.ttl", '"11m"', "from 60 to 600"),
        ("verification.ttl", '"5 min"', '"10m"'),
        ("verification.ttl", "[300]", "seconds"),
        ("verification.code_length", "3", "from 4 to 10"),
        ("verification.code_length", "11", "from 4 to 10"),
        ("verification.max_checks", "0", "from 1 to 10"),
        ("verification.max_checks", "11", "from 1 to 10"),
        ("verification.min_remaining_life", "301", "from 0 to 300"),
        ("verification.retention", "0", "from 600"),
        ("dialer.threads", "0", "at least 1"),
        ("limits.regions[1]", '["IN", "XX"]', "a region with telephones: 'XX' is none"),
        ("limits.regions[0]", '["India"]', "ISO 3166"),
        ("limits.regions[0]", "[91]", "ISO 3166"),
        ("limits.number_types", "[]", "1 or more"),
        ("limits.deny_prefixes[0]", '["91140"]', "with +"),
        ("limits.deny_prefixes[0]", '["+0"]', "with +"),
        ("limits.call_gap", "[]", "1 or more"),
        ("limits.call_gap[1]", '["60s", "25h"]', "from 0 to 86400"),
        ("limits.live_calls", "0", "at least 1"),
    ],
)
def test_invalid_value_is_an_error(
    errors_of: ErrorsOf, field: str, literal: str, expected: str
) -> None:
    """With setting, file and expected format."""
    toml, variables = setting(field.partition("[")[0], literal)
    errors = errors_of(toml, **variables)
    assert list(errors) == [field]
    assert "otpvoice.toml" in errors[field]
    assert expected in errors[field]


def test_key_of_a_missing_certificate_is_an_error(errors_of: ErrorsOf) -> None:
    """TLS would ignore the key."""
    toml = f'[redis]\nurl = "rediss://store"\nclient_key = "{__file__}"\n'
    errors = errors_of(toml, OTPVOICE_REDIS_URL=None)
    assert list(errors) == ["redis.client_cert"]
    assert "is missing: redis.client_key" in errors["redis.client_cert"]


@pytest.mark.parametrize(
    "number_type",
    ["premium_rate", "shared_cost", "personal_number", "pager", "voip", "toll_free", "Mobile"],
)
def test_number_type_that_is_never_called_is_an_error(
    errors_of: ErrorsOf, number_type: str
) -> None:
    """With the reason."""
    errors = errors_of(*setting("limits.number_types", f'["mobile", "{number_type}"]')[:1])
    for never in ("premium rate", "shared cost", "personal", "pager", "VoIP", "satellite"):
        assert never in errors["limits.number_types[1]"]


def test_flow_is_an_id_or_an_id_with_text(start: Start) -> None:
    """Tags are compared without case."""
    toml = '[provider.flows]\ndefault = "24"\nhi-IN = { id = "25", text = "कोड {otp}" }\n'
    toml += 'en = { id = "26", gate = true, prompt = "Press 1" }'
    loaded = start(toml, OTPVOICE_PROVIDER_FLOWS=None)
    assert loaded.settings.provider.flows["en"].gate_kind is Gate.QUERY
    assert loaded.settings.provider.flows == {
        "default": Flow("24"),
        "hi-in": Flow("25", "कोड {otp}"),
        "en": Flow("26", gate=True, prompt="Press 1"),
    }


@pytest.mark.parametrize(
    ("flows", "member", "expected"),
    [
        ('{ hi = "25" }', "default", "missing"),
        ('{ default = "24", hi_IN = "25" }', "hi_IN", "language tag"),
        ('{ default = "24", hi = "25", HI = "26" }', "HI", "twice"),
        ('{ default = "" }', "default", "length >= 1"),
        ("{ default = 24 }", "default", "as text"),
        ('{ default = { text = "a" } }', "default", "id"),
        ('{ default = { id = "24", voice = "a" } }', "default", "unknown field `voice`"),
        ('{ default = { id = "24", gate = "yes" } }', "default", "bool"),
        ('{ default = { id = "24", prompt = "1" } }', "default", "prompt has no use"),
        (
            '{ default = { id = "24", gate = true, prompt = "{otp}" } }',
            "default",
            "behind the gate",
        ),
    ],
)
def test_invalid_flow_is_an_error_with_its_tag(
    errors_of: ErrorsOf, flows: str, member: str, expected: str
) -> None:
    """A default flow is required."""
    errors = errors_of(f"[provider]\nflows = {flows}\n", OTPVOICE_PROVIDER_FLOWS=None)
    assert list(errors) == [f"provider.flows.{member}"]
    assert expected in errors[f"provider.flows.{member}"]


def test_flows_that_are_not_a_table_are_an_error(errors_of: ErrorsOf) -> None:
    """As a whole."""
    errors = errors_of("[provider]\nflows = [24]\n", OTPVOICE_PROVIDER_FLOWS=None)
    assert "must be a table" in errors["provider.flows"]
