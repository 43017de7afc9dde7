/* A conversation as ids, the reply of the model, and a text that it continues: all that the page asks of the model.

   A message is a list of parts: text, {name, argument} where the assistant calls the calculator, {result}. All text
   goes through `encode`, which knows no control token; those come from the lists of the model alone.

       prompt -> ... <|call|> calc 12*3 <|result|>      the model asks and waits
              -> the calculator's text, <|done|>        is put after it
              -> ... <|end|>                            the model has spoken

   A conversation that has outgrown the model loses its oldest question with its answer. Source: groundup's
   agent/conversation.py, tokenizer/chat.py and infer/continuation.py; their ids and these are the same.

   Next: page.js. */
"use strict";

const MOST_CALLS = 3;

class Chat {
  /** `done` is the id that ends a calculator's answer; the model's lists have all others. */
  constructor(model, tokenizer, engine, done) {
    Object.assign(this, { model, tokenizer, engine, done });
    [this.call, this.result] = model.call; // none where the model knows no tools
    this.messages = []; // of the user and the assistant in turn, each a list of parts
  }

  /** Answers a message. `tell(parts, open)` is called after each token; `open` says that more is to come. */
  async reply(text, { temperature, most, random = Math.random, signal, tell = () => {} }) {
    const asked = [...this.messages, [text]];
    const ids = this.prompt(asked, this.model.context - Math.min(most, this.model.context >> 1));
    const start = ids.length;
    let left = most, calls = MOST_CALLS;
    while (left-- > 0 && ids.length < this.model.context) {
      const logits = await this.engine.read(ids, signal);
      if (signal?.aborted) break;
      const id = choose(logits, temperature, random);
      ids.push(id);
      tell(this.parts(ids.slice(start), true), true);
      const waiting = id === this.result && this.parts(ids.slice(start)).at(-1);
      if (waiting?.name !== undefined) {
        const answer = calls-- > 0 ? callTool(waiting.name, waiting.argument) : "error: too many calls in one reply";
        ids.push(...this.tokenizer.encode(answer), this.done);
        tell(this.parts(ids.slice(start), true), true);
        if (calls < 0) break;
      } else if (this.model.replyStop.includes(id)) break;
    }
    const said = this.parts(ids.slice(start));
    this.messages = [...asked, said];
    tell(said, false);
    return ids.slice(start);
  }

  /** The ids after which the next reply begins, at most `room`: the oldest exchange goes first. */
  prompt(messages, room) {
    for (let first = 0; ; first += 2) {
      const ids = [...this.model.opening, ...this.model.defaultSystem];
      messages.slice(first).forEach((parts, i) => ids.push(...this.message(i % 2 ? "reply" : "user", parts)));
      ids.push(...this.model.replyHead, ...this.encodedAfter(this.model.replyFrame, ""));
      if (ids.length <= room) return ids;
      if (first + 1 >= messages.length) throw new Refused("tooLong", `${ids.length} > ${room}`);
    }
  }

  /** The ids of one message of the "user" or of the "reply" kind, with its frame. */
  message(kind, parts) {
    const ids = [...this.model[`${kind}Head`]];
    let frame = this.model[`${kind}Frame`]; // bytes before the text, which are encoded with it
    for (const part of parts.length ? parts : [""]) {
      if (typeof part === "string") ids.push(...this.encodedAfter(frame, part));
      else if (part.name === undefined) ids.push(...this.tokenizer.encode(part.result), this.done);
      else ids.push(this.call, ...this.tokenizer.encode(`${part.name} ${part.argument}`), this.result);
      frame = [];
    }
    return [...ids, ...this.model[`${kind}Tail`]];
  }

  encodedAfter(frame, text) {
    return this.tokenizer.encode(String.fromCharCode(...frame) + text);
  }

  /** The assistant's message in the ids after a prompt. `open`: more will come, so a call may still be in the making,
      {asking}, and half a character waits. Control tokens that are out of place are dropped. */
  parts(ids, open = false) {
    const parts = [];
    for (const { opener, text, closer } of this.segments(ids, open)) {
      if (opener === this.call && closer === this.result) {
        const [name, ...words] = text.split(" ");
        parts.push({ name, argument: words.join(" ") });
      } else if (opener === this.result && parts.at(-1)?.name !== undefined) {
        if (text || closer === this.done) parts.push({ result: text });
      } else if (opener === this.call && closer === null && open) parts.push({ asking: text });
      else if (text) parts.push(text);
    }
    return joined(parts);
  }

  /** The texts between control tokens, each with the one before it and the one after it, null at the end. */
  *segments(ids, open) {
    const ends = this.model.replyStop.filter((id) => id !== this.result);
    const controls = new Set([...this.model.replyStop, ...this.model.call, this.done]);
    let opener = null, start = 0;
    for (const [i, id] of ids.entries()) {
      if (!controls.has(id)) continue;
      yield { opener, text: this.tokenizer.decode(ids.slice(start, i)), closer: id };
      if (ends.includes(id)) return;
      opener = id;
      start = i + 1;
    }
    yield { opener, text: this.tokenizer.decode(ids.slice(start), open), closer: null };
  }
}

/** Texts that touch become one; a call that the model did not wait for has an empty result. */
function joined(parts) {
  const out = [];
  for (const part of parts) {
    if (out.at(-1)?.name !== undefined && part.result === undefined) out.push({ result: "" });
    if (typeof part === "string" && typeof out.at(-1) === "string") out.push(out.pop() + part);
    else out.push(part);
  }
  return out;
}

/** Writes on after a text: new ids, each told as it comes. A full context keeps its second half and goes on. */
async function writeOn(engine, tokenizer, text, { temperature, most, random = Math.random, signal, tell = () => {} }) {
  const { model } = engine;
  const ids = [...model.before, ...tokenizer.encode(text)];
  if (!ids.length) ids.push(...model.empty);
  const prompt = ids.length;
  let start = Math.max(0, prompt - (model.context - 1));
  while (ids.length < prompt + most) {
    const logits = await engine.read(ids.slice(start), signal);
    if (signal?.aborted) break;
    const id = choose(logits, temperature, random);
    ids.push(id);
    tell(id);
    if (model.stop.includes(id)) break;
    if (ids.length - start === model.context) start = ids.length - Math.max(1, model.context >> 1);
  }
  return ids.slice(prompt);
}
