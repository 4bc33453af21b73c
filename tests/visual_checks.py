"""What every page promises to the eye: it fits the screen, by day and by night, and is legible."""

from collections.abc import Iterator
from itertools import product
from typing import Final, Literal

from playwright.sync_api import Frame, Page

WIDTHS: Final = (320, 390, 1280)
"""Pixels of a small phone, a phone and a desk."""
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_WAIT_FOR_MEDIA: Final = """
([width, scheme]) => new Promise((followed, late) => {
  const end = Date.now() + 10000
  const look = () => {
    const isDone = matchMedia(`(prefers-color-scheme: ${scheme})`).matches
    if (isDone && Math.abs(innerWidth - width) <= 1) followed()
    else if (Date.now() > end) late(new Error('the page does not follow the screen'))
    else setTimeout(look, 10)
  }
  look()
})
"""
"""A frame of another origin is told of it a little later."""
_SETTLE: Final = """
for (const animation of document.getAnimations()) {
  try { animation.finish() } catch { animation.cancel() }  // one without an end cannot be finished
}
"""
"""End transitions at once: a color on its way is neither the old one nor the new one."""
_OVERFLOWS: Final = "document.documentElement.scrollWidth > innerWidth"
_SCRIPT: Final = """
(() => {
  const parts = (color) => {
    const [red, green, blue, alpha = 1] = color.match(/[\\d.]+/g).map(Number)
    return { rgb: [red, green, blue], alpha }
  }
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((value) => {
      const share = value / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const ancestors = (element) => {
    const found = []
    for (let each = element; each; each = each.parentElement) found.push(getComputedStyle(each))
    return found
  }
  // The nearest ground that covers; null: a picture or a glaze, of which styles do not tell enough.
  const groundOf = (styles) => {
    for (const { backgroundColor, backgroundImage } of styles) {
      const { rgb, alpha } = parts(backgroundColor)
      if (backgroundImage !== 'none' || (alpha > 0 && alpha < 1)) return null
      if (alpha === 1) return rgb
    }
    return null
  }
  const contrast = (element) => {
    const styles = ancestors(element)
    const ground = groundOf(styles)
    if (!ground) return Infinity
    const { rgb, alpha } = parts(styles[0].color)
    const cover = styles.reduce((left, { opacity }) => left * Number(opacity), alpha)
    const seen = rgb.map((value, at) => value * cover + ground[at] * (1 - cover))
    const [less, more] = [luminance(seen), luminance(ground)].sort((one, other) => one - other)
    return (more + 0.05) / (less + 0.05)
  }
  const needed = ({ fontSize, fontWeight }) => {
    const size = parseFloat(fontSize)
    return size >= 24 || (size >= 18.66 && fontWeight >= 700) ? 3 : 4.5
  }
  const hasText = ({ childNodes }) =>
    [...childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
  const pale = () => [...document.body.querySelectorAll('*:not(svg *, :disabled, script)')]
    .filter((each) => hasText(each) && each.checkVisibility())
    .filter((each) => contrast(each) < needed(getComputedStyle(each)))
    .map((each) => `${each.textContent.trim().slice(0, 40)}: ${contrast(each).toFixed(2)}`)
  const isDark = () => luminance(groundOf(ancestors(document.body)) ?? [255, 255, 255]) < 0.2
  return { pale, isDark }
})()
"""


def assert_fits_every_screen(page: Page) -> None:
    """Nothing sticks out sideways, and all of it is dark where the reader's system is."""
    for frame, look in _each_screen(page):
        assert not frame.evaluate(_OVERFLOWS), f"wider than the window: {look}"
        assert frame.evaluate(f"{_SCRIPT}.isDark()") == ("dark" in look), look


def assert_legible(page: Page) -> None:
    """Text stands out from its ground, 4.5 to 1 and large text 3 to 1 (WCAG 2.2, 1.4.3)."""
    for frame, look in _each_screen(page):
        assert frame.evaluate(f"{_SCRIPT}.pale()") == [], look


def _each_screen(page: Page) -> Iterator[tuple[Frame, str]]:
    """Each frame of the page as each screen shows it, and how that is called."""
    for width, scheme in product(WIDTHS, SCHEMES):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        for frame in page.frames:
            frame.evaluate(_WAIT_FOR_MEDIA, [_width_of(frame, width), scheme])
            frame.evaluate(f"() => {{ {_SETTLE} }}")
            yield frame, f"{frame.url} at {width} px, {scheme}"


def _width_of(frame: Frame, screen: int) -> int:
    if frame.parent_frame is None:
        return screen
    width: int = frame.frame_element().evaluate("element => element.clientWidth")
    return width
