// How the text of a URL pattern is cut into tokens.

const { web, tagged } = shared;

const nameStart = /[$_\p{ID_Start}]/u;
const nameRest = /[$\u200c\u200d\p{ID_Continue}]/u;
const isASCII = (c) => c <= '\x7f';

// tokenize cuts chars, a pattern's code points. What is wrong is a TypeError,
// or for a lenient caller a token of its own.
function tokenize(chars, lenient) {
  const tokens = [];
  const last = chars.length;
  const add = (type, index, from, to) => tokens.push({ type, index, value: chars.slice(from, to).join('') });
  for (let at = 0; at < last;) {
    const start = at;
    const wrong = (next, from, why) => {
      if (!lenient) throw new TypeError(`URLPattern: ${why} in ${shared.stringify(chars.slice(0, 200).join(''))}`);
      add('invalid-char', start, from, next);
      at = next;
    };
    const simple = kinds[chars[at]];
    if (simple !== undefined) {
      add(simple, start, start, ++at);
    } else if (chars[at] === '\\') {
      if (at === last - 1) {
        wrong(at + 1, at, 'a backslash at the end');
        continue;
      }
      add('escaped-char', start, start + 1, at += 2);
    } else if (chars[at] === ':') {
      let end = start + 1;
      while (end < last && (end === start + 1 ? nameStart : nameRest).test(chars[end])) end++;
      if (end === start + 1) {
        wrong(end, start, 'a colon with no name behind it');
        continue;
      }
      add('name', start, start + 1, at = end);
    } else if (chars[at] === '(') {
      const [end, why] = groupEnd(chars, start + 1);
      if (why !== undefined) {
        wrong(start + 1, start, why);
        continue;
      }
      add('regexp', start, start + 1, end - 1);
      at = end;
    } else {
      add('char', start, start, ++at);
    }
  }
  add('end', last, last, last);
  return tokens;
}
const kinds = { __proto__: null, '*': 'asterisk', '+': 'other-modifier', '?': 'other-modifier', '{': 'open', '}': 'close' };

// groupEnd finds where the regular expression that begins at from ends, behind
// its parenthesis: [end] or [0, what is wrong].
function groupEnd(chars, from) {
  let depth = 1;
  let at = from;
  while (at < chars.length) {
    const c = chars[at];
    if (!isASCII(c)) return [0, 'a regular expression with other than ASCII characters'];
    if (at === from && c === '?') return [0, 'a regular expression that begins with ?'];
    if (c === '\\') {
      if (at === chars.length - 1 || !isASCII(chars[at + 1])) return [0, 'a regular expression with a wrong escape'];
      at += 2;
      continue;
    }
    at++;
    if (c === ')' && --depth === 0) break;
    if (c === '(') {
      depth++;
      if (chars[at] !== '?') return [0, 'a regular expression with a group that captures'];
    }
  }
  if (depth !== 0) return [0, 'a regular expression with no end'];
  return at - from === 1 ? [0, 'an empty regular expression'] : [at];
}
