"use strict";
// Turns pictures of a report into plots that can be zoomed. Without it the pictures stay.
(() => {
  const COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00"];
  const POPULATIONS = ["#8A8A8A", "#1A1A1A", "#882255", "#44AA99"];
  const SLEEP = "#D5DEEE", HEIGHT = 230, ROW = 3.4;

  // Data as uPlot takes them: one row of times, and a row a series.
  const table = (chart, times) => {
    if (!chart.rows) return [times[chart.x], ...chart.series.map((each) => each.y)];
    const spikes = chart.series.flatMap((each, k) => each.x.map((x, i) => [x, k, each.y[i]]));
    spikes.sort((a, b) => a[0] - b[0]);
    return [spikes.map((each) => each[0]), ...chart.series.map((_, k) =>
      spikes.map((each) => each[1] === k ? each[2] : null))];
  };

  const shade = (sleeps) => (u) => {
    const {left, top, width, height} = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(left, top, width, height);
    u.ctx.clip();
    u.ctx.fillStyle = SLEEP;
    for (const [start, end] of sleeps) {
      const from = u.valToPos(start, "x", true), to = u.valToPos(end, "x", true);
      u.ctx.fillRect(from, top, to - from, height);
    }
    u.ctx.restore();
  };

  const bound = (chart) => (u) => { // the hard bound of weights
    if (chart.bound == null) return;
    const {left, width} = u.bbox, y = Math.round(u.valToPos(chart.bound, "y", true)) + 0.5;
    u.ctx.save();
    u.ctx.strokeStyle = u.ctx.fillStyle = "#595959";
    u.ctx.setLineDash([6 * devicePixelRatio, 3 * devicePixelRatio]);
    u.ctx.beginPath();
    u.ctx.moveTo(left, y);
    u.ctx.lineTo(left + width, y);
    u.ctx.stroke();
    u.ctx.font = `${11 * devicePixelRatio}px sans-serif`;
    u.ctx.textAlign = "right";
    u.ctx.textBaseline = "bottom";
    u.ctx.fillText("hard bound", left + width, y - 3 * devicePixelRatio);
    u.ctx.restore();
  };

  const series = (chart) => chart.series.map((each) => chart.rows ? {
    label: each.label, paths: () => null,
    points: {show: true, size: 2.5, width: 0, fill: POPULATIONS[each.colour % POPULATIONS.length]},
  } : {
    label: each.label, stroke: COLOURS[each.colour % COLOURS.length], width: each.width,
    points: {show: each.y.length < 60, size: 4}, value: (_, v) => v == null ? "–" : String(v),
  });

  const round = (v) => [1, 2, 5].includes(+(v / 10 ** Math.floor(Math.log10(v) + 1e-9)).toPrecision(6));

  const options = (plot, chart, width, zoomed) => {
    const y = {stroke: "#333", size: chart.rows ? 104 : 62, grid: {stroke: "#eee", width: 1}};
    if (chart.rows) Object.assign(y, {
      splits: () => chart.rows.map((row) => row[0]), gap: 6,
      values: () => chart.rows.map((row) => row[1]), grid: {show: false}, ticks: {show: false},
    });
    else Object.assign(y, {label: chart.unit, labelSize: 18, labelGap: 0, labelFont: "12px sans-serif",
      values: (_, all) => all.map((v) => v == null || chart.log && !round(v) ? ""
        : String(+v.toPrecision(6)))});
    const scale = chart.rows ? {range: () => chart.range}
      : {distr: chart.log ? 3 : 1, ...(chart.bound == null ? {} : {
        range: (_, low) => [chart.log ? low / 1.3 : Math.min(0, low), 1.25 * chart.bound]})};
    return {
      width, height: chart.rows ? 90 + ROW * (chart.range[1] - chart.range[0]) : HEIGHT,
      title: chart.title,
      scales: {x: {time: false}, y: scale},
      series: [{label: "time (s)", value: (_, v) => v == null ? "–" : String(v)}, ...series(chart)],
      bands: chart.band ? [{series: chart.band, fill: COLOURS[0] + "26"}] : [],
      axes: [{stroke: "#333", size: 32, label: "time (s)", labelSize: 18, labelGap: 0,
        labelFont: "12px sans-serif", grid: {stroke: "#eee", width: 1}}, y],
      legend: {show: !chart.rows},
      cursor: {drag: {x: true, y: false}, y: !chart.rows},
      hooks: {drawClear: [shade(plot.sleeps)], draw: [bound(chart)], setScale: [zoomed]},
    };
  };

  const show = (figure) => {
    const plot = JSON.parse(figure.querySelector("script").textContent);
    const box = figure.querySelector(".plots"), paper = figure.querySelector(".paper");
    const charts = [];
    let busy = false;
    const zoomed = (u, key) => { // all charts of a figure have one axis of time
      if (key !== "x" || busy || !charts.length) return;
      busy = true;
      const {min, max} = u.scales.x;
      for (const other of charts) if (other !== u) other.setScale("x", {min, max});
      busy = false;
    };
    const width = () => Math.max(240, box.clientWidth);
    figure.classList.add("explored");
    for (const chart of plot.charts) {
      const place = box.appendChild(document.createElement("div"));
      charts.push(new uPlot(options(plot, chart, width(), zoomed), table(chart, plot.x), place));
    }
    const all = plot.charts.map((_, k) => charts[k].data[0]);
    const first = Math.min(...all.map((x) => x[0])), last = Math.max(...all.map((x) => x[x.length - 1]));
    const go = (low, high) => charts[0].setScale("x", {min: Math.max(first, low), max: Math.min(last, high)});
    const by = (factor, shift) => () => {
      const {min, max} = charts[0].scales.x, half = factor * (max - min) / 2;
      const middle = (min + max) / 2 + shift * (max - min);
      go(middle - half, middle + half);
    };
    const tools = figure.querySelector(".tools");
    for (const [name, said, act] of [
      ["+", "zoom in", by(0.5, 0)], ["−", "zoom out", by(2, 0)],
      ["←", "earlier", by(1, -0.5)], ["→", "later", by(1, 0.5)],
      ["whole", "the whole time", () => go(first, last)],
    ]) {
      const button = tools.appendChild(document.createElement("button"));
      Object.assign(button, {type: "button", textContent: name, title: said, onclick: act});
      button.setAttribute("aria-label", said);
    }
    go(first, last);
    new ResizeObserver(() => {
      for (const u of charts) if (u.width !== width()) u.setSize({width: width(), height: u.height});
    }).observe(box);
    figure.charts = charts;
  };

  for (const figure of document.querySelectorAll("figure.explorable")) {
    try { show(figure); } catch (error) { // the picture is there
      figure.classList.remove("explored");
      console.error(error);
    }
  }
})();
