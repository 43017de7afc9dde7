/* The calculator that a model of groundup's may ask: exact fractions of whole numbers of any length.

   The same answers and the same complaints, word for word, as groundup/agent/calculator.py, which says more; for the
   model reads them. The expression is parsed here and never run as a program.

   Next: chat.js. */
"use strict";

const MOST_CHARACTERS = 200, MOST_DIGITS = 100, MOST_DEPTH = 100, MOST_BITS = 333n; // log2(10) = 3.33
const BLANKS = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;
const SIGNS = { "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "\u3000": " ", "^": "**" };

class NoValue extends Error {}

/** What the tool of that name answers: a text for the model. */
function callTool(name, argument) {
  if (name === "calc") return calculate(argument);
  return `error: there is no tool ${quoted(Array.from(name).slice(0, 20).join(""))}; the tools are calc`;
}

/** The value of an expression as text, or "error: " and what is wrong with it. */
function calculate(expression) {
  const length = Array.from(expression).length;
  try {
    if (length > MOST_CHARACTERS) {
      throw new NoValue(`the expression has ${length} characters, more than ${MOST_CHARACTERS}`);
    }
    return shown(value(parsed(plain(expression)), 1));
  } catch (error) {
    if (error instanceof NoValue) return `error: ${error.message}`;
    throw error;
  }
}

/** The expression in ASCII with the usual signs. */
function plain(expression) {
  if (/(^|[^\p{Nd}.])0[xX]/u.test(expression)) {
    throw new NoValue("'0x' could be a product or a hexadecimal number; write 0 * 10");
  }
  const text = expression
    .replace(/[\uff01-\uff5e]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/[×·⋅÷−–\u3000]/g, (sign) => SIGNS[sign])
    .replace(/([\p{Nd}.)]\s*)[xX](?=\s*[\p{Nd}.(+-])/gu, "$1*")
    .replaceAll("^", SIGNS["^"])
    .replace(BLANKS, " ").trim();
  if (!text) throw new NoValue("the expression is empty");
  if (text.includes(",")) throw new NoValue("a comma is not arithmetic; write 1234, not 1,234");
  const strange = text.match(/[^\d.+\-*/%() ]/u);
  if (strange) throw new NoValue(`${quoted(strange[0])} is not arithmetic; use digits . + - * / // % ** ( )`);
  return text;
}

/** The syntax tree: {number}, {sign, of}, {operator, left, right}, {called} or {empty}; the grammar is Python's. */
function parsed(text) {
  const tokens = text.match(/\d+\.?\d*|\.\d+|\.\.\.|\*\*|\/\/|[^ ]/g);
  let at = 0;
  const next = (...allowed) => allowed.includes(tokens[at]) && tokens[at++];
  const incomplete = () => { throw new NoValue("the expression is not complete arithmetic"); };

  function chain(operators, part) {
    let left = part();
    for (let operator; (operator = next(...operators));) left = { operator, left, right: part() };
    return left;
  }
  const sum = () => chain(["+", "-"], product);
  const product = () => chain(["*", "/", "//", "%"], factor);
  function factor() {
    const sign = next("+", "-");
    if (sign) return { sign, of: factor() };
    const left = primary();
    return next("**") ? { operator: "**", left, right: factor() } : left;
  }
  function primary() {
    let node = atom();
    while (next("(")) { // 2(3) is a call in Python
      if (!next(")")) {
        next("*", "**"); // so is 2(*3)
        sum();
        next(")") || incomplete();
      }
      node = { called: true };
    }
    return node;
  }
  function atom() {
    if (next("(")) {
      if (next(")")) return { empty: true };
      const inner = sum();
      next(")") || incomplete();
      return inner;
    }
    const token = tokens[at++];
    if (!/^[\d.]/.test(token ?? "") || token === "." || /^0+[1-9]\d*$/.test(token)) incomplete();
    return { number: token };
  }
  const tree = sum();
  return at === tokens.length ? tree : incomplete();
}

/** The value of a tree as a fraction {top, bottom}, bottom above 0, in lowest terms. */
function value(node, depth) {
  if (depth > MOST_DEPTH) throw new NoValue(`the expression is more than ${MOST_DEPTH} levels deep`);
  if (node.number === "...") throw new NoValue("'...' is not a plain number");
  if (node.number) {
    const [whole, places = ""] = node.number.split(".");
    return sized(BigInt(whole + places), 10n ** BigInt(places.length));
  }
  if (node.sign) {
    const inner = value(node.of, depth + 1);
    return node.sign === "-" ? { top: -inner.top, bottom: inner.bottom } : inner;
  }
  if (node.called) throw new NoValue("a sign is missing before '('; write 2*(3)");
  if (node.empty) throw new NoValue("the expression is not complete arithmetic");
  return combined(node.operator, value(node.left, depth + 1), value(node.right, depth + 1));
}

function combined(operator, a, b) {
  if (operator === "**") return power(a, b);
  if (operator === "+") return sized(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom);
  if (operator === "-") return sized(a.top * b.bottom - b.top * a.bottom, a.bottom * b.bottom);
  if (operator === "*") return sized(a.top * b.top, a.bottom * b.bottom);
  if (b.top === 0n) throw new NoValue("division by zero");
  const top = a.top * b.bottom, bottom = a.bottom * b.top;
  if (operator === "/") return sized(top, bottom);
  const down = floorDivided(top, bottom); // towards minus infinity, as in Python
  if (operator === "//") return sized(down, 1n);
  return sized(a.top * b.bottom - down * b.top * a.bottom, a.bottom * b.bottom);
}

function power(base, exponent) {
  if (exponent.bottom !== 1n) throw new NoValue("a power must be a whole number");
  const times = absolute(exponent.top);
  if (base.top === 0n && exponent.top < 0n) throw new NoValue("division by zero");
  const side = absolute(base.top) > base.bottom ? absolute(base.top) : base.bottom;
  if (side === 1n) return { top: times % 2n || (times && base.top === 0n) ? base.top : 1n, bottom: 1n };
  // the fewest bits that the result can have; what passes is looked at again in `sized`
  if (BigInt(side.toString(2).length - 1) * times > MOST_BITS) throw tooLong();
  const top = base.top ** times, bottom = base.bottom ** times;
  return exponent.top < 0n ? sized(bottom, top) : sized(top, bottom);
}

/** The fraction in lowest terms. NoValue if one of its numbers is too long. */
function sized(top, bottom) {
  const divisor = (bottom < 0n ? -1n : 1n) * (common(absolute(top), absolute(bottom)) || 1n);
  const made = { top: top / divisor, bottom: bottom / divisor };
  if (absolute(made.top) >= 10n ** BigInt(MOST_DIGITS) || made.bottom >= 10n ** BigInt(MOST_DIGITS)) throw tooLong();
  return made;
}

const tooLong = () => new NoValue(`a number on the way has more than ${MOST_DIGITS} digits`);
const absolute = (n) => (n < 0n ? -n : n);
const common = (a, b) => (b ? common(b, a % b) : a);
const floorDivided = (a, b) => a / b - (a % b !== 0n && a < 0n !== b < 0n ? 1n : 0n);

/** As people write it: whole, a decimal that ends within 30 places, or ≈ and 12 digits, halves to even. */
function shown({ top, bottom }) {
  if (bottom === 1n) return String(top);
  const minus = top < 0n ? "-" : "";
  let twos = 0, fives = 0, rest = bottom;
  for (; rest % 2n === 0n; rest /= 2n) twos++;
  for (; rest % 5n === 0n; rest /= 5n) fives++;
  const places = Math.max(twos, fives);
  if (rest === 1n && places <= 30) {
    return minus + withPoint((absolute(top) * 10n ** BigInt(places)) / bottom, places);
  }
  return `≈${minus}${rounded(absolute(top), bottom, 12)}`;
}

function rounded(top, bottom, digits) {
  const scaled = (places) => (places < 0 // [top, bottom] of the number times 10 ** places
    ? [top, bottom * 10n ** BigInt(-places)] : [top * 10n ** BigInt(places), bottom]);
  let places = digits - (String(top).length - String(bottom).length);
  for (const most = 10n ** BigInt(digits); ; places--) { // at most two rounds: then `digits` stand before the point
    const [a, b] = scaled(places);
    if (a / b >= most) continue;
    let number = a / b;
    const twice = 2n * (a % b);
    if (twice > b || (twice === b && number % 2n)) number++;
    if (number === most) { number /= 10n; places--; }
    if (a % b === 0n) for (; places > 0 && number % 10n === 0n; places--) number /= 10n; // exact: no zeros at its end
    return places > 0 ? withPoint(number, places) : String(number * 10n ** BigInt(-places));
  }
}

function withPoint(number, places) {
  const digits = String(number).padStart(places + 1, "0");
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** A text as Python shows it in quotation marks. */
function quoted(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const names = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", [mark]: `\\${mark}` };
  const escaped = Array.from(text, (character) => {
    if (names[character]) return names[character];
    if (character === " " || !/[\p{C}\p{Z}]/u.test(character)) return character;
    const hex = character.codePointAt(0).toString(16);
    return hex.length < 3 ? `\\x${hex.padStart(2, "0")}` : hex.length < 5 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return mark + escaped.join("") + mark;
}
