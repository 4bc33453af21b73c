// Normalization of codes as users type them, because the service accepts ASCII digits only.

const SEPARATORS = /[\p{Z}\p{P}\p{Cf}\u2212]/gu // spaces, punctuation, direction marks, minus sign
const DIGIT = /\p{Nd}/u

/**
 * Returns the text with ASCII digits instead of those of any script, and without separators.
 *
 * @param {string} typed
 */
export function asciiDigits(typed) {
  const text = typed.normalize('NFKC').replace(SEPARATORS, '')
  return Array.from(text, (each) => (DIGIT.test(each) ? String(valueOf(each)) : each)).join('')
}

/**
 * Returns a digit's value. Unicode has the ten digits of a script in a row, beginning with zero.
 *
 * @param {string} digit
 */
function valueOf(digit) {
  const point = digit.codePointAt(0) ?? 0
  let first = point
  while (DIGIT.test(String.fromCodePoint(first - 1))) first--
  return (point - first) % 10
}
