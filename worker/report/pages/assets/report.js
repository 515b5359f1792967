"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const HEIGHT = 230;
  const DIGITS = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

  const small = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : null);
  const exact = (value) => (value == null ? "–" : small(value) ?? DIGITS.format(value));
  const short = (value) => (value == null ? "" : small(value) ?? COMPACT.format(value));

  function elapsed(seconds) {
    const whole = Math.floor(seconds);
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = (number) => String(number).padStart(2, "0");
    if (h) return `${h}:${two(m)}:${two(s)}`;
    const tenths = Math.round((seconds - whole) * 10);
    return `${m}:${two(s)}${tenths % 10 ? "." + tenths : ""}`;
  }

  // How each kind of x is laid out, and how a value of it reads.
  const X_KINDS = {
    elapsed: { distr: 1, show: elapsed, steps: [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400] },
    quantile: { distr: 3, show: (x) => `${+(100 - 100 / x).toFixed(6)} %` },
    log: { distr: 3, show: short },
    octave: { distr: 1, show: (x) => short(2 ** x), steps: [1, 2, 4, 8] },
    linear: { distr: 1, show: short, steps: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500] },
  };

  function series(style, spec) {
    const color = style.getPropertyValue(`--${spec.color}`).trim();
    const line = { label: spec.label, stroke: color, width: 1.75, points: { show: false }, spanGaps: false, value: (_, v) => exact(v) };
    if (spec.kind === "area") return { ...line, fill: color + "2e" };
    if (spec.kind === "dashed") return { ...line, dash: [6, 4] };
    if (spec.kind === "bars") return { ...line, width: 1, fill: color + "a8", paths: uPlot.paths.bars({ size: [0.86, 42] }) };
    return line;
  }

  function xRange(chart) {
    const x = chart.data[0];
    const [first, last] = [x[0], x[x.length - 1]];
    if (chart.series.some((spec) => spec.kind === "bars")) {
      const step = x.length > 1 ? x[1] - x[0] : 1;
      return [first - 0.6 * step, last + 0.6 * step];
    }
    return first === last ? [first, first + 1] : [first, last];
  }

  function options(chart, style, width) {
    const kind = X_KINDS[chart.xKind];
    const [text, line] = ["--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
    const decades = (_, splits) => splits.map((v) => (v > 0 && Number.isInteger(+Math.log10(v).toFixed(9)) ? v : null));
    const lines = (logarithmic) => ({ stroke: line, width: 1, ...(logarithmic && { filter: decades }) });
    const axis = {
      stroke: text,
      font: "12px " + style.getPropertyValue("--sans"),
      labelFont: "12px " + style.getPropertyValue("--sans"),
      ticks: { stroke: line, width: 1, size: 4 },
      labelSize: 20,
      gap: 4,
    };
    const top = Math.max(...chart.data.slice(1).flat().filter((v) => v != null), 0);
    return {
      width,
      height: HEIGHT,
      cursor: { y: false, points: { size: 7 } },
      scales: {
        x: { time: false, distr: kind.distr, range: () => xRange(chart) },
        y: chart.yLog ? { distr: 3 } : { range: () => [0, top * 1.05 || 1] },
      },
      axes: [
        {
          ...axis,
          label: chart.xLabel,
          grid: lines(kind.distr === 3),
          size: 34,
          space: 70,
          ...(kind.steps && { incrs: kind.steps }),
          values: (_, splits) => splits.map((x) => (x == null ? "" : kind.show(x))),
        },
        { ...axis, label: chart.yLabel, grid: lines(chart.yLog), size: 52, values: (_, splits) => splits.map(short) },
      ],
      series: [
        { label: chart.xLabel, value: (_, x) => (x == null ? "–" : kind.show(x)) },
        ...chart.series.map((spec) => series(style, spec)),
      ],
    };
  }

  const drawn = new Map();

  function draw(place) {
    const chart = charts[Number(place.dataset.chart)];
    drawn.get(place)?.destroy();
    const style = getComputedStyle(document.documentElement);
    drawn.set(place, new uPlot(options(chart, style, place.clientWidth), chart.data, place));
  }

  const places = [...document.querySelectorAll(".plot")];
  const drawAll = () => places.forEach(draw);
  drawAll();
  new ResizeObserver(() => {
    for (const [place, plot] of drawn) {
      if (plot.width !== place.clientWidth) plot.setSize({ width: place.clientWidth, height: HEIGHT });
    }
  }).observe(document.body);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", drawAll);
  }
})();
