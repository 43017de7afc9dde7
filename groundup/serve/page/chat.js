// The chat page: conversations kept in this browser, one stream at a time, every text a text node.
import { element, render } from "/markdown.js";

const WORDS = {
  en: { new: "New conversation", send: "Send", stop: "Stop", settings: "Settings", "l-system": "Instructions",
    "l-temperature": "Temperature", "l-max": "Longest reply, tokens", "l-tools": "Calculator", "l-tokens": "Show tokens",
    "l-token": "The server's token", export: "Export", delete: "Delete this conversation", user: "You",
    assistant: "Assistant", again: "Again", edit: "Edit", copy: "Copy", speed: "tokens a second", write: "Write a message",
    failed: "Failed", language: "中文", needs: "This server asks for its token: see Settings." },
  zh: { new: "新对话", send: "发送", stop: "停止", settings: "设置", "l-system": "指示", "l-temperature": "温度",
    "l-max": "回复最多词元数", "l-tools": "计算器", "l-tokens": "显示词元", "l-token": "服务器令牌", export: "导出",
    delete: "删除此对话", user: "你", assistant: "助手", again: "重新生成", edit: "编辑", copy: "复制",
    speed: "词元每秒", write: "输入消息", failed: "失败", language: "English", needs: "此服务器需要令牌：见“设置”。" },
};
const SETTINGS = { system: "", temperature: "0.7", max: "200", tools: true, tokens: false, language: "" };
const $ = (id) => document.getElementById(id);
const kept = (name, otherwise) => { try { return JSON.parse(localStorage.getItem(name)) ?? otherwise; } catch { return otherwise; } };
const keep = () => { localStorage.setItem("talks", JSON.stringify(talks)); localStorage.setItem("settings", JSON.stringify(settings)); };
const settings = { ...SETTINGS, ...kept("settings", {}) };
const talks = kept("talks", []);
let current = talks[0], running = null, model = "";
const language = () => settings.language || (navigator.language.startsWith("zh") ? "zh" : "en");
const say = (name) => WORDS[language()][name];
const headers = () => ({ "Content-Type": "application/json",
  ...(sessionStorage.getItem("token") ? { Authorization: `Bearer ${sessionStorage.getItem("token")}` } : {}) });

function show() {
  document.documentElement.lang = language();
  for (const id of Object.keys(WORDS.en)) if ($(id)) $(id).textContent = say(id);
  $("text").placeholder = $("text").ariaLabel = say("write");
  $("send").hidden = !!running;
  $("stop").hidden = !running;
  $("list").replaceChildren(...talks.map((talk) => {
    const button = element("button", talk.messages[0]?.content.slice(0, 40) || "…");
    button.setAttribute("aria-current", talk === current);
    button.onclick = () => { if (!running) { current = talk; show(); } };
    return button;
  }));
  $("talk").replaceChildren(...(current?.messages ?? []).map(shown));
  $("talk").scrollTop = $("talk").scrollHeight;
}

function shown(message, place) {
  const article = element("article"), head = element("header");
  article.className = message.role;
  head.append(element("strong", say(message.role)));
  const button = element("button", say(message.role === "user" ? "edit" : "again"));
  button.onclick = () => {
    if (running) return;
    if (message.role === "user") $("text").value = message.content;
    current.messages.length = place;
    keep(); show();
    if (message.role !== "user") answer(); else $("text").focus();
  };
  head.append(button);
  if (message.speed) head.append(element("span", `${message.speed} ${say("speed")}`));
  article.append(head);
  for (const told of message.told ?? []) {
    const line = element("p", told.call ? `${told.call.name}(${told.call.argument})` : `= ${told.result.text}`);
    line.className = "call";
    article.append(line);
  }
  article.append(settings.tokens && message.tokens?.length ? asTokens(message.tokens) : render(message.content, say("copy")));
  return article;
}

function asTokens(tokens) {
  const line = element("p");
  for (const { token, logprob, top_logprobs } of tokens) {
    const span = element("span", token), share = Math.exp(logprob);
    span.className = share < 0.05 ? "odd" : share < 0.5 ? "unsure" : "";
    span.title = top_logprobs.map((one) => `${(100 * Math.exp(one.logprob)).toFixed(1)} %  ${one.token}`).join("\n");
    line.append(span);
  }
  return line;
}

async function answer() {
  const talk = current, reply = { role: "assistant", content: "", told: [], tokens: [] };
  const asked = { model, stream: true, stream_options: { include_usage: true }, max_tokens: Number(settings.max),
    temperature: Number(settings.temperature), messages: [
      ...(settings.system ? [{ role: "system", content: settings.system }] : []),
      ...talk.messages.map(({ role, content }) => ({ role, content }))],
    ...(settings.tools ? { groundup: { tools: ["calculator"] } } : {}),
    ...(settings.tokens ? { logprobs: true, top_logprobs: 5 } : {}) };
  talk.messages.push(reply);
  running = new AbortController();
  $("status").textContent = "";
  show();
  const began = performance.now();
  try {
    const response = await fetch("/v1/chat/completions", { method: "POST", headers: headers(), body: JSON.stringify(asked),
      signal: running.signal });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error.message);
      const choice = event.choices[0];
      if (event.usage) reply.speed = (1000 * event.usage.completion_tokens / (performance.now() - began)).toFixed(0);
      if (!choice) continue;
      reply.content += choice.delta.content ?? "";
      reply.told.push(...(choice.delta.groundup ?? []));
      reply.tokens.push(...(choice.logprobs?.content ?? []));
      $("talk").lastChild.replaceWith(shown(reply, talk.messages.length - 1));
      $("talk").scrollTop = $("talk").scrollHeight;
    }
  } catch (error) {
    if (error.name !== "AbortError") $("status").textContent = `${say("failed")}: ${error.message}`;
    if (!reply.content) talk.messages.pop();
  }
  running = null;
  keep(); show();
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let held = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (held + value).split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      if (block === "data: [DONE]") return;
      if (block.startsWith("data: ")) yield JSON.parse(block.slice(6));
    }
  }
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const content = $("text").value.trim();
  if (!content || running) return;
  if (!current) talks.unshift((current = { messages: [] }));
  current.messages.push({ role: "user", content });
  $("text").value = "";
  keep();
  answer();
};
$("text").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("form").requestSubmit(); }
};
$("stop").onclick = () => running?.abort();
$("new").onclick = () => { if (!running) { current = undefined; show(); $("text").focus(); } };
$("delete").onclick = () => { if (!running && current) { talks.splice(talks.indexOf(current), 1); current = talks[0]; keep(); show(); } };
$("language").onclick = () => { settings.language = language() === "zh" ? "en" : "zh"; keep(); show(); };
$("export").onclick = () => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(current ?? {}, null, 1)], { type: "application/json" }));
  link.download = "conversation.json";
  link.click();
};
for (const id of ["system", "temperature", "max"]) { $(id).value = settings[id]; $(id).onchange = () => { settings[id] = $(id).value; keep(); }; }
for (const id of ["tools", "tokens"]) { $(id).checked = settings[id]; $(id).onchange = () => { settings[id] = $(id).checked; keep(); show(); }; }
$("token").onchange = () => { sessionStorage.setItem("token", $("token").value); meet(); };

async function meet() {
  const response = await fetch("/v1/models", { headers: headers() });
  if (response.ok) { model = (await response.json()).data[0].id; document.title = `${model} · groundup`; $("status").textContent = model; }
  else $("status").textContent = say("needs");
}
show();
meet();
