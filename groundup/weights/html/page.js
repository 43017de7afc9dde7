/* The page: what is shown, and what happens when somebody writes. Text only ever becomes a text node. */
"use strict";

const MOST_CHAT = 200, MOST_TEXT = 300; // tokens of a reply, of a text
const at = (id) => document.getElementById(id);

/** An element with a class and children; a string is a text. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

class Page {
  constructor() {
    this.facts = JSON.parse(at("facts").textContent);
    this.language = navigator.language.startsWith("zh") ? "zh" : "en";
    this.running = null; // an AbortController while the model writes
    this.last = ""; // what was sent last: Arrow Up brings it back
    at("temperature").value = this.facts.chat ? 0.2 : 0.8;
    this.translate();
    this.listen();
  }

  /** Opens the model. Everything is ready afterwards, or the page says why not. */
  async open() {
    this.status("loading");
    await new Promise((painted) => setTimeout(painted, 30));
    try {
      this.model = readModel(bytesOfBase64(at("model").textContent.trim()), this.facts.checksum);
    } catch (error) {
      at("status").textContent = "";
      return this.refuse(error instanceof Refused ? error : new Refused("damaged"));
    }
    at("model").remove(); // its text is no longer needed
    this.tokenizer = new Tokenizer(this.model);
    this.engine = new Engine(this.model);
    this.begin();
    at("input").disabled = at("send").disabled = false;
    at("input").focus();
  }

  /** A new conversation, as if nothing had been said. */
  begin() {
    this.running?.abort();
    this.chat = new Chat(this.model, this.tokenizer, this.engine, this.facts.done);
    at("log").replaceChildren(at("welcome") ?? this.welcome);
    at("fresh").hidden = true;
    this.translate();
  }

  listen() {
    at("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) this.running.abort();
      else this.send(at("input").value);
    });
    at("input").addEventListener("keydown", (event) => {
      if (event.isComposing) return; // Enter chooses a Chinese word
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        if (!this.running) this.send(at("input").value);
      }
      if (event.key === "ArrowUp" && !at("input").value) at("input").value = this.last;
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") this.running?.abort(); });
    at("language").addEventListener("click", () => {
      this.language = this.language === "en" ? "zh" : "en";
      this.translate();
    });
    at("fresh").addEventListener("click", () => { this.begin(); at("input").focus(); });
    at("temperature").addEventListener("input", () => { at("temperature-value").value = at("temperature").value; });
  }

  /** One message and its reply, or one text and how it goes on. */
  async send(text) {
    if (!this.model || (this.facts.chat && !text.trim())) return;
    this.welcome ??= at("welcome");
    at("welcome")?.remove();
    at("fresh").hidden = false;
    at("input").value = "";
    this.last = text;
    this.running = new AbortController();
    at("send").textContent = this.say("stop");
    at("log").setAttribute("aria-busy", "true"); // who listens hears the whole reply, not each token
    const options = { temperature: Number(at("temperature").value), signal: this.running.signal };
    try {
      await (this.facts.chat ? this.answer(text.trim(), options) : this.continue(text, options));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refuse(error);
    } finally {
      this.running = null;
      at("send").textContent = this.say("send");
      at("log").removeAttribute("aria-busy");
    }
  }

  async answer(text, options) {
    this.put(element("div", "bubble user", text));
    const bubble = this.put(element("div", "bubble assistant busy"));
    const meter = this.meter();
    let said = [];
    const draw = this.drawer(() => {
      bubble.replaceChildren(...shownParts(said));
      meter.show();
    });
    try {
      await this.chat.reply(text, { ...options, most: MOST_CHAT, tell: (parts, open) => {
        said = parts;
        if (open) meter();
        draw();
      } });
    } finally {
      draw.now();
      bubble.classList.remove("busy");
      if (!said.length) bubble.remove();
    }
  }

  async continue(text, options) {
    const written = document.createTextNode("");
    const story = this.put(element("p", "story busy", element("b", "", text), written));
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const meter = this.meter();
    let said = "";
    const draw = this.drawer(() => {
      written.data = said;
      meter.show();
    });
    try {
      await writeOn(this.engine, this.tokenizer, text, { ...options, most: MOST_TEXT, tell: (id) => {
        said += decoder.decode(this.tokenizer.bytesOf(id), { stream: true });
        meter();
        draw();
      } });
      said += decoder.decode();
    } finally {
      draw.now();
      story.classList.remove("busy");
    }
  }

  /** Makes a function that has the log changed with the next frame, however often it is called before; its `now` does
      it at once. The end of the log stays in sight if that is what the reader sees. */
  drawer(change) {
    let waiting = 0;
    const now = () => {
      const log = at("log"), atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      cancelAnimationFrame(waiting);
      waiting = 0;
      change();
      if (atEnd) log.scrollTop = log.scrollHeight;
    };
    return Object.assign(() => { waiting ||= requestAnimationFrame(now); }, { now });
  }

  put(entry) {
    at("log").append(entry);
    at("log").scrollTop = at("log").scrollHeight;
    return entry;
  }

  /** Counts tokens: to be called after each; its `show` says how many there are, and how many in a second. */
  meter() {
    let tokens = 0, began = 0, last = 0;
    this.status("reading");
    const show = () => {
      if (tokens > 1) this.status("speed", tokens, Math.round(((tokens - 1) / (last - began)) * 1000));
    };
    const count = () => {
      tokens++;
      last = performance.now();
      began ||= last; // the first token comes when the prompt has been read
    };
    return Object.assign(count, { show });
  }

  status(key, ...values) {
    at("status").className = key; // "keys" is hidden on small screens, which have none
    at("status").textContent = this.say(key, ...values);
  }

  refuse(error) {
    this.put(element("p", "refused", this.say(error.key, error.about)));
    if (this.model) this.status("keys");
  }

  say(key, ...values) {
    return say(this.language, key, ...values);
  }

  /** Every word of the page in its language. */
  translate() {
    const { facts } = this, count = (number) => number.toLocaleString(this.language);
    document.documentElement.lang = this.language;
    const show = { title: facts.title || this.say("title"), lead: this.say(facts.chat ? "chatLead" : "textLead", count(facts.parameters)), try: this.say("tryOne"),
      language: this.say("other"), fresh: this.say("fresh"), send: this.say("send"), "about-name": this.say("about"), "card-name": this.say("card"),
      "temperature-name": this.say("temperature"), "temperature-value": at("temperature").value };
    for (const [id, text] of Object.entries(show)) (at(id) ?? element("p")).textContent = text;
    at("language").lang = this.language === "en" ? "zh" : "en";
    at("input").placeholder = this.say(facts.chat ? "chatHint" : "textHint");
    at("input").setAttribute("aria-label", at("input").placeholder);
    at("temperature").parentElement.title = this.say("temperatureHint");
    if (this.model && !this.running) this.status("keys");
    if (at("welcome")) this.showExamples();
    const made = facts.source ? this.say("imported", facts.source, count(facts.parameters), count(facts.context))
      : this.say("made", count(facts.parameters), count(facts.context));
    const lines = [made, this.say("limits"), ...(facts.done === null ? [] : [this.say("calculator")]), this.say("source")];
    at("about").replaceChildren(...lines.map((line) => element("p", "", line)));
    if (facts.canDo.length) {
      at("about").prepend(element("p", "", `${this.say("canDo")}:`),
        element("ul", "", ...facts.canDo.map((line) => element("li", "", line))));
    }
  }

  showExamples() {
    at("try").hidden = !this.facts.examples.length;
    at("examples").replaceChildren(...this.facts.examples.map((example) => {
      const button = element("button", "", example);
      button.type = "button";
      button.addEventListener("click", () => { if (!this.running) this.send(example); at("input").focus(); });
      return button;
    }));
  }
}

/** The parts of a reply as nodes: text as it is, a question to the calculator with its answer as one label. */
function shownParts(parts) {
  const nodes = [];
  for (const part of parts) {
    if (typeof part === "string") nodes.push(nodes.length ? part : part.trimStart());
    else if (part.result === undefined) nodes.push(element("span", "tool", part.asking ?? `${part.name} ${part.argument}`));
    else nodes.at(-1).append(" → ", element("b", "", part.result));
  }
  return nodes;
}

document.addEventListener("DOMContentLoaded", () => new Page().open());
