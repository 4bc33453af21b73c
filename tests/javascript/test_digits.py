"""The JavaScript client writes the digits of every script in ASCII."""

import json
from unicodedata import category, decimal

from javascript.node import CLIENT, Node

PROGRAM = f"""
import {{ asciiDigits }} from '{(CLIENT / "src" / "digits.js").as_uri()}'
console.log(JSON.stringify(JSON.parse(process.argv[1]).map(asciiDigits)))
"""


def test_ascii_digits_converts_every_script(node: Node) -> None:
    """As Python's table of decimal digits has them."""
    points = (chr(point) for point in range(0x11FFF))
    values = {each: str(decimal(each)) for each in points if category(each) == "Nd"}
    assert len(values) > 500
    output = node.run("--input-type=module", "--eval", PROGRAM, json.dumps([*values]))
    assert json.loads(output) == [*values.values()]
