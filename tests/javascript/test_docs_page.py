"""docs/javascript-client.md: its code runs and prints what its comments say."""

import re

from javascript.node import CLIENT, Node
from support.demo_stack import PreloadedStack

from otpvoice_demo.stack import free_port

PAGE = CLIENT.parents[1] / "docs" / "javascript-client.md"
EXPECTED_OUTPUT = re.compile(r"^ *print\(.*\) // (.*)$", re.MULTILINE)
"""The comment after ``print`` is its expected output."""
YOURS = """
import { setTimeout as delay } from 'node:timers/promises'
const print = (...values) => console.log(...values)
const shown = []
const show = (text) => shown.push(text)
const forApp = ({ url, client_token }) => ({ url, client_token })
const numbers = ['919876543210', '919812345678']
const sendToPage = (access) => {
  if (access.code_length !== 6) throw new Error('the code length is missing')
}
async function typedIn() {
  const calls = `${process.env.SANDBOX_URL}/phones/${numbers.shift()}/calls`
  for (;;) {
    const spoken = (await (await fetch(calls)).json()).at(-1)?.spoken
    if (spoken) return spoken.replace(/\\D/g, '')
    await delay(50)
  }
}
"""
"""The functions that the page calls yours."""


def test_javascript_client_page_runs_with_the_documented_output(node: Node) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```js\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    code = "\n".join([YOURS, *blocks, "if (shown.length === 0) throw new Error('nothing shown')"])
    with PreloadedStack(free_port(), call_seconds=0.2) as stack:
        variables = {
            "OTPVOICE_URL": stack.url,
            "OTPVOICE_API_KEY": stack.api_key,
            "SANDBOX_URL": stack.sandbox_url,
        }
        output = node.run("--input-type=module", "--eval", code, variables=variables)
    assert output.splitlines() == EXPECTED_OUTPUT.findall(page)
    assert len(blocks) == 6


def test_javascript_client_page_lists_properties_and_parts() -> None:
    """All of them, and no others."""
    page = PAGE.read_text(encoding="utf-8")
    style, view = (
        (CLIENT / "src" / f"element-{name}.js").read_text("utf-8") for name in ("style", "view")
    )
    assert set(re.findall(r"`(--otpvoice-[\w-]+)`", page)) == set(
        re.findall(r"var\((--otpvoice-[\w-]+)", style)
    )
    listed = re.findall(r"`([a-z]+)`", page.partition("Parts for `::part()`")[2].split("\n")[0])
    made = re.findall(r"(?:make\('\w+', |icon\(\w+, )'([\w -]+)'", view)
    assert set(listed) <= {part for parts in made for part in parts.split()}
