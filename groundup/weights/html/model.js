/* model.bin, which this page carries: what the model is, its tokenizer, its weights. Nothing here computes.

   It is the file of `groundup export c --dtype int8`, little-endian; every part begins at a multiple of 4 bytes:

       header      128 bytes: "groundup", length, two doubles, 24 numbers (FIELDS)
       u32 ends    where the bytes of each token end; a control token has none
       u8 bytes    the bytes of all tokens, joined
       u32 merges  left, right, made, rank: two neighbours become one, the smallest rank first
       u32 classes first code point << 3 | class, for each run of Unicode characters of one class
       u32 lists   a count, then ids, for each of LISTS: the ids that have a place of their own
       tensors     a matrix has, for every 32 numbers of a row, a float32 scale (all scales first), then the numbers
                   as int8: number = scale * int8. A row is an output. Norms, biases and positions are float32.

   Next: tokenizer.js, engine.js. */
"use strict";

const HEADER_BYTES = 128;
const FIELDS = [
  "version", "vocab", "context", "layers", "heads", "kvHeads", "headDim", "embd", "hidden",
  "norm", "position", "mlp", "dtype", "tied", "qkNorm", "bias", "qkvBias", "chat", "split", "wholePieces",
  "tokenBytes", "mergeCount", "classCount", "listWords",
];
const LISTS = [
  "before", "empty", "stop", "opening", "defaultSystem", "systemHead", "systemFrame", "systemTail",
  "userHead", "userFrame", "userTail", "replyHead", "replyFrame", "replyTail", "replyStop", "call",
];
const RMS = 0, LEARNED = 1, ROTARY = 2, SWIGLU = 0, GELU = 1, GELU_ERF = 2; // as in groundup.c
const GROUP = 32;

/** What cannot be done, as a key of WORDS (words.js) and what it is about. */
class Refused extends Error {
  constructor(key, about = "") {
    super(`${key}: ${about}`);
    this.key = key;
    this.about = about;
  }
}

/** Takes one part of the file after the other. */
class Parts {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  take(Kind, count) {
    const part = new Kind(this.bytes.buffer, this.at, count);
    this.at += Math.ceil(part.byteLength / 4) * 4;
    return part;
  }

  matrix(rows, columns, hasBias) {
    return {
      rows,
      columns,
      scales: this.take(Float32Array, (rows * columns) / GROUP),
      codes: this.take(Int8Array, rows * columns),
      bias: hasBias ? this.take(Float32Array, rows) : null,
    };
  }

  norm(model) {
    const gain = this.take(Float32Array, model.embd);
    return { gain, bias: model.norm !== RMS && model.bias ? this.take(Float32Array, model.embd) : null };
  }
}

/** The model in these bytes, which begin at the start of their buffer. Refused if their checksum is another one. */
function readModel(bytes, checksum) {
  if (adler32(bytes) !== checksum) throw new Refused("damaged");
  const view = new DataView(bytes.buffer);
  const model = { normEps: view.getFloat64(16, true), ropeTheta: view.getFloat64(24, true) };
  FIELDS.forEach((name, i) => { model[name] = view.getUint32(32 + 4 * i, true); });

  const parts = new Parts(bytes, HEADER_BYTES);
  model.ends = parts.take(Uint32Array, model.vocab);
  model.bytes = parts.take(Uint8Array, model.tokenBytes);
  model.merges = parts.take(Uint32Array, 4 * model.mergeCount);
  model.classes = parts.take(Uint32Array, model.classCount);
  const words = parts.take(Uint32Array, model.listWords);
  let at = 0;
  for (const name of LISTS) {
    model[name] = Array.from(words.subarray(at + 1, at + 1 + words[at]));
    at += 1 + words[at];
  }
  readTensors(model, parts);
  return model;
}

function readTensors(model, parts) {
  const { vocab, embd, heads, kvHeads, headDim, hidden } = model;
  model.embedding = parts.matrix(vocab, embd, false);
  model.positions = model.position === LEARNED ? parts.take(Float32Array, model.context * embd) : null;
  model.blocks = Array.from({ length: model.layers }, () => ({
    norm: parts.norm(model),
    qkv: parts.matrix((heads + 2 * kvHeads) * headDim, embd, model.qkvBias),
    qNorm: model.qkNorm ? parts.take(Float32Array, headDim) : null,
    kNorm: model.qkNorm ? parts.take(Float32Array, headDim) : null,
    out: parts.matrix(embd, heads * headDim, model.bias),
    mlpNorm: parts.norm(model),
    up: parts.matrix((model.mlp === SWIGLU ? 2 : 1) * hidden, embd, model.bias),
    down: parts.matrix(embd, hidden, model.bias),
  }));
  model.lastNorm = parts.norm(model);
  model.head = model.tied ? model.embedding : parts.matrix(vocab, embd, false);
}

/** The checksum of RFC 1950, section 8.2. */
function adler32(bytes) {
  let a = 1, b = 0;
  for (let i = 0; i < bytes.length;) {
    for (const stop = Math.min(bytes.length, i + 5552); i < stop; i++) b += a += bytes[i]; // b stays below 2^32
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}

function bytesOfBase64(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
