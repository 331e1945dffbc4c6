"use strict";
// The explorer. Data: see explorer.py. A "place" is the position of a problem in the data.
(async () => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;

  // ---- light and dark -------------------------------------------------------------------------
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem("cotsieve-theme", value);
      return localStorage.getItem("cotsieve-theme");
    } catch { return null; } // pages from disk may not be allowed to remember
  };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  if (remembered()) root.dataset.theme = remembered();
  $("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    remembered(root.dataset.theme);
  });

  // ---- data -----------------------------------------------------------------------------------
  const packed = atob($("data").textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(unpacked).json();
  $("data").remove();
  const problems = data.problems, total = problems.id.length;
  const text = (place) => (place < 0 ? null : data.texts[place]);
  const name = (coded, place) => (coded.of[place] < 0 ? "" : coded.names[coded.of[place]]);
  const words = { c: "right", i: "wrong", n: "no answer", f: "failed", "-": "not run" };
  const kinds = { c: "correct", i: "incorrect", n: "no_answer", f: "failed", "-": "absent" };
  const haystack = problems.id.map((id, place) =>
    [id, text(problems.question[place]), text(problems.solution[place]), problems.answer[place]].join("\n").toLowerCase());
  const placeOf = new Map(problems.id.map((id, place) => [id, place]));

  // What became of a problem: baseline and deciding ablation, as one letter.
  const PATTERNS = [
    ["needed", "needs CoT", "right at baseline, not any more when ablated"],
    ["both", "right either way", "right at baseline and when ablated"],
    ["gained", "right only ablated", "wrong at baseline, right when ablated"],
    ["neither", "wrong either way", "wrong or no answer in both"],
    ["failed", "failed", "a rollout could not be made or graded"],
  ];
  const outcome = (model, place) => {
    const [one, two] = model.columns.slice(0, 2).map((column) => column.verdicts[place]);
    if ("f-".includes(one) || "f-".includes(two)) return "failed";
    if (one === "c") return two === "c" ? "both" : "needed";
    return two === "c" ? "gained" : "neither";
  };
  for (const model of data.models) {
    model.outcomes = problems.id.map((_, place) => outcome(model, place));
  }

  // ---- filters --------------------------------------------------------------------------------
  const state = { model: 0, pattern: "all", shown: [], at: 0, terms: [] };
  const fill = (select, entries) => {
    select.replaceChildren(...entries.map(([value, label]) => new Option(label, value)));
  };
  const model = () => data.models[state.model];
  const choices = (coded) => [["", "all"], ...coded.names.map((entry, index) => [index, entry])];
  fill($("model"), data.models.map((entry, index) => [index, entry.name]));
  for (const field of ["stratum", "source", "subject"]) fill($(field), choices(problems[field]));
  $("model-label").hidden = data.models.length < 2;
  $("source-label").hidden = problems.source.names.length < 2;
  $("subject-label").hidden = problems.subject.names.length < 1;
  fill($("verdict"), [["", "anything"], ..."cinf".split("").map((letter) => [letter, words[letter]])]);
  const fillConditions = () => {
    const several = new Set(model().columns.map((column) => column.sweep)).size > 1;
    fill($("condition"), [["", "any condition"], ...model().columns.map((column, index) =>
      [index, several && index ? `${column.condition} · ${column.sweep}` : column.condition])]);
  };

  const passes = (place, pattern) => {
    if (state.stratum !== "" && problems.stratum.of[place] !== +state.stratum) return false;
    if (state.source !== "" && problems.source.of[place] !== +state.source) return false;
    if (state.subject !== "" && problems.subject.of[place] !== +state.subject) return false;
    if (pattern === "drawn" ? model().drawn[place] !== "1" : pattern !== "all" && model().outcomes[place] !== pattern) return false;
    if (state.verdict) {
      const columns = state.condition === "" ? model().columns : [model().columns[+state.condition]];
      if (!columns.some((column) => column.verdicts[place] === state.verdict)) return false;
    }
    return state.terms.every((term) => haystack[place].includes(term));
  };

  const apply = (keep) => {
    for (const field of ["stratum", "source", "subject", "condition", "verdict"]) state[field] = $(field).value;
    state.model = +$("model").value;
    state.terms = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const counts = { all: 0, drawn: 0 };
    const shown = [];
    for (let place = 0; place < total; place++) {
      if (!passes(place, "all")) continue;
      const kind = model().outcomes[place], drawn = model().drawn[place] === "1";
      counts.all++;
      counts[kind] = (counts[kind] || 0) + 1;
      if (drawn) counts.drawn++;
      if (state.pattern === "all" || state.pattern === kind || (state.pattern === "drawn" && drawn)) shown.push(place);
    }
    state.shown = shown;
    const at = keep === undefined ? -1 : shown.indexOf(keep);
    state.at = Math.max(at, 0);
    $("count").textContent = `${shown.length.toLocaleString("en")} of ${total.toLocaleString("en")} problems`;
    drawChips(counts);
    $("list").scrollTop = 0;
    drawRows();
    if (at > 0) reveal();
    drawDetail();
  };

  const drawChips = (counts) => {
    const entries = [["all", "all", "every problem"], ...PATTERNS, ["drawn", "in the dataset", "drawn into the dataset"]];
    const focused = document.activeElement && document.activeElement.dataset.pattern;
    $("patterns").replaceChildren(...entries
      .filter(([kind]) => counts[kind] || kind === "all" || kind === "needed" || kind === state.pattern)
      .map(([kind, label, title]) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = `chip ${kind}`;
        chip.dataset.pattern = kind;
        chip.title = title;
        chip.setAttribute("role", "radio");
        chip.setAttribute("aria-checked", String(kind === state.pattern));
        chip.tabIndex = kind === state.pattern ? 0 : -1;
        chip.append(el("i", "swatch " + kind), label + " ", el("b", "", (counts[kind] || 0).toLocaleString("en")));
        return chip;
      }));
    if (focused) $("patterns").querySelector(`[data-pattern="${focused}"]`)?.focus();
  };

  const el = (tag, kind = "", content = "") => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    if (content !== "") element.append(content);
    return element;
  };

  // ---- the list: only the rows in sight exist --------------------------------------------------
  const HEIGHT = 74;
  const strip = (place) => {
    const columns = model().columns, width = columns.length > 30 ? 3 : columns.length > 12 ? 5 : 9, gap = width > 3 ? 2 : 0;
    const stops = columns.map((column, index) => {
      const from = index * (width + gap), colour = `var(--${kinds[column.verdicts[place]]})`;
      return `${colour} ${from}px ${from + width}px, transparent ${from + width}px ${from + width + gap}px`;
    });
    const drawn = el("span", "strip");
    drawn.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
    drawn.style.width = `${columns.length * (width + gap) - gap}px`;
    return drawn;
  };
  const row = (index) => {
    const place = state.shown[index], kind = model().outcomes[place];
    const drawn = el("div", `item ${kind}`);
    drawn.id = `item-${index}`;
    drawn.dataset.index = index;
    drawn.style.top = `${index * HEIGHT}px`;
    drawn.setAttribute("role", "option");
    drawn.setAttribute("aria-selected", String(index === state.at));
    drawn.setAttribute("aria-posinset", index + 1);
    drawn.setAttribute("aria-setsize", state.shown.length);
    const label = PATTERNS.find(([pattern]) => pattern === kind)[1];
    const first = el("div", "first");
    first.append(el("span", "id", problems.id[place]), el("span", "tag", name(problems.stratum, place)), strip(place), el("span", "hidden", label));
    const second = el("div", "snippet");
    prose(text(problems.question[place]) || "(no question)", second, 220);
    drawn.append(first, second);
    return drawn;
  };
  const drawRows = () => {
    const list = $("list"), rows = $("rows");
    rows.style.height = `${state.shown.length * HEIGHT}px`;
    const from = Math.max(Math.floor(list.scrollTop / HEIGHT) - 4, 0);
    const to = Math.min(Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + 4, state.shown.length);
    rows.replaceChildren(...Array.from({ length: Math.max(to - from, 0) }, (_, index) => row(from + index)));
    if (state.shown.length) list.setAttribute("aria-activedescendant", `item-${state.at}`);
    else list.removeAttribute("aria-activedescendant");
  };
  const reveal = () => {
    const list = $("list"), top = state.at * HEIGHT;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
  };
  const choose = (index) => {
    if (!state.shown.length) return;
    state.at = Math.min(Math.max(index, 0), state.shown.length - 1);
    reveal();
    drawRows();
    drawDetail();
  };

  // ---- texts: formulas were turned into MathML when the page was made ---------------------------
  const formulas = new RegExp(data.delimiters, "g");
  const plain = (part, into) => {
    const pieces = part.replace(/\\([$%])/g, "$1").split(/(<<[^<>]*>>)/);
    pieces.forEach((piece, index) => {
      if (index % 2) return into.append(el("span", "calc", piece.slice(2, -2)));
      const terms = state.terms.filter((term) => term.length > 1).map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      if (!terms.length) return into.append(piece);
      piece.split(new RegExp(`(${terms.join("|")})`, "gi")).forEach((bit, odd) => into.append(odd % 2 ? el("mark", "", bit) : bit));
    });
  };
  const prose = (whole, into, most = Infinity) => {
    let from = 0;
    for (const match of whole.matchAll(formulas)) {
      if (match.index > most) break;
      const converted = data.math[match[0]];
      if (!converted) continue;
      plain(whole.slice(from, match.index), into);
      const formula = el("span", "math");
      formula.innerHTML = converted; // our own MathML: known tags and attributes, all text escaped
      formula.title = match[0];
      into.append(formula);
      from = match.index + match[0].length;
    }
    plain(whole.slice(from, Math.max(from, most)), into);
    return into;
  };
  const short = (value) => prose(data.math[`$${value}$`] ? `$${value}$` : value, el("span", "value"));

  // ---- one problem ------------------------------------------------------------------------------
  const THOUGHT = "</think>";
  const written = (whole, prefix) => {
    const body = el("div", "text");
    const end = whole.lastIndexOf(THOUGHT);
    if (prefix) {
      const given = el("span", "forced", prefix.trimStart());
      given.title = "given: the words that open a forced answer";
      body.append(given);
    }
    if (end < 0) return prose(prefix ? whole : whole.replace(/^\s*\n/, ""), body);
    const thought = el("details", "thought");
    thought.append(el("summary", "", `Reasoning, ${end.toLocaleString("en")} characters`));
    thought.append(prose(whole.slice(0, end).replace(/^<think>/, "").trim(), el("div", "text")));
    body.append(thought);
    return prose(whole.slice(end + THOUGHT.length).trimStart(), body);
  };
  // What was read, with what is not in the baseline's reasoning marked, sentence by sentence.
  const pieces = (whole) => whole.split(/(?<=[.?!]\s|\n)/);
  const MOST = 4e6; // pairs of sentences that are compared
  const compared = (before, after) => {
    const one = pieces(before), two = pieces(after), told = [];
    if (one.length * two.length > MOST) return [["del", before], ["ins", after]];
    const longest = Array.from({ length: one.length + 1 }, () => new Uint32Array(two.length + 1));
    for (let i = one.length - 1; i >= 0; i--) {
      for (let j = two.length - 1; j >= 0; j--) {
        longest[i][j] = one[i] === two[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
      }
    }
    let i = 0, j = 0;
    while (i < one.length || j < two.length) {
      if (i < one.length && j < two.length && one[i] === two[j]) told.push(["span", one[i++]]), j++;
      else if (j === two.length || (i < one.length && longest[i + 1][j] >= longest[i][j + 1])) told.push(["del", one[i++]]);
      else told.push(["ins", two[j++]]);
    }
    return told;
  };
  const readText = (sample, place, number) => {
    const mine = sample.given ? sample.given[place] : -1;
    if (mine < 0) return null;
    const first = model().columns[0].samples[number] || model().columns[0].samples[0];
    const base = first.given[place], whole = data.givens[mine];
    const shown = el("details", "thought given");
    const same = base === mine;
    const told = whole.trim() ? `${whole.length.toLocaleString("en")} characters` : "nothing";
    shown.append(el("summary", "", same ? `Reasoning it read: as it was, ${told}` : `Reasoning it read: ${told}, changed`));
    shown.addEventListener("toggle", () => {
      if (!shown.open || shown.childElementCount > 1) return;
      const body = el("div", "text");
      if (same || base < 0) body.append(whole.trim());
      else for (const [tag, part] of compared(data.givens[base], whole)) body.append(el(tag, "", part));
      shown.append(body);
    });
    return shown;
  };
  const taken = (column, sample, place) => {
    const donor = sample.donors ? sample.donors[place] : -1;
    if (donor < 0 && column.seed === null && !column.mean) return null;
    const told = el("p", "words");
    if (donor >= 0) {
      const link = el("a", "", problems.id[donor]);
      link.href = `#p=${encodeURIComponent(problems.id[donor])}`;
      told.append("taken from ", link);
    }
    if (column.mean) told.append(`mean over ${column.mean}`);
    if (column.seed !== null) told.append(`${told.textContent ? ", " : ""}seed ${column.seed}`);
    return told;
  };
  const card = (column, place, index) => {
    const verdict = column.verdicts[place];
    const drawn = el("section", `card ${kinds[verdict]}`);
    const title = el("h4", "", column.condition);
    if (index === 1) title.append(el("span", "tag", "decides"));
    drawn.append(title, el("p", "words", column.words));
    column.samples.forEach((sample, number) => {
      const letter = sample.verdicts[place], told = el("p", "told");
      if (column.samples.length > 1) told.append(el("span", "number", `sample ${number + 1}`));
      told.append(el("span", `verdict ${kinds[letter]}`, words[letter]));
      const prediction = text(sample.predictions[place]);
      if (prediction !== null) told.append(short(prediction));
      if (sample.tokens[place] >= 0) told.append(el("span", "tokens", `${sample.tokens[place].toLocaleString("en")} tokens`));
      if (sample.ends[place] === "l") told.append(el("span", "tag", "cut off"));
      if (sample.followed[place] === "1") told.append(el("span", "tag", "follows the altered text"));
      drawn.append(told);
      const from = taken(column, sample, place), read = index || model().given ? readText(sample, place, number) : null;
      if (from) drawn.append(from);
      if (read) drawn.append(read);
      const error = sample.errors[place], whole = text(sample.texts[place]);
      if (error !== undefined) drawn.append(el("p", "error", text(error)));
      if (whole) drawn.append(written(whole, column.prefix));
    });
    return drawn;
  };
  const differ = { only: false };
  const drawDetail = () => {
    const detail = $("detail"), place = state.shown[state.at];
    if (place === undefined) {
      detail.replaceChildren(el("p", "nothing", "No problem fits these filters."));
      return;
    }
    const kind = model().outcomes[place];
    const head = el("header");
    const back = el("button", "back", "‹ All problems");
    back.type = "button";
    back.addEventListener("click", close);
    const facts = [name(problems.source, place) + " · row " + problems.row[place], name(problems.stratum, place), name(problems.subject, place)];
    if (problems.level[place] !== null) facts.push(`level ${problems.level[place]}`);
    if (problems.steps[place] !== null) facts.push(`${problems.steps[place]} ${problems.steps[place] === 1 ? "step" : "steps"}`);
    if (model().drawn[place] === "1") facts.push("in the dataset");
    const about = el("p", "facts", [...new Set(facts.filter(Boolean))].join(" · "));
    const label = el("p", "outcome " + kind);
    label.append(el("i", "swatch " + kind), PATTERNS.find(([pattern]) => pattern === kind)[1]);
    head.append(back, el("h3", "id", problems.id[place]), label, about);
    const question = prose(text(problems.question[place]) || "(no question)", el("div", "question text"));
    const reference = el("section", "reference");
    const answer = el("p", "told");
    answer.append(el("span", "verdict reference", "reference"), short(problems.answer[place] || "–"));
    const solution = text(problems.solution[place]);
    reference.append(el("h4", "", solution ? "Reference solution" : "Reference answer"), answer);
    if (solution) reference.append(prose(solution, el("div", "text")));
    const columns = model().columns;
    const cards = el("div", columns.length > 9 ? "cards many" : "cards");
    const shown = columns.map((column, index) => [column, index]).filter(([column, index]) =>
      index < 2 || !differ.only || column.verdicts[place] !== columns[0].verdicts[place]);
    cards.append(...shown.map(([column, index]) => card(column, place, index)));
    const parts = [head, question, reference];
    if (columns.length > 3) {
      const only = el("label", "only");
      const box = el("input");
      box.type = "checkbox";
      box.checked = differ.only;
      box.addEventListener("change", () => { differ.only = box.checked; drawDetail(); $("detail").querySelector(".only input").focus(); });
      only.append(box, " only conditions whose verdict differs from the baseline's");
      parts.push(only);
    }
    if (data.cap) parts.push(el("p", "soft small", `Texts longer than ${data.cap.toLocaleString("en")} characters are shortened in their middle.`));
    detail.replaceChildren(...parts, cards);
    detail.scrollTop = 0;
  };
  const narrow = () => matchMedia("(max-width: 820px)").matches;
  const open = () => {
    if (!narrow()) return;
    document.body.classList.add("reading");
    $("detail").focus();
  };
  const close = () => {
    document.body.classList.remove("reading");
    $("list").focus({ preventScroll: true });
  };

  // ---- hands ------------------------------------------------------------------------------------
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", (event) => {
    if (event.target === $("model")) {
      state.model = +$("model").value;
      fillConditions();
    }
    apply(state.shown[state.at]);
  });
  const pick = (kind) => {
    state.pattern = kind;
    apply(state.shown[state.at]);
    $("patterns").querySelector('[aria-checked="true"]').focus({ preventScroll: true });
  };
  $("patterns").addEventListener("click", (event) => {
    const chip = event.target.closest("[data-pattern]");
    if (chip) pick(chip.dataset.pattern);
  });
  $("patterns").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const chips = [...$("patterns").children].map((chip) => chip.dataset.pattern);
    pick(chips[(chips.indexOf(state.pattern) + step + chips.length) % chips.length]);
  });
  $("list").addEventListener("scroll", drawRows, { passive: true });
  $("list").addEventListener("click", (event) => {
    const item = event.target.closest(".item");
    if (!item) return;
    choose(+item.dataset.index);
    open();
  });
  $("list").addEventListener("keydown", (event) => {
    const page = Math.max(Math.floor($("list").clientHeight / HEIGHT) - 1, 1);
    const to = { ArrowDown: state.at + 1, ArrowUp: state.at - 1, j: state.at + 1, k: state.at - 1, PageDown: state.at + page, PageUp: state.at - page, Home: 0, End: state.shown.length - 1 }[event.key];
    if (to !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      choose(to);
    } else if (event.key === "Enter") {
      open();
      $("detail").focus({ preventScroll: true });
    }
  });
  $("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    event.preventDefault();
    $("list").focus();
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      $("search").focus();
      $("search").select();
    }
    if (event.key === "Escape" && (document.body.classList.contains("reading") || $("detail").contains(event.target))) close();
  });
  const fromAddress = () => {
    const wanted = decodeURIComponent(location.hash);
    if (!wanted.startsWith("#p=") || !placeOf.has(wanted.slice(3))) return;
    $("search").value = "";
    for (const field of ["stratum", "source", "subject", "condition", "verdict"]) $(field).value = "";
    state.pattern = "all";
    apply(placeOf.get(wanted.slice(3)));
    $("explorer").scrollIntoView();
    open();
  };
  addEventListener("hashchange", fromAddress);
  addEventListener("resize", drawRows);

  $("app").hidden = false;
  fillConditions();
  apply();
  fromAddress();
  root.dataset.ready = "yes";
})();
