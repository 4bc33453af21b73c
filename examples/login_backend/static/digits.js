// Codes as people type them, in the form that the service takes: ASCII digits only.

const BETWEEN = /[\p{Z}\p{P}\p{Cf}\u2212]/gu // spaces, punctuation, direction marks, the minus sign
const DIGIT = /\p{Nd}/u

/** The text with the digits of any script as ASCII digits, and nothing between them. */
export function asciiDigits(typed) {
  const text = typed.normalize('NFKC').replace(BETWEEN, '')
  return Array.from(text, (character) => (DIGIT.test(character) ? valueOf(character) : character)).join('')
}

// Unicode keeps the ten digits of a script in a row, zero first.
function valueOf(digit) {
  const point = digit.codePointAt(0)
  let first = point
  while (DIGIT.test(String.fromCodePoint(first - 1))) first--
  return (point - first) % 10
}
