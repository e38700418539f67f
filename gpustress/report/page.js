"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const BLUE = "#0072B2", ORANGE = "#C04E00", SOFT = "#595959", LINE = "#d9d9d9";

  // --- tables: sort by a column, copy as tab-separated text ---
  const figure = (cell) => cell.querySelector("data");
  const key = (cell) => {
    const held = figure(cell);
    if (held) return Number(held.value);
    const text = cell.textContent.trim();
    return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === typeof b ? a.localeCompare(b) : typeof a === "number" ? -1 : 1;
  const copied = (table) =>
    [...table.rows].map((row) => [...row.cells].map((cell) => {
      const held = figure(cell);
      return held ? held.value : cell.textContent.trim().replace(/\s+/g, " ");
    }).join("\t")).join("\n");
  const copy = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  for (const table of document.querySelectorAll("table[data-sorts]")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => (down ? -1 : 1) * compare(key(a.cells[column]), key(b.cells[column])));
        table.tBodies[0].append(...rows);
      });
    });
    const tool = document.createElement("button");
    tool.type = "button";
    tool.className = "tool";
    tool.textContent = "Copy table";
    tool.setAttribute("aria-label", `Copy table: ${table.caption.textContent}`);
    tool.addEventListener("click", () => {
      tool.textContent = copy(copied(table)) ? "Copied, figures unrounded" : "Could not copy";
      setTimeout(() => { tool.textContent = "Copy table"; }, 2000);
    });
    table.parentElement.after(tool);
  }
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) {
      if (!part.closest("#assumptions")) part.open = true;
    }
  });

  // --- charts of the scenario and entity chosen ---
  const choices = { scenario: byId("scenario"), entity: byId("entity"), period: byId("period") };
  const fill = (select, names) => names.forEach((name, i) => select.add(new Option(name, String(i))));
  fill(choices.scenario, data.scenarios.map((scenario) => scenario.name));
  fill(choices.entity, data.entities);
  choices.period.max = String(data.periods.length - 1);
  choices.period.value = choices.period.max;
  const failing = data.scenarios[0].failed.map((row) => (row ? row[row.length - 1] : 0));
  choices.entity.value = String(failing.indexOf(Math.max(...failing)));

  const element = (parent, name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const short = (value) => Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
  const steps = (low, high) => {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const ticks = [];
    for (let t = Math.ceil(low / step); t * step <= high * (1 + 1e-9) + 1e-12; t += 1) ticks.push(t * step);
    return ticks;
  };

  /* One chart: bands [{low, high}], lines [{values, dash}], with a mark at the period. */
  const chart = (title, unit, bands, lines, period) => {
    const box = document.createElement("figure");
    const width = Math.max(300, Math.min(byId("charts").clientWidth, 500)), height = 260;
    const left = 58, right = 12, top = 12, bottom = 26, count = data.periods.length;
    const all = [0, ...bands.flatMap((band) => [...band.low, ...band.high]), ...lines.flatMap((line) => line.values)];
    const low = Math.min(...all), high = Math.max(...all, low + 1e-9);
    const x = (t) => left + ((width - left - right) * t) / Math.max(count - 1, 1);
    const y = (v) => top + ((height - top - bottom) * (high - v)) / (high - low);
    const svg = element(box, "svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "font-size": "12" });
    element(svg, "title", {}, title);
    for (const tick of steps(low, high)) {
      element(svg, "line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), stroke: LINE });
      element(svg, "text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end", fill: SOFT }, short(tick));
    }
    const every = Math.max(1, Math.ceil(count / Math.max(2, Math.floor((width - left) / 90))));
    for (let t = 0; t < count; t += every) {
      element(svg, "text", { x: x(t), y: height - 8, "text-anchor": t === 0 ? "start" : x(t) > width - 40 ? "end" : "middle", fill: SOFT }, data.periods[t]);
    }
    for (const band of bands) {
      const points = [...band.low.map((v, t) => `${x(t)},${y(v)}`), ...band.high.map((v, t) => `${x(t)},${y(v)}`).reverse()];
      element(svg, "polygon", { points: points.join(" "), fill: BLUE, "fill-opacity": 0.2 });
    }
    for (const line of lines) {
      element(svg, "polyline", { points: line.values.map((v, t) => `${x(t)},${y(v)}`).join(" "), fill: "none", stroke: BLUE, "stroke-width": 2, "stroke-dasharray": line.dash });
    }
    element(svg, "line", { x1: left, x2: width - right, y1: y(0), y2: y(0), stroke: SOFT });
    element(svg, "line", { x1: x(period), x2: x(period), y1: top, y2: height - bottom, stroke: ORANGE, "stroke-width": 1.5 });
    svg.addEventListener("pointermove", (event) => {
      const frame = svg.getBoundingClientRect();
      const at = ((event.clientX - frame.left) / frame.width) * width;
      const near = Math.round(((at - left) / (width - left - right)) * (count - 1));
      const held = String(Math.min(Math.max(near, 0), count - 1));
      if (held !== choices.period.value) { choices.period.value = held; show(); }
    });
    const caption = document.createElement("figcaption");
    caption.textContent = `${title}${unit ? `, ${unit}` : ""}`;
    box.append(caption);
    return box;
  };

  const show = () => {
    const scenario = data.scenarios[Number(choices.scenario.value)];
    const place = Number(choices.entity.value), entity = data.entities[place], period = Number(choices.period.value);
    const shares = (scenario.failed[place] || data.periods.map(() => 0)).map((n) => n / data.paths);
    const reach = shares.map((p) => data.deviate * Math.sqrt((p * (1 - p)) / data.paths));
    const percent = (values) => values.map((v) => 100 * v);
    const band = { low: percent(shares.map((p, t) => Math.max(0, p - reach[t]))), high: percent(shares.map((p, t) => Math.min(1, p + reach[t]))) };
    const charts = [chart(`${entity} has failed: ${scenario.name}`, "% of paths", [band], [{ values: percent(shares), dash: "none" }], period)];
    let told = `${data.periods[period]}: ${entity} has failed in ${short(100 * shares[period])} % of the paths of ${scenario.name} (95 % interval ${short(band.low[period])} to ${short(band.high[period])}).`;
    const cash = scenario.cash[place];
    if (cash) {
      const middle = (cash.length - 1) / 2;
      charts.push(chart(`Cash of ${entity}: ${scenario.name}`, `${data.unit}; median, half and nine tenths of the paths`, [{ low: cash[0], high: cash[4] }, { low: cash[1], high: cash[3] }], [{ values: cash[middle], dash: "none" }], period));
      told += ` Cash: median ${short(cash[middle][period])}, nine tenths of the paths ${short(cash[0][period])} to ${short(cash[4][period])} ${data.unit}.`;
    }
    byId("charts").replaceChildren(...charts);
    byId("readout").textContent = told;
    choices.period.setAttribute("aria-valuetext", data.periods[period]);
  };
  for (const choice of Object.values(choices)) choice.addEventListener("input", show);
  addEventListener("resize", show);
  byId("explorer").hidden = byId("to-explorer").hidden = false;
  show();
})();
