"use strict";
// One trace as text, its sentences coloured by a measure. Data: see facts/anchors.py.
(async () => {
  const $ = (id) => document.getElementById(id);
  const bytes = Uint8Array.from(atob($("data").textContent), (letter) => letter.charCodeAt(0));
  const data = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  const make = (name, text, attributes = {}) => {
    const found = document.createElement(name);
    if (text !== undefined) found.textContent = text;
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    return found;
  };
  const draw = (name, attributes) => {
    const found = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    return found;
  };
  const percent = (value) => (value === null ? "–" : `${Math.round(100 * value)} %`);
  const points = (value) => (value === null ? "–" : `${value > 0 ? "+" : ""}${(100 * value).toFixed(0)} points`);
  const signed = (measure) => measure.startsWith("gain");

  const outcome = (trace) => (trace.correct === null ? "" : trace.correct ? ", right" : ", wrong");
  $("which").append(...data.traces.map((trace, place) =>
    new Option(`${trace.problem}, trace ${trace.sample}${outcome(trace)}`, place)));
  $("measure").append(...Object.entries(data.measures).map(([key, label]) => new Option(label, key)));
  const trace = () => data.traces[$("which").value];
  let chosen = 0;

  const colour = (button, value, most) => {
    if (value === null) return;
    const much = Math.min(1, Math.abs(value) / most);
    button.style.setProperty("--hue", value < 0 ? "var(--incorrect)" : "var(--correct)");
    button.style.setProperty("--much", `${Math.round(75 * much)}%`);
  };
  const read = () => {
    const measure = $("measure").value, sentences = trace().sentences;
    const most = Math.max(0.1, ...sentences.map((one) => Math.abs(one[measure] ?? 0)));
    $("trace").replaceChildren(...sentences.flatMap((one, place) => {
      const button = make("button", one.text, { type: "button", "aria-pressed": place === chosen });
      colour(button, one[measure], most);
      const sure = one.q_value !== null && one.q_value < 0.05;
      const tag = (one.tags ?? []).join(", ").replaceAll("_", " ");
      button.append(make("sup", `${sure ? place : `(${place})`}${tag ? ` ${tag}` : ""}`));
      button.addEventListener("click", () => { chosen = place; read(); });
      return [button, " "];
    }));
    line(sentences);
    tell(sentences[chosen]);
  };

  // Accuracy along the trace with its interval, and above it arcs: dependencies and strong pairs.
  const line = (sentences) => {
    const width = 640, height = 190, top = 90, step = width / Math.max(1, sentences.length - 1);
    const x = (place) => place * step, y = (value) => height - (height - top) * value;
    const known = sentences.map((one, place) => [place, one]).filter(([, one]) => one.accuracy_without !== null);
    const svg = $("line");
    svg.setAttribute("viewBox", `-12 -6 ${width + 24} ${height + 30}`);
    const low = known.map(([place, one]) => `${x(place)},${y(one.accuracy_without_low)}`);
    const high = known.map(([place, one]) => `${x(place)},${y(one.accuracy_without_high)}`).reverse();
    const parts = [
      draw("polygon", { points: [...low, ...high].join(" "), fill: "var(--baseline)", opacity: 0.3 }),
      draw("polyline", { points: known.map(([place, one]) => `${x(place)},${y(one.accuracy_without)}`).join(" "), fill: "none", stroke: "var(--accent)", "stroke-width": 2 }),
    ];
    const arc = (from, to, look) => draw("path", { d: `M${x(from)} ${top - 8} Q${(x(from) + x(to)) / 2} ${top - 8 - Math.min(80, 14 + (x(to) - x(from)) / 3)} ${x(to)} ${top - 8}`, fill: "none", ...look });
    for (const [source, target, importance] of trace().pairs) {
      const near = source === chosen || target === chosen;
      parts.push(arc(source, target, { stroke: "var(--correct)", "stroke-width": 1 + 3 * importance, opacity: near ? 0.9 : 0.2 }));
    }
    sentences.forEach((one, place) => (one.depends_on ?? []).forEach((other) =>
      parts.push(arc(other, place, { stroke: "var(--soft)", "stroke-dasharray": "3 3", opacity: place === chosen || other === chosen ? 0.9 : 0.15 }))));
    known.forEach(([place, one]) => {
      const dot = draw("circle", { cx: x(place), cy: y(one.accuracy_without), r: place === chosen ? 6 : 3, fill: "var(--accent)" });
      dot.append(draw("title", {}));
      dot.firstChild.textContent = `${place}: ${percent(one.accuracy_without)} right without it`;
      dot.addEventListener("click", () => { chosen = place; read(); });
      parts.push(dot);
    });
    for (const [value, text] of [[0, "0 %"], [1, "100 %"]]) {
      const label = draw("text", { x: -10, y: y(value) - 3, "font-size": 10, fill: "var(--soft)" });
      label.textContent = text;
      parts.push(label);
    }
    svg.replaceChildren(...parts);
  };

  const tell = (one) => {
    const facts = make("dl");
    const add = (name, value) => facts.append(make("dt", name), make("dd", value));
    add("right when it is written anew", `${percent(one.accuracy_without)} of ${one.rollouts}${one.errors ? `, ${one.errors} failed` : ""}`);
    for (const [measure, label] of Object.entries(data.measures)) {
      const value = one[measure];
      add(label, value === null ? "–" : signed(measure) ? points(value) : measure === "resilience" ? percent(value) : value.toFixed(3));
    }
    if (one.gain_resampled_low !== null) add("95 % interval of the first", `${points(one.gain_resampled_low)} to ${points(one.gain_resampled_high)}`);
    if (one.q_value !== null) add("q", one.q_value.toFixed(3));
    const list = make("ol");
    for (const [example, count, answers] of one.meanings) {
      const item = make("li", example);
      item.append(make("br"), make("span", "", { class: "amount", style: `width:${(8 * count) / one.rollouts}em` }),
        make("small", `${count} like it → ${answers.map(([answer, times]) => `${answer} (${times})`).join(", ")}`, { class: "soft" }));
      list.append(item);
    }
    $("told").replaceChildren(make("h3", `Sentence ${chosen}`), make("p", one.text), facts, make("h3", "Written in its place"), list);
  };

  $("which").addEventListener("change", () => { chosen = 0; read(); });
  $("measure").addEventListener("change", read);
  if (data.traces.length) read();
})();
