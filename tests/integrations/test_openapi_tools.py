"""The OpenAPI document in other people's tools: a linter, and two generators of typed clients."""

import json
from pathlib import Path

import pytest
from integrations.locked_tools import generate_client, run_node
from support.service import LOGIN_KEY
from support.stack import Stack

STRICT = {
    "strict": True,
    "target": "ES2022",
    "lib": ["ES2022", "DOM"],
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "skipLibCheck": True,
    "types": [],
}
CREATE = """
import createClient from 'openapi-fetch'
import type { paths } from './openapi.js'

const headers = { Authorization: `Bearer ${process.env.OTPVOICE_API_KEY}` }
const client = createClient<paths>({ baseUrl: process.env.OTPVOICE_URL, headers })
const { data, error } = await client.POST('/v1/verifications', {
  body: { to: '+919876543210', reference: 'login-81' },
})
if (error) throw new Error(`${error.code}: ${error.detail}`)
const token: string = data.client_token
const status: string | undefined = data.calls[0]?.status
console.log(typeof token, data.status, status)
"""
GENERATED = """
import { Configuration, VerificationFromJSON, VerificationsApi } from './client/index.js'

const api = new VerificationsApi(
  new Configuration({
    basePath: process.env.OTPVOICE_URL ?? '',
    accessToken: process.env.OTPVOICE_API_KEY ?? '',
  }),
)
const created = await api.createVerification({
  createRequest: { to: '+919876543211', ip: '203.0.113.9', reference: 'login-82' },
})
const call = { ...JSON.parse(JSON.stringify(created)).calls[0], status: 'voicemail' }
const later = VerificationFromJSON({ ...JSON.parse(process.env.OBJECT ?? ''), calls: [call] })
console.log(created.status, later.calls[0]?.status)
"""
"""A word that a later release may add is no error."""
NODE_TYPES = "declare const process: { env: Record<string, string | undefined> }\n"


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the document as the service publishes it."""
    folder = tmp_path_factory.mktemp("document")
    (folder / "openapi.json").write_text(stack.service.get("/openapi.json").text)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.fixture(scope="module")
def compiled(folder: Path) -> Path:
    """Generate both clients; compile them strictly, with the programs that use them."""
    run_node(folder, "openapi-typescript", "openapi.json", "--output", "openapi.ts")
    generate_client(folder / "openapi.json", folder / "client")
    for name, code in (("create.ts", CREATE), ("generated.ts", GENERATED)):
        (folder / name).write_text(NODE_TYPES + code)
    config = {
        "compilerOptions": {**STRICT, "outDir": "out"},
        "files": ["create.ts", "generated.ts"],
    }
    (folder / "tsconfig.json").write_text(json.dumps(config))
    run_node(folder, "tsc")
    return folder / "out"


def test_linter_has_no_complaint(folder: Path) -> None:
    """By Redocly's recommended rules."""
    options = ("--extends", "recommended", "--format", "json")
    printed = run_node(folder, "redocly", "lint", *options, "openapi.json")
    totals = json.loads(printed[printed.index("{\n") : printed.rindex("}") + 1])["totals"]
    assert totals == {"errors": 0, "warnings": 0, "ignored": 0}


def test_openapi_typescript_needs_required_members_only(compiled: Path, stack: Stack) -> None:
    """The README's create compiles strictly, and works."""
    variables = {"OTPVOICE_URL": stack.service.url, "OTPVOICE_API_KEY": LOGIN_KEY}
    assert run_node(compiled, "create.js", **variables) == "string pending queued\n"


def test_openapi_generator_client_compiles_and_takes_new_words(
    compiled: Path, stack: Stack
) -> None:
    """Strictly, with a member that takes several forms, and a word that it does not know."""
    created = stack.service.create("+919876543212")
    variables = {"OTPVOICE_URL": stack.service.url, "OTPVOICE_API_KEY": LOGIN_KEY}
    printed = run_node(compiled, "generated.js", OBJECT=json.dumps(created), **variables)
    assert printed == "pending voicemail\n"
