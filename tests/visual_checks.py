"""Visual checks for every page: it fits the screen, follows the colour scheme, and is legible."""

from collections.abc import Iterator
from typing import Final, Literal

from playwright.sync_api import Frame, Page

WIDTHS: Final = (320, 390, 1280)
"""Pixels of a small phone, a phone and a desktop screen."""
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_HAS_APPLIED: Final = """
([width, scheme]) =>
  matchMedia(`(prefers-color-scheme: ${scheme})`).matches && Math.abs(innerWidth - width) <= 1
"""
"""A frame of another origin learns the new width and colour scheme a little later."""
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
    for (let each = element; each; each = each.parentElement ?? each.getRootNode().host) {
      found.push(getComputedStyle(each))
    }
    return found
  }
  // All elements, those in open shadow roots too.
  const within = (root) => [...root.querySelectorAll('*:not(svg *, :disabled, script)')]
    .flatMap((each) => [each, ...(each.shadowRoot ? within(each.shadowRoot) : [])])
  // The nearest opaque background, or null for images and translucent colours.
  const backgroundOf = (styles) => {
    for (const { backgroundColor, backgroundImage } of styles) {
      const { rgb, alpha } = parts(backgroundColor)
      if (backgroundImage !== 'none' || (alpha > 0 && alpha < 1)) return null
      if (alpha === 1) return rgb
    }
    return null
  }
  const contrast = (element) => {
    const styles = ancestors(element)
    const background = backgroundOf(styles)
    if (!background) return Infinity
    const { rgb, alpha } = parts(styles[0].color)
    const opacity = styles.reduce((product, style) => product * Number(style.opacity), alpha)
    const seen = rgb.map((value, at) => value * opacity + background[at] * (1 - opacity))
    const [less, more] = [luminance(seen), luminance(background)].sort((one, other) => one - other)
    return (more + 0.05) / (less + 0.05)
  }
  const needed = ({ fontSize, fontWeight }) => {
    const size = parseFloat(fontSize)
    return size >= 24 || (size >= 18.66 && fontWeight >= 700) ? 3 : 4.5
  }
  const hasText = ({ childNodes }) =>
    [...childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
  const illegible = () => within(document.body)
    .filter((each) => hasText(each) && each.checkVisibility())
    .filter((each) => contrast(each) < needed(getComputedStyle(each)))
    .map((each) => `${each.textContent.trim().slice(0, 40)}: ${contrast(each).toFixed(2)}`)
  const isDark = () => luminance(backgroundOf(ancestors(document.body)) ?? [255, 255, 255]) < 0.2
  return { illegible, isDark }
})()
"""


def assert_fits_every_screen(page: Page) -> None:
    """Assert that nothing overflows sideways and that the page follows the colour scheme."""
    for frame, screen in _each_screen(page):
        _assert_fits(frame, screen)


def assert_fits_and_is_legible(page: Page) -> None:
    """Assert that it fits, and a contrast of 4.5 to 1, of large text 3 to 1 (WCAG 2.2, 1.4.3)."""
    for frame, screen in _each_screen(page):
        _assert_fits(frame, screen)
        assert frame.evaluate(f"{_SCRIPT}.illegible()") == [], screen


def _assert_fits(frame: Frame, screen: str) -> None:
    assert not frame.evaluate(_OVERFLOWS), f"wider than the window: {screen}"
    assert frame.evaluate(f"{_SCRIPT}.isDark()") == ("dark" in screen), screen


def _each_screen(page: Page) -> Iterator[tuple[Frame, str]]:
    """Yield each frame of the page on each screen, with a description of both."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for frame in page.frames:
                frame.wait_for_function(_HAS_APPLIED, arg=[_width_of(frame, width), scheme])
                yield frame, f"{frame.url} at {width} px, {scheme}"


def _width_of(frame: Frame, screen: int) -> int:
    if frame.parent_frame is None:
        return screen
    width: int = frame.frame_element().evaluate("element => element.clientWidth")
    return width
