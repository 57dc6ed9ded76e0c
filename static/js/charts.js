"use strict";
/* Charts. Each has a summary above and a table below that say the same. */
(function (ops) {
  var all = ops.all, local = ops.local;
  var UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
  function shown(unit, value) {
    if (value === null || value === undefined) return "–";
    if (unit === "%") return Math.round(value) + " %";
    if (!BINARY.test(unit)) return (compact(value) + " " + unit).trim();
    var n = 0;
    while (Math.abs(value) >= 1024 && n < UNITS.length - 1) { value /= 1024; n++; }
    return (value >= 10 || n === 0 ? Math.round(value) : value.toFixed(1)) + " " + UNITS[n];
  }
  var BINARY = /^(bytes|B)(\/s)?$/;
  function compact(value) {
    var amount = Math.abs(value), powers = [[1e12, "T"], [1e9, "G"], [1e6, "M"]];
    for (var i = 0; i < powers.length; i++) if (amount >= powers[i][0] && amount < powers[i][0] * 1e6) return Number((value / powers[i][0]).toPrecision(3)) + " " + powers[i][1];
    return amount >= 1000 && amount < 1e6 ? String(Math.round(value)).replace(/(?=(\d{3})+$)(?!^)/g, "\u202f") : String(Number(value.toPrecision(3)));
  }
  function steps(most) {
    var step = 1024;
    while (most / step > 4) step *= most / step > 40 ? 8 : 2;
    var out = [];
    for (var at = 0; at <= most + step * 0.001; at += step) out.push(at);
    return out;
  }
  function when(seconds, span) {
    var text = local(seconds * 1000);
    return span > 2 * 86400 ? text.slice(5, 10) : text.slice(11, 16);
  }
  function chart(place) {
    var style = getComputedStyle(document.documentElement);
    var colour = function (name) { return style.getPropertyValue(name).trim(); };
    var data = JSON.parse(place.dataset.chart), now = 0;
    data.t = data.t.map(function (later) { return now += later; });
    var unit = place.dataset.unit, span = data.to - data.from;
    var percent = unit === "%", binary = BINARY.test(unit), values = [].concat.apply([], data.y).filter(function (v) { return v !== null; }).concat(data.line === undefined ? [] : [data.line]);
    var most = Math.max.apply(null, [percent ? 100 : binary ? 1024 : 0].concat(values)), least = Math.min.apply(null, [0].concat(values));
    var high = percent ? most : most > 0 || least < 0 ? most * 1.1 : 1;
    var splits = percent && most === 100 && least === 0 ? function () { return [0, 25, 50, 75, 100]; } : binary && least === 0 ? function () { return steps(most); } : undefined;
    var axis = {stroke: colour("--soft"), font: "11px " + style.getPropertyValue("--font"), ticks: {show: false}};
    /* A band: highest, 95th percentile, median; the space between is filled, more densely where most of the fleet is. */
    var band = "band" in place.dataset;
    var lines = data.y.map(function (_, i) {
      var line = colour(band ? ["--c3", "--c2", "--c1"][i] : "--c" + (i % 6 + 1));
      if (band) return {stroke: line, width: i === 2 ? 2 : 1, spanGaps: false, points: {show: data.t.length < 3, size: 4, fill: line}};
      return {stroke: line, width: 1.5, spanGaps: false, dash: [[], [7, 4], [2, 3]][(i + Math.floor(i / 6)) % 3], fill: data.y.length === 1 ? line + "22" : undefined, points: {size: 4, fill: line, show: data.t.length < 40}};
    });
    if (place._plot) place._plot.destroy();
    place.textContent = "";
    place._drawn = drawn(place);
    place._width = place.clientWidth;
    var marks = JSON.parse(around(place, "marks") || "[]"), zoom = around(place, "zoom");
    place._plot = new uPlot({
      width: place.clientWidth, height: place.clientHeight, legend: {show: false}, padding: [marks.length ? 16 : 8, 20, 0, 0],
      cursor: {drag: {x: zoom !== undefined, y: false, setScale: false}, points: {size: 6}},
      scales: {x: {time: true, range: [data.from, data.to]}, y: {range: [Math.max(least * 1.1, -Number.MAX_VALUE), Math.min(high, Number.MAX_VALUE)]}},
      series: [{}].concat(lines),
      bands: band ? [{series: [1, 2], fill: colour("--c3") + "1f"}, {series: [2, 3], fill: colour("--c1") + "2b"}] : [],
      axes: [
        Object.assign({}, axis, {size: 24, space: 64, grid: {show: false}, values: function (_, at) { return at.map(function (t) { return when(t, span); }); }}),
        Object.assign({}, axis, {size: percent ? 46 : 62, grid: {stroke: colour("--line"), width: 1}, splits: splits, values: function (_, at) { return at.map(function (v) { return percent || binary ? shown(unit, v) : compact(v); }); }})
      ],
      hooks: {drawClear: [function (plot) { spans(plot, data, marks, colour); }], draw: [function (plot) { mark(plot, data, colour); moments(plot, data, marks, colour); }],
      setSelect: [function (plot) {
        var part = plot.select;
        if (part.width >= 8) look(zoom, plot.posToVal(part.left, "x"), plot.posToVal(part.left + part.width, "x"));
      }], setCursor: [function (plot) {
        var i = plot.cursor.idx;
        place.title = i === null || i === undefined || !plot.data[0].length ? "" : local(plot.data[0][i] * 1000) + "  " + plot.data.slice(1).map(function (y) { return shown(unit, y[i]); }).join(" / ");
      }]}
    }, [data.t].concat(data.y), place);
  }
  /* What a place around the chart says for all charts in it. */
  function around(place, name) {
    var outer = place.closest("[data-" + name + "]");
    return outer ? outer.dataset[name] : undefined;
  }
  function drawn(place) { return place.dataset.chart + around(place, "marks"); }
  var LOOKS = {critical: "--bad", warning: "--warn", info: "--run"};
  /* Spans lie under the lines: a window hatched over the whole height, an alert as a bar along the top. The list beside the charts says it in words. */
  function spans(plot, data, marks, colour) {
    var box = plot.bbox, pen = plot.ctx, dot = devicePixelRatio;
    pen.save(); pen.beginPath(); pen.rect(box.left, box.top, box.width, box.height); pen.clip();
    marks.forEach(function (one) {
      if (one[1] === one[0]) return;
      var x = Math.max(plot.valToPos(one[0], "x", true), box.left), end = Math.min(one[1] === null ? Infinity : plot.valToPos(one[1], "x", true), box.left + box.width);
      var width = Math.max(end - x, 2 * dot);
      if (one[2] === "W") {
        pen.strokeStyle = colour("--c3"); pen.lineWidth = dot; pen.globalAlpha = .1; pen.fillStyle = colour("--c3");
        pen.fillRect(x, box.top, width, box.height);
        pen.save(); pen.globalAlpha = .45; pen.beginPath(); pen.rect(x, box.top, width, box.height); pen.clip(); pen.beginPath();
        for (var at = x - box.height; at < x + width; at += 8 * dot) { pen.moveTo(at, box.top + box.height); pen.lineTo(at + box.height, box.top); }
        pen.stroke(); pen.restore();
      } else {
        pen.fillStyle = colour(LOOKS[one[3]] || "--bad"); pen.globalAlpha = .07; pen.fillRect(x, box.top, width, box.height);
        pen.globalAlpha = 1; pen.fillRect(x, box.top, width, 4 * dot);
      }
    });
    pen.restore();
  }
  /* Moments as lines of a kind each, and every mark's letter above its begin where there is room. */
  function moments(plot, data, marks, colour) {
    var box = plot.bbox, pen = plot.ctx, dot = devicePixelRatio, last = -Infinity;
    pen.save(); pen.lineWidth = 1.5 * dot; pen.font = "bold " + 10 * dot + "px " + colour("--font"); pen.textAlign = "center"; pen.textBaseline = "bottom";
    marks.forEach(function (one) {
      var x = Math.max(plot.valToPos(one[0], "x", true), box.left), name = one[2] === "A" ? LOOKS[one[3]] || "--bad" : one[2] === "W" ? "--soft" : one[2] === "U" ? "--run" : "--soft";
      if (x > box.left + box.width) return;
      if (one[1] === one[0]) {
        pen.strokeStyle = colour(name); pen.setLineDash(one[2] === "U" ? [6 * dot, 3 * dot] : [2 * dot, 3 * dot]);
        pen.beginPath(); pen.moveTo(x, box.top); pen.lineTo(x, box.top + box.height); pen.stroke();
      }
      if (x - last < 11 * dot) return;
      pen.fillStyle = colour(name); pen.fillText(one[2], x, box.top - 2 * dot); last = x;
    });
    pen.restore();
  }
  /* A part of the time, chosen by dragging: the page of that range, so that the address says it and the back button leads back. */
  function look(zoom, from, until) {
    if (until - from < 60) { from = (from + until) / 2 - 30; until = from + 60; }
    location.assign(zoom + (zoom.indexOf("?") < 0 ? "?" : "&") + new URLSearchParams({from: utc(Math.floor(from) * 1000), until: utc(Math.ceil(until) * 1000)}) + "#h-charts");
  }
  function utc(ms) { return new Date(ms).toISOString().slice(0, 19) + "Z"; }
  /* The form for a range of one's own shows the reader's clocks; what goes into the address is UTC. */
  function clocks() {
    all("form[data-span]").forEach(function (form) {
      all("input[data-ms]", form).forEach(function (input) { if (input.dataset.ms) input.value = local(input.dataset.ms).replace(" ", "T"); });
      ops.$("[data-zone]", form).textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || ops.$("[data-zone]", form).textContent;
    });
  }
  function range(form) {
    var query = new URLSearchParams();
    new FormData(form).forEach(function (value, name) {
      if (value) query.append(name, name === "from" || name === "until" ? utc(new Date(value).getTime()) : value);
    });
    location.assign(form.action.split("#")[0] + "?" + query + (form.action.indexOf("#") < 0 ? "" : "#" + form.action.split("#")[1]));
  }
  /* The threshold as a dashed line across, and moments as lines from top to bottom. */
  function mark(plot, data, colour) {
    var box = plot.bbox, pen = plot.ctx;
    var stroke = function (name, dash, x0, y0, x1, y1) {
      pen.save(); pen.strokeStyle = colour(name); pen.lineWidth = 1.5 * devicePixelRatio; pen.setLineDash(dash);
      pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(x1, y1); pen.stroke(); pen.restore();
    };
    if (data.line !== undefined) { var y = plot.valToPos(data.line, "y", true); stroke("--bad", [6, 5], box.left, y, box.left + box.width, y); }
    (data.marks || []).forEach(function (one) {
      if (one[0] < data.from || one[0] > data.to) return;
      var x = plot.valToPos(one[0], "x", true);
      stroke("--" + one[1], [], x, box.top, x, box.top + box.height);
    });
  }
  function charts(force) {
    if (!window.uPlot) return;
    all("[data-chart]").forEach(function (place) {
      if (force === true || place._drawn !== drawn(place) || place._width !== place.clientWidth) chart(place);
    });
  }
  Object.assign(ops, {shown: shown, charts: charts, clocks: clocks, range: range});
})(window.ops);
