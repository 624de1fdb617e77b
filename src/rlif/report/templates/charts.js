// Draws the charts of `#charts` (JSON of rlif.report.curves.as_json): one SVG a panel, a legend of switches, a
// slider over steps and a table of the values there. Text is only ever set as text, never as markup.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const PAPER = 860; // width of a drawing that is scaled to a printed page, whatever the window's is
  const MARGIN = { left: 52, right: 14, top: 8 };
  const MARKERS = {
    o: "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0Z", s: "M-3-3H3V3H-3Z", "^": "M0-4L4 3H-4Z", v: "M0 4L4-3H-4Z",
    D: "M0-4L4 0L0 4L-4 0Z", d: "M0-4L2.5 0L0 4L-2.5 0Z", p: "M0-4L3.8-1.2L2.4 3.2H-2.4L-3.8-1.2Z",
    h: "M-3.5-2L0-4L3.5-2V2L0 4L-3.5 2Z", "<": "M-4 0L3-4V4Z", x: "M-3-3L3 3M3-3L-3 3", "+": "M0-4V4M-4 0H4",
    P: "M0-4V4M-4 0H4", "*": "M0-4V4M-3.5-2L3.5 2M3.5-2L-3.5 2",
  };
  const OPEN = "x+P*"; // markers of strokes alone

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const drawn = (name, attributes, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const colour = (series) => `var(--${series.colour})`;
  const dashes = (series) => series.dash.map((length) => length * series.width).join(" ");

  // Numbers

  const minus = (text) => text.replace("-", "−");
  const written = (value, share) => {
    if (value === null || value === undefined) return "–";
    if (Math.abs(value) < 1e-6) value = 0;
    if (share) return minus(`${(100 * value).toFixed(1)}%`);
    return minus(Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3))));
  };
  const ticks = (low, high, most) => {
    const raw = (high - low) / most || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= raw);
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) found.push(Math.abs(at) < 1e-12 ? 0 : at);
    return found;
  };
  const range = (values) => {
    const known = values.filter((value) => value !== null && Number.isFinite(value));
    return known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
  };

  // Lines: those of a panel with its own scale are drawn from 0 (their smallest value) to 1 (their largest), and
  // from another stage on, whose reward is another one, on another scale

  const partsOf = (line) => [0, ...(line.parts ?? []), line.x.length];
  const scaledTo = (panel, line, i) => {
    if (!panel.ownScale) return (value) => value;
    const edges = partsOf(line);
    const [low, high] = range(line.y.slice(edges.findLast((edge) => edge <= i), edges.find((edge) => edge > i)));
    const flat = high - low <= 1e-6 * Math.max(1, Math.abs(high)); // rounding is no movement
    return (value) => (flat ? 0.5 : (value - low) / (high - low));
  };
  const path = (points, steps) => points.map(([x, y], i) => {
    if (!i) return `M${x} ${y}`;
    return steps ? `H${x}V${y}` : `L${x} ${y}`;
  }).join("");
  const nearest = (line, step, steps) => {
    if (steps) return step > line.x.at(-1) ? -1 : line.x.findLastIndex((x) => x <= step); // nothing was seen later
    let best = 0;
    line.x.forEach((x, i) => { if (Math.abs(x - step) < Math.abs(line.x[best] - step)) best = i; });
    return best;
  };

  class ChartView {
    constructor(host, chart) {
      this.host = host;
      this.chart = chart;
      this.on = new Set(chart.series.filter((series) => series.on).map((series) => series.id));
      this.step = null;
      this.views = chart.panels.map((panel) => ({ panel, svg: drawn("svg", { role: "img" }) }));
      const blocks = this.views.map(({ panel, svg }) => element("div", { class: "panel" }, element("h3", {}, panel.title), svg));
      this.readout = element("div", { class: "readout", tabindex: "0", role: "region", "aria-label": "Values at the chosen step" });
      const drawing = element("div", { class: "panels" }, ...blocks, this.slider(), this.readout);
      host.append(this.legend(), drawing);
      for (const { svg } of this.views) this.follow(svg);
      new ResizeObserver(() => this.draw()).observe(drawing);
      addEventListener("beforeprint", () => this.drawFor(PAPER));
      addEventListener("afterprint", () => this.drawFor(null));
      this.draw();
    }

    drawFor(paper) {
      this.paper = paper;
      this.draw();
    }

    get shown() { return this.chart.series.filter((series) => this.on.has(series.id)); }

    // Controls

    legend() {
      const box = element("div", { class: "legend", role: "group", "aria-label": "Lines to show" });
      this.buttons = new Map();
      for (const series of this.chart.series) {
        const key = drawn("svg", { viewBox: "0 0 34 12", class: "key", "aria-hidden": "true" },
          drawn("path", { d: "M0 6H34", stroke: colour(series), "stroke-width": series.width, "stroke-dasharray": dashes(series) }), this.marker(series, 17, 6));
        const runs = series.runs > 1 && !this.chart.id.startsWith("lifetimes") ? ` (n = ${series.runs})` : "";
        const button = element("button", { type: "button", "aria-pressed": String(this.on.has(series.id)) }, key, element("span", {}, series.label + runs));
        button.addEventListener("click", () => this.toggle([series.id], !this.on.has(series.id)));
        this.buttons.set(series.id, button);
        box.append(button);
      }
      if (this.chart.series.length > 3) {
        const all = this.chart.series.map((series) => series.id);
        for (const [name, wanted] of [["Show all", true], ["Hide all", false]]) {
          const button = element("button", { type: "button", class: "every" }, name);
          button.addEventListener("click", () => this.toggle(all, wanted));
          box.append(button);
        }
      }
      return box;
    }

    toggle(ids, wanted) {
      for (const id of ids) {
        this.on[wanted ? "add" : "delete"](id);
        this.buttons.get(id).setAttribute("aria-pressed", String(wanted));
      }
      this.draw();
    }

    slider() {
      const [low, high] = range(this.chart.panels.flatMap((panel) => Object.values(panel.lines).flatMap((line) => line.x)));
      const id = `step-${this.chart.id}`;
      const ends = this.shown.map((series) => Math.max(...this.chart.panels.map((panel) => panel.lines[series.id]?.x.at(-1) ?? low)));
      this.input = element("input", { type: "range", id, min: Math.floor(low), max: Math.ceil(high), step: 1, value: Math.min(...ends) }); // the last step of all lines
      this.input.addEventListener("input", () => this.moveTo(Number(this.input.value)));
      return element("div", { class: "slider" }, element("label", { for: id }, `Read off at ${this.chart.across}`), this.input);
    }

    follow(svg) {
      svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect();
        const { x } = svg.frame;
        const share = ((event.clientX - box.left) * (svg.viewBox.baseVal.width / box.width) - MARGIN.left) / x.width;
        this.moveTo(Math.round(x.low + Math.min(Math.max(share, 0), 1) * (x.high - x.low)));
      });
    }

    moveTo(step) {
      this.step = step;
      this.input.value = step;
      for (const view of this.views) this.cursor(view);
      this.read();
    }

    // Drawing

    draw() {
      const xs = (panels) => range(panels.flatMap((panel) => this.shown.flatMap((series) => panel.lines[series.id]?.x ?? [])));
      const shared = xs(this.chart.panels);
      this.views.forEach((view, i) => {
        const last = this.chart.ownX || i === this.views.length - 1;
        this.panel(view, this.chart.ownX ? xs([view.panel]) : shared, last);
      });
      this.read();
    }

    panel(view, [firstX, lastX], labelled) {
      const { panel, svg } = view;
      const width = this.paper ?? Math.max(svg.parentElement.clientWidth, 200);
      const bottom = labelled ? 38 : 10;
      const height = (this.chart.panels.length > 2 ? 122 : 200) + bottom;
      const lines = this.shown.map((series) => [series, panel.lines[series.id]]).filter(([, line]) => line && line.x.length);
      let [low, high] = panel.ownScale ? [0, 1] : range(lines.flatMap(([, line]) => [...line.y, ...(line.low ?? []), ...(line.high ?? [])]));
      if (!panel.ownScale && low > 0 && (low < 0.4 * high || panel.steps)) low = 0; // zero is worth showing when it is near
      if (high <= low) high = low + 1;
      const x = { low: firstX, high: lastX > firstX ? lastX : firstX + 1, width: width - MARGIN.left - MARGIN.right };
      const y = { low, high, height: height - MARGIN.top - bottom };
      const atX = (value) => +(MARGIN.left + ((value - x.low) / (x.high - x.low)) * x.width).toFixed(1);
      const atY = (value) => +(MARGIN.top + (1 - (value - y.low) / (y.high - y.low)) * y.height).toFixed(1);
      svg.frame = { x, atX, atY, height: MARGIN.top + y.height };
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("aria-label", this.described(panel, lines, x));
      svg.replaceChildren();
      for (const value of panel.ownScale ? [0, 1] : ticks(low, high, 5)) {
        svg.append(drawn("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: atY(value), y2: atY(value) }));
        const text = panel.ownScale ? ["lowest", "highest"][value] : panel.share ? minus(`${+(100 * value).toFixed(6)}%`) : minus(String(+value.toPrecision(6)));
        svg.append(drawn("text", { class: "tick", x: MARGIN.left - 7, y: atY(value) + 4, "text-anchor": "end" }, text));
      }
      if (labelled) {
        for (const value of ticks(x.low, x.high, Math.max(3, Math.floor(width / 65))))
          svg.append(drawn("text", { class: "tick", x: atX(value), y: svg.frame.height + 17, "text-anchor": "middle" }, String(value)));
        const title = this.chart.ownX ? `steps ${panel.title[0].toLowerCase()}${panel.title.slice(1)}` : this.chart.across;
        svg.append(drawn("text", { class: "tick", x: MARGIN.left + x.width / 2, y: svg.frame.height + 33, "text-anchor": "middle" }, title));
      }
      const bands = drawn("g", {});
      svg.append(bands);
      for (const [series, line] of lines) this.line(svg, bands, panel, series, line);
      this.cursor(view);
    }

    line(svg, bands, panel, series, line) {
      const { atX, atY } = svg.frame;
      const points = (values, first = 0, end = line.x.length) => line.x.map((at, i) => [at, values[i], i])
        .filter(([, value, i]) => value !== null && i >= first && i < end)
        .map(([at, value, i]) => [atX(at), atY(scaledTo(panel, line, i)(value))]);
      if (line.low && !panel.ownScale) {
        const upper = points(line.high), lower = points(line.low).reverse();
        if (panel.steps) {
          for (let i = 1; i < upper.length; i++) {
            const [left, right] = [upper[i - 1][0], upper[i][0]];
            const top = upper[i - 1][1], base = lower[lower.length - i][1];
            bands.append(drawn("path", { class: "band", d: `M${left} ${top}H${right}V${base}H${left}Z`, fill: colour(series) }));
          }
        } else if (upper.length) {
          bands.append(drawn("path", { class: "band", d: `${path(upper)}${path(lower).replace("M", "L")}Z`, fill: colour(series) }));
        }
      }
      const at = points(line.y);
      const edges = panel.ownScale ? partsOf(line) : [0, line.x.length];
      const d = edges.slice(1).map((end, i) => path(points(line.y, edges[i], end), panel.steps)).join("");
      svg.append(drawn("path", { class: "line", d, stroke: colour(series), "stroke-width": series.width, "stroke-dasharray": dashes(series) }));
      const every = Math.max(1, Math.ceil(at.length / 8));
      at.forEach(([px, py], i) => { if (i % every === 0 || i === at.length - 1) svg.append(this.marker(series, px, py)); });
      for (const [name, step] of Object.entries(series.marks)) {
        const i = nearest(line, step, panel.steps);
        if (i >= 0 && line.y[i] !== null) svg.append(this.mark(name, series, atX(step), atY(scaledTo(panel, line, i)(line.y[i])), svg.frame.height));
      }
    }

    marker(series, x, y) {
      if (!series.marker) return drawn("g", {});
      const open = OPEN.includes(series.marker);
      return drawn("path", { d: MARKERS[series.marker], transform: `translate(${x} ${y})`, fill: open ? "none" : colour(series), stroke: open ? colour(series) : "none", "stroke-width": 1.6 });
    }

    mark(name, series, x, y, floor) {
      if (name === "peak") return drawn("circle", { cx: x, cy: y, r: 7, fill: "none", stroke: colour(series), "stroke-width": 1.8 }, drawn("title", {}, `${series.label}: best at step ${series.marks.peak}`));
      return drawn("g", { stroke: colour(series), fill: colour(series) },
        drawn("line", { x1: x, x2: x, y1: MARGIN.top, y2: floor, "stroke-width": 1.2, "stroke-dasharray": "2 3" }),
        drawn("path", { d: `M${x} ${floor - 9}l5 9h-10Z`, stroke: "none" }),
        drawn("title", {}, `${series.label}: a signal left its healthy range at step ${series.marks.onset}`));
    }

    described(panel, lines, x) {
      const parts = lines.map(([series, line]) => `${series.label}: ${written(line.y[0], panel.share)} to ${written(line.y.at(-1), panel.share)}`);
      return `${panel.title}, step ${x.low} to ${x.high}. ${parts.join("; ") || "No line is shown"}.`;
    }

    cursor({ panel, svg }) {
      svg.querySelector(".cursor")?.remove();
      if (this.step === null || !svg.frame) return;
      const { x, atX, atY, height } = svg.frame;
      if (this.step < x.low || this.step > x.high) return;
      const group = drawn("g", { class: "cursor" }, drawn("line", { x1: atX(this.step), x2: atX(this.step), y1: MARGIN.top, y2: height }));
      for (const series of this.shown) {
        const line = panel.lines[series.id];
        const i = line?.x.length ? nearest(line, this.step, panel.steps) : -1;
        if (i >= 0 && line.y[i] !== null) group.append(drawn("circle", { cx: panel.steps ? atX(this.step) : atX(line.x[i]), cy: atY(scaledTo(panel, line, i)(line.y[i])), r: 4, fill: colour(series) }));
      }
      svg.append(group);
    }

    // The values at the cursor, with intervals; a line's nearest point where it has none at that step

    read() {
      const step = this.step ?? Number(this.input.value);
      const head = element("tr", {}, element("th", { scope: "col" }, "line"), ...this.chart.panels.map((panel) => element("th", { scope: "col" }, panel.title.replace(/, on each.*/, ""))));
      const rows = this.shown.map((series) => element("tr", {}, element("th", { scope: "row" }, series.label),
        ...this.chart.panels.map((panel) => this.cell(panel, panel.lines[series.id], step))));
      const caption = element("caption", { "aria-live": "polite" }, `At ${this.chart.across} ${step}`);
      this.readout.replaceChildren(element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...rows)));
    }

    cell(panel, line, step) {
      const i = line?.x.length ? nearest(line, step, panel.steps) : -1;
      if (i < 0) return element("td", {}, "–");
      const cell = element("td", {}, written(line.y[i], panel.share));
      const notes = [];
      if (line.low?.[i] != null) notes.push(`${written(line.low[i], panel.share)} to ${written(line.high[i], panel.share)}`);
      if (!panel.steps && line.x[i] !== step) notes.push(`step ${line.x[i]}`);
      if (notes.length) cell.append(" ", element("small", {}, notes.join(", ")));
      return cell;
    }
  }

  for (const chart of JSON.parse(document.getElementById("charts").textContent))
    new ChartView(document.getElementById(`chart-${chart.id}`), chart);
})();
