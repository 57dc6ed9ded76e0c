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
      var line = colour(band ? ["--c3", "--c2", "--c1"][i] : i ? "--c2" : "--c1");
      if (band) return {stroke: line, width: i === 2 ? 2 : 1, spanGaps: false, points: {show: data.t.length < 3, size: 4, fill: line}};
      return {stroke: line, width: 1.5, spanGaps: false, fill: data.y.length === 1 ? line + "22" : undefined, points: {size: 4, fill: line, show: data.t.length < 40}};
    });
    if (place._plot) place._plot.destroy();
    place.textContent = "";
    place._drawn = place.dataset.chart;
    place._width = place.clientWidth;
    place._plot = new uPlot({
      width: place.clientWidth, height: place.clientHeight, legend: {show: false}, padding: [8, 20, 0, 0],
      cursor: {drag: {x: false, y: false}, points: {size: 6}},
      scales: {x: {time: true, range: [data.from, data.to]}, y: {range: [Math.max(least * 1.1, -Number.MAX_VALUE), Math.min(high, Number.MAX_VALUE)]}},
      series: [{}].concat(lines),
      bands: band ? [{series: [1, 2], fill: colour("--c3") + "1f"}, {series: [2, 3], fill: colour("--c1") + "2b"}] : [],
      axes: [
        Object.assign({}, axis, {size: 24, space: 64, grid: {show: false}, values: function (_, at) { return at.map(function (t) { return when(t, span); }); }}),
        Object.assign({}, axis, {size: percent ? 46 : 62, grid: {stroke: colour("--line"), width: 1}, splits: splits, values: function (_, at) { return at.map(function (v) { return percent || binary ? shown(unit, v) : compact(v); }); }})
      ],
      hooks: {draw: [function (plot) { mark(plot, data, colour); }], setCursor: [function (plot) {
        var i = plot.cursor.idx;
        place.title = i === null || i === undefined || !plot.data[0].length ? "" : local(plot.data[0][i] * 1000) + "  " + plot.data.slice(1).map(function (y) { return shown(unit, y[i]); }).join(" / ");
      }]}
    }, [data.t].concat(data.y), place);
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
      if (force === true || place._drawn !== place.dataset.chart || place._width !== place.clientWidth) chart(place);
    });
  }
  Object.assign(ops, {shown: shown, charts: charts});
})(window.ops);
