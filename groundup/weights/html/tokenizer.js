/* Text to ids and back: byte-pair encoding over bytes, or one id a character. The same ids as in groundup.

   text -> pieces (a split pattern) -> the bytes of each piece, each an id -> neighbours merge -> ids

   Control tokens have no bytes, so no text can become one: "<|end|>" typed by a user is a few letters.
   What a letter is depends on the Unicode version of the browser; so characters beyond ASCII are first replaced by
   one of their class (the model has the table, of Unicode 16) on which all browsers agree, and only the lengths of
   the pieces are used. Patterns: groundup/tokenizer/patterns.py; their possessive quantifiers change only speed.

   Next: chat.js. */
"use strict";

const CHARACTERS = 0, WHOLE = 1; // how a text is cut; the others are patterns:
const PATTERNS = {
  2: /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu, // GPT-2
  3: /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+/gu, // SmolLM2
  4: laterPattern("\\p{N}{1,3}", "\\s+$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"), // cl100k
  5: laterPattern("\\p{N}{1,3}", "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"), // Llama 3
  6: laterPattern("\\p{N}", "\\s+$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"), // groundup's own: a digit is a piece
  7: laterPattern("\\p{N}", "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"), // Qwen2
};
const CLASS_SAMPLES = "!Aa\u4e00\u03010\u2003\n"; // other, upper, lower, letter, mark, number, space, line end

/** The patterns since GPT-3.5: endings in any case (U+017F is a long s), words with any one sign before them. */
function laterPattern(numbers, blanks) {
  const endings = "'(?:[sS\u017fdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])";
  const words = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", signs = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*";
  return new RegExp([endings, words, numbers, signs, blanks].join("|"), "gu");
}

class Tokenizer {
  constructor(model) {
    this.model = model;
    this.idOf = new Map(); // from the bytes of a token, as a string of Latin letters
    for (let id = 0; id < model.vocab; id++) {
      const bytes = this.bytesOf(id);
      if (bytes.length) this.idOf.set(latin(bytes), id);
    }
    this.mergeOf = new Map(); // from left * vocab + right to a place in model.merges
    for (let at = 0; at < model.merges.length; at += 4) {
      const pair = model.merges[at] * model.vocab + model.merges[at + 1];
      if (!this.mergeOf.has(pair)) this.mergeOf.set(pair, at);
    }
  }

  /** The bytes of one id; none for a control token. */
  bytesOf(id) {
    return this.model.bytes.subarray(id ? this.model.ends[id - 1] : 0, this.model.ends[id]);
  }

  /** The text of the ids. What is no UTF-8 becomes U+FFFD; `open` holds back a last character that is not whole. */
  decode(ids, open = false) {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return ids.map((id) => decoder.decode(this.bytesOf(id), { stream: true })).join("") +
      (open ? "" : decoder.decode());
  }

  /** The ids of a text; never those of control tokens. Refused for a character that the model has no token for. */
  encode(text) {
    const utf8 = new TextEncoder(); // half of a surrogate pair becomes U+FFFD
    text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(utf8.encode(text));
    return this.pieces(text).flatMap((piece) => {
      const letters = latin(utf8.encode(piece));
      const whole = this.model.split === CHARACTERS || this.model.wholePieces ? this.idOf.get(letters) : undefined;
      if (whole !== undefined) return [whole];
      if (this.model.split === CHARACTERS) throw new Refused("unknownCharacter", piece);
      return this.merged(Array.from(letters, (byte) => this.idOf.get(byte) ?? this.noToken(piece)));
    });
  }

  noToken(piece) {
    throw new Refused("unknownCharacter", piece.trim());
  }

  /** What the text is cut into. */
  pieces(text) {
    const characters = Array.from(text);
    if (this.model.split === CHARACTERS) return characters;
    if (this.model.split === WHOLE) return text ? [text] : [];
    const seen = characters.map((character) => this.sample(character)).join("");
    let at = 0;
    return (seen.match(PATTERNS[this.model.split]) ?? []).map((piece) =>
      characters.slice(at, (at += piece.length)).join(""));
  }

  /** A character of the same class, one UTF-16 unit long, that every browser knows. */
  sample(character) {
    if (character < "\x80" || character === "\u017f") return character;
    const { classes } = this.model, point = character.codePointAt(0);
    let low = 0, high = classes.length;
    while (high - low > 1) { // the last run that begins at or before it
      const middle = (low + high) >> 1;
      if (classes[middle] >>> 3 <= point) low = middle;
      else high = middle;
    }
    return CLASS_SAMPLES[classes[low] & 7];
  }

  /** The ids of a piece with all merges done: the smallest rank first, the leftmost among equals. */
  merged(ids) {
    const { merges } = this.model;
    for (;;) {
      let rank = Infinity;
      for (let i = 0; i + 1 < ids.length; i++) rank = Math.min(rank, this.rank(ids[i], ids[i + 1]));
      if (rank === Infinity) return ids;
      const out = [];
      let i = 0;
      while (i < ids.length) {
        if (this.rank(ids[i], ids[i + 1]) !== rank) {
          out.push(ids[i++]);
          continue;
        }
        const made = merges[this.mergeOf.get(this.pair(ids[i], ids[i + 1])) + 2];
        out.push(made);
        i += 2;
        // a new pair that comes before the other pairs of this rank: look for the smallest again
        if (Math.min(this.rank(out.at(-2), made), this.rank(made, ids[i])) <= rank) break;
      }
      ids = out.concat(ids.slice(i));
    }
  }

  pair(left, right) {
    return left * this.model.vocab + right;
  }

  rank(left, right) {
    const at = this.mergeOf.get(this.pair(left, right));
    return at === undefined ? Infinity : this.model.merges[at + 3];
  }
}

/** Bytes as a string of as many letters, U+0000 to U+00FF. */
function latin(bytes) {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
