// Markdown as DOM nodes. Text only ever becomes a text node, so nothing that a model writes can be a program.
// Knows: fenced code with a button to copy it, headings, lists, `code`, **bold**. Links stay text.

export function render(text, copy) {
  const made = document.createDocumentFragment();
  const parts = text.split(/^```.*$/m);
  parts.forEach((part, i) => {
    if (i % 2) {
      const code = element("pre", part.replace(/^\n|\n$/g, ""));
      const button = element("button", copy);
      button.type = "button";
      button.onclick = () => navigator.clipboard.writeText(code.textContent);
      made.append(code, button);
    } else {
      for (const block of part.split(/\n{2,}/)) if (block.trim()) made.append(paragraph(block.replace(/^\n+|\n+$/g, "")));
    }
  });
  return made;
}

function paragraph(block) {
  const heading = /^(#{1,4}) (.*)$/.exec(block);
  if (heading) return inline(element("h" + (heading[1].length + 2)), heading[2]);
  const lines = block.split("\n");
  if (lines.every((line) => /^\s*([-*]|\d+\.) /.test(line))) {
    const list = element(/^\s*\d/.test(lines[0]) ? "ol" : "ul");
    for (const line of lines) list.append(inline(element("li"), line.replace(/^\s*([-*]|\d+\.) /, "")));
    return list;
  }
  return inline(element("p"), block);
}

function inline(parent, text) {
  for (const piece of text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/)) {
    if (/^`.+`$/.test(piece)) parent.append(element("code", piece.slice(1, -1)));
    else if (/^\*\*.+\*\*$/.test(piece)) parent.append(element("strong", piece.slice(2, -2)));
    else parent.append(piece);
  }
  return parent;
}

export function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
