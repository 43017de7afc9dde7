/* The transformer: one token in, the scores of the next one out; and the choice of the next one.

   The steps are those of groundup/models/transformer.py. The weights stay int8: a row of a matrix times x is, for each
   group of 32, scale * (int8 . x). Sums are made in double precision and stored in single, so the scores differ from
   PyTorch's in the last digits: the likeliest token is the same one unless two are as likely to some seven digits.

   Letters: C channels, H query heads, G key/value heads, D head width, F feed-forward width, V vocabulary.
   Not here: WebAssembly and threads. A model of a million numbers writes hundreds of tokens a second as it is, one of
   135 million some four; and this can be read.
   Next: chat.js. */
"use strict";

const PATIENCE = 12; // milliseconds of computing before the page may draw and listen again

class Engine {
  constructor(model) {
    const C = model.embd, H = model.heads, G = model.kvHeads, D = model.headDim;
    this.model = model;
    this.seen = []; // the ids whose keys and values are kept
    this.keys = model.blocks.map(() => new Float32Array(0)); // of each layer: position, then G * D
    this.values = model.blocks.map(() => new Float32Array(0));
    this.x = new Float32Array(C);
    this.y = new Float32Array(C);
    this.qkv = new Float32Array((H + 2 * G) * D);
    this.mixed = new Float32Array(H * D);
    this.wide = new Float32Array(model.blocks[0].up.rows);
    this.logits = new Float32Array(model.vocab);
    this.scores = new Float64Array(model.context);
    this.turns = Float64Array.from({ length: D / 2 }, (_, i) => model.ropeTheta ** ((-2 * i) / D));
    this.rested = performance.now();
  }

  /** The scores of every id after these ones. What is the same as last time is not read again. A signal may stop it. */
  async read(ids, signal) {
    let same = 0;
    while (same < this.seen.length && same + 1 < ids.length && this.seen[same] === ids[same]) same++;
    for (this.seen.length = same; this.seen.length < ids.length && !signal?.aborted;) {
      const at = this.seen.length;
      this.step(ids[at], at, at + 1 === ids.length);
      this.seen.push(ids[at]);
      if (performance.now() - this.rested > PATIENCE) await this.rest();
    }
    return this.logits;
  }

  async rest() {
    await new Promise((go) => {
      const { port1, port2 } = new MessageChannel(); // a timer would wait four milliseconds
      port1.onmessage = () => { port1.close(); go(); };
      port2.postMessage(0);
    });
    this.rested = performance.now();
  }

  /** Takes one token at its position; fills `logits` where it is asked what comes next. */
  step(id, position, asked) {
    const { model, x, y, wide } = this;
    embed(x, model.embedding, id);
    if (model.positions) add(x, model.positions.subarray(position * x.length, (position + 1) * x.length));
    model.blocks.forEach((block, layer) => {
      normalise(y, x, block.norm, model);
      multiply(this.qkv, block.qkv, y);
      this.attend(block, layer, position);
      multiply(y, block.out, this.mixed);
      add(x, y);
      normalise(y, x, block.mlpNorm, model);
      multiply(wide, block.up, y);
      bend(wide, model);
      multiply(y, block.down, wide);
      add(x, y);
    });
    if (!asked) return;
    normalise(y, x, model.lastNorm, model);
    multiply(this.logits, model.head, y);
  }

  /** mixed = what each head looked up: softmax(q k / sqrt(D)) v. */
  attend(block, layer, position) {
    const { model, qkv, mixed, scores } = this;
    const H = model.heads, G = model.kvHeads, D = model.headDim, width = G * D;
    for (let head = 0; head < H + G; head++) { // the heads of the queries, then those of the keys
      const at = qkv.subarray(head * D, (head + 1) * D);
      if (model.qkNorm) rmsNorm(at, at, head < H ? block.qNorm : block.kNorm, model.normEps);
      if (model.position === ROTARY) this.rotate(at, position);
    }
    const keys = (this.keys[layer] = withRoom(this.keys[layer], (position + 1) * width));
    const values = (this.values[layer] = withRoom(this.values[layer], (position + 1) * width));
    keys.set(qkv.subarray(H * D, H * D + width), position * width);
    values.set(qkv.subarray(H * D + width), position * width);
    mixed.fill(0);
    for (let head = 0; head < H; head++) {
      const query = head * D, shared = Math.floor((head * G) / H) * D; // H / G heads share keys and values
      let most = -Infinity, whole = 0;
      for (let s = 0, k = shared; s <= position; s++, k += width) {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += qkv[query + d] * keys[k + d];
        scores[s] = dot / Math.sqrt(D);
        most = Math.max(most, scores[s]);
      }
      for (let s = 0; s <= position; s++) whole += scores[s] = Math.exp(scores[s] - most);
      for (let s = 0, v = shared; s <= position; s++, v += width) {
        const share = scores[s] / whole;
        for (let d = 0; d < D; d++) mixed[query + d] += share * values[v + d];
      }
    }
  }

