"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const BLUE = "#0072B2", BAND = "rgba(0,114,178,.2)", ORANGE = "#C04E00", SOFT = "#595959", LINE = "#d9d9d9";
  const OTHERS = 6; // entities drawn beside the chosen one

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

  // --- charts of the scenario, entity and measure chosen ---
  const choices = { scenario: byId("scenario"), entity: byId("entity"), measure: byId("measure"), period: byId("period") };
  const fill = (select, names) => names.forEach((name, i) => select.add(new Option(name, String(i))));
  fill(choices.scenario, data.scenarios.map((scenario) => scenario.name));
  fill(choices.entity, data.entities);
  if (choices.measure) fill(choices.measure, data.measures);
  choices.period.max = String(data.periods.length - 1);
  choices.period.value = choices.period.max;
  const likely = (scenario) => data.entities.map((_, place) => place).filter((place) => scenario.failed[place])
    .sort((a, b) => scenario.failed[b].at(-1) - scenario.failed[a].at(-1));
  choices.entity.value = String(likely(data.scenarios[0])[0] ?? 0);

  const short = (value) => Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
  const within = (value, error) => short(value) + (error ? ` ± ${short(Number(error.toPrecision(2)))}` : "");
  /* Plotly takes some HTML in its texts; a name is none, and a long one would leave the chart. */
  const plain = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  const cut = (name) => { const letters = [...name]; return letters.length > 32 ? `${letters.slice(0, 31).join("")}…` : name; };
  const hover = (lines) => lines.map(plain).join("<br>");

  const periods = data.periods.map((_, t) => t);
  const span = [-0.02 * periods.length, 1.02 * periods.length - 1], SIDES = { l: 58, r: 14 };
  const line = (values, texts, style) => ({ x: periods, y: values, mode: periods.length > 1 ? "lines" : "markers", line: style, marker: { color: style.color }, hoverinfo: "text", hovertext: texts });
  const band = (low, high) => [[low, "none"], [high, "tonexty"]].map(([values, filled]) =>
    ({ x: periods, y: values, mode: "lines", line: { width: 0 }, fill: filled, fillcolor: BAND, hoverinfo: "skip" }));
  const mark = (period) => [{ type: "line", x0: period, x1: period, y0: 0, y1: 1, yref: "paper", line: { color: ORANGE, width: 1.5 } }];

  /* A figure that stays in the page, so that Plotly can change its chart under the mouse. */
  const figureOf = () => {
    const box = document.createElement("figure"), plot = document.createElement("div"), caption = document.createElement("figcaption");
    plot.className = "chart";
    plot.setAttribute("role", "img");
    box.append(plot, caption);
    byId("charts").append(box);
    return { box, plot, caption };
  };
  const draw = (chart, title, unit, traces, period) => {
    chart.box.hidden = false;
    chart.caption.textContent = `${title}${unit ? `, ${unit}` : ""}`;
    chart.plot.setAttribute("aria-label", title);
    const every = Math.max(1, Math.ceil(periods.length / 5)), ticks = periods.filter((t) => t % every === 0);
    const axis = { fixedrange: true, gridcolor: LINE, tickfont: { color: SOFT }, zeroline: false };
    Plotly.react(chart.plot, traces, {
      autosize: true, height: 270, margin: { ...SIDES, t: 10, b: 32 }, showlegend: false, dragmode: false,
      hovermode: "x", hoverdistance: -1, hoverlabel: { align: "left", bgcolor: "#fff", font: { color: "#1c1c1c" } },
      font: { family: getComputedStyle(document.body).fontFamily, size: 12 }, shapes: mark(period),
      xaxis: { ...axis, range: span, showgrid: false, ticklabelstandoff: 4, tickvals: ticks, ticktext: ticks.map((t) => plain(data.periods[t])) },
      yaxis: { ...axis, rangemode: "tozero", zeroline: true, zerolinecolor: SOFT, separatethousands: true, exponentformat: "none" },
    }, { displayModeBar: false, displaylogo: false, showLink: false, doubleClick: false, responsive: true });
  };
  const charts = { failed: figureOf(), cash: figureOf(), total: figureOf() };
  // Plotly tells of no hovering where a finger taps, and its click may be of the tap before.
  const point = (event) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const share = (event.clientX - left - SIDES.l) / (width - SIDES.l - SIDES.r);
    if (share < 0 || share > 1) return;
    choices.period.value = String(Math.round(span[0] + share * (span[1] - span[0]))); // a slider holds its own bounds
    read();
  };
  for (const { plot } of Object.values(charts)) {
    plot.addEventListener("click", point, true);
    plot.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") point(event); }, true);
  }

  const failures = (scenario, place) => {
    const shares = (scenario.failed[place] || periods.map(() => 0)).map((n) => n / data.paths);
    const errors = shares.map((p) => Math.sqrt((p * (1 - p)) / data.paths));
    const told = shares.map((p, t) => (p ? `${within(100 * p, 100 * errors[t])} %` : "0 %"));
    const end = (sign) => shares.map((p, t) => 100 * Math.min(1, Math.max(0, p + sign * data.deviate * errors[t])));
    return { values: shares.map((p) => 100 * p), told, low: end(-1), high: end(1) };
  };
  const fanOf = (series, number) => {
    const fan = series && series.scenarios[number];
    if (!fan) return null;
    const [least, lower, median, upper, most] = fan.quantiles;
    return {
      traces: (name) => [...band(least, most), ...band(lower, upper), line(median, told(fan).map((lines, t) => hover([cut(name), data.periods[t], ...lines])), { color: BLUE, width: 2 })],
      told: told(fan).map((lines) => lines.join(", ")),
      unit: series.unit,
    };
  };
  const told = (fan) => periods.map((t) => {
    const [least, lower, median, upper, most] = fan.quantiles.map((row) => short(row[t]));
    return [`median ${within(fan.quantiles[2][t], fan.error && fan.error[t])}`, `half of the paths ${lower} to ${upper}`, `nine tenths ${least} to ${most}`];
  });
  const drawFan = (chart, title, name, fan, period) => {
    if (fan) draw(chart, title, `${fan.unit ? `${fan.unit}; ` : ""}median, half and nine tenths of the paths`, fan.traces(name), period);
    else chart.box.hidden = true;
  };

  let sentences = []; // of each period, what the charts say there
  const read = () => {
    const period = Number(choices.period.value);
    byId("readout").textContent = sentences[period];
    choices.period.setAttribute("aria-valuetext", data.periods[period]);
    for (const { box, plot } of Object.values(charts)) if (!box.hidden) Plotly.relayout(plot, { shapes: mark(period) });
  };
  const show = () => {
    const number = Number(choices.scenario.value), place = Number(choices.entity.value), period = Number(choices.period.value);
    const scenario = data.scenarios[number], entity = data.entities[place], measure = choices.measure && data.measures[Number(choices.measure.value)];
    const own = failures(scenario, place);
    const others = likely(scenario).filter((other) => other !== place).slice(0, OTHERS).map((other) => [data.entities[other], failures(scenario, other)]);
    const label = (t) => hover([data.periods[t], ...[[entity, own], ...others].map(([name, of]) => `${cut(name)} ${of.told[t]}`)]);
    draw(charts.failed, `${entity} has failed: ${scenario.name}`, "% of paths, with its 95 % interval", [
      ...band(own.low, own.high),
      ...others.map(([, of]) => ({ ...line(of.values, [], { color: "#8c8c8c", width: 1 }), hoverinfo: "skip" })),
      line(own.values, periods.map(label), { color: BLUE, width: 2 }),
    ], period);
    const cash = fanOf(data.cash[place], number), total = measure === null ? null : fanOf(data.totals[Number(choices.measure.value)], number);
    drawFan(charts.cash, `Cash of ${entity}: ${scenario.name}`, entity, cash, period);
    drawFan(charts.total, `${measure} since the start: ${scenario.name}`, measure, total, period);
    sentences = periods.map((t) => [
      own.values[t]
        ? `${data.periods[t]}: ${entity} has failed in ${own.told[t]} of the paths of ${scenario.name} (95 % interval ${short(own.low[t])} to ${short(own.high[t])}).`
        : `${data.periods[t]}: ${entity} has failed in no path of ${scenario.name}: a probability ${data.never}.`,
      cash && `Its cash: ${cash.told[t]}${cash.unit && ` ${cash.unit}`}.`,
      total && `${measure} since the start: ${total.told[t]}${total.unit && ` ${total.unit}`}.`,
    ].filter(Boolean).join(" "));
    read();
  };
  for (const name of ["scenario", "entity", "measure"]) choices[name]?.addEventListener("input", show);
  choices.period.addEventListener("input", read);
  byId("explorer").hidden = byId("to-explorer").hidden = false;
  show();
})();
