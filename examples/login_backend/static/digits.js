// Normalization of codes as users type them, because the service accepts ASCII digits only.

const SEPARATORS = /[\p{Z}\p{P}\p{Cf}\u2212]/gu // spaces, punctuation, direction marks, minus sign
const DIGIT = /\p{Nd}/u

/** Returns the text with ASCII digits instead of those of any script, and without separators. */
export function asciiDigits(typed) {
  const text = typed.normalize('NFKC').replace(SEPARATORS, '')
  return Array.from(text, (character) => (DIGIT.test(character) ? valueOf(character) : character)).join('')
}

// Unicode has the ten digits of a script in a row, beginning with zero.
function valueOf(digit) {
  const point = digit.codePointAt(0)
  let first = point
  while (DIGIT.test(String.fromCodePoint(first - 1))) first--
  return (point - first) % 10
}