  /** Rotary positions: channel i is paired with channel i + D/2. */
  rotate(head, position) {
    const half = head.length / 2;
    for (let i = 0; i < half; i++) {
      const cos = Math.cos(position * this.turns[i]), sin = Math.sin(position * this.turns[i]);
      const a = head[i], b = head[i + half];
      head[i] = a * cos - b * sin;
      head[i + half] = b * cos + a * sin;
    }
  }
}

/** out = matrix x + bias. Nearly all of the time goes by here. */
function multiply(out, matrix, x) {
  const { codes, scales, bias, rows, columns } = matrix;
  for (let row = 0, at = 0, group = 0; row < rows; row++) {
    let sum = bias ? bias[row] : 0;
    for (let start = 0; start < columns; start += GROUP) {
      let a = 0, b = 0, c = 0, d = 0; // four sums, so that one need not wait for the other
      for (let i = start; i < start + GROUP; i += 4, at += 4) {
        a += codes[at] * x[i];
        b += codes[at + 1] * x[i + 1];
        c += codes[at + 2] * x[i + 2];
        d += codes[at + 3] * x[i + 3];
      }
      sum += scales[group++] * (a + b + (c + d));
    }
    out[row] = sum;
  }
}

function embed(x, matrix, id) {
  const row = id * matrix.columns;
  for (let i = 0; i < x.length; i++) x[i] = matrix.codes[row + i] * matrix.scales[Math.floor((row + i) / GROUP)];
}

function add(x, y) {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}

function normalise(out, x, norm, model) {
  if (model.norm === RMS) return rmsNorm(out, x, norm.gain, model.normEps);
  let mean = 0, squares = 0;
  for (const value of x) mean += value / x.length;
  for (const value of x) squares += (value - mean) ** 2;
  const scale = 1 / Math.sqrt(squares / x.length + model.normEps);
  for (let i = 0; i < x.length; i++) out[i] = (x[i] - mean) * scale * norm.gain[i] + (norm.bias ? norm.bias[i] : 0);
}

function rmsNorm(out, x, gain, eps) {
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += x[i] * x[i];
  const scale = 1 / Math.sqrt(squares / x.length + eps);
  for (let i = 0; i < x.length; i++) out[i] = x[i] * scale * gain[i];
}

/** The feed-forward's activation, in place. SwiGLU: the gate is the first half, and the result stands there. */
function bend(wide, model) {
  const F = model.hidden, root = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < F; i++) {
    const z = wide[i];
    if (model.mlp === SWIGLU) wide[i] = (z / (1 + Math.exp(-z))) * wide[F + i];
    else if (model.mlp === GELU) wide[i] = 0.5 * z * (1 + Math.tanh(root * (z + 0.044715 * z ** 3)));
    else if (model.mlp === GELU_ERF) wide[i] = 0.5 * z * (1 + erf(z * Math.SQRT1_2));
    else wide[i] = z > 0 ? z * z : 0;
  }
}

/** The error function by its series of positive terms (Abramowitz and Stegun 1964, 7.1.6). */
function erf(x) {
  if (Math.abs(x) > 5) return Math.sign(x); // to 12 digits
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function withRoom(array, length) {
  if (length <= array.length) return array;
  const larger = new Float32Array(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}

/** The next id. Temperature 0: the likeliest, the first of equals. Else a draw; `random` gives numbers in [0, 1). */
function choose(logits, temperature, random) {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  if (!Number.isFinite(logits[best])) throw new Refused("noNumbers");
  if (temperature === 0) return best;
  let whole = 0;
  const upTo = Float64Array.from(logits, (logit) => (whole += Math.exp((logit - logits[best]) / temperature)));
  const drawn = random() * whole;
  const id = upTo.findIndex((sum) => sum > drawn);
  return id < 0 ? best : id;
}
