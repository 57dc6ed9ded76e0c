"use strict";
/* What the pages need beyond htmx: times that go on, copying, choosing, charts, live output, keys. Without it all pages still work,
   but for the charts (which have tables) and live output (which then needs a reload). The pieces are in static/js. */
(function (ops) {
  var all = ops.all;

  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("[data-copy]");
    if (button) ops.copy(button);
    var pace = event.target.closest && event.target.closest("[data-every]");
    if (pace) { ops.pace(Number(pace.dataset.every)); ops.say(pace.textContent); }
    var link = event.target.closest && event.target.closest("[data-copy-from]");
    if (link && navigator.clipboard && window.isSecureContext) { event.preventDefault(); ops.copyFrom(link); }
  });
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-pick-all]")) all("[data-pick]:not(:disabled)", event.target.form).forEach(function (box) { box.checked = event.target.checked; });
    if (event.target.dataset.fill) ops.fillIn(event.target);
    ops.chosen(); ops.applies();
  });
  document.addEventListener("input", function (event) { if (event.target.dataset.narrow) ops.narrow(event.target); else ops.applies(); });
  document.addEventListener("submit", function (event) { if (event.target.matches("form[data-keep]")) ops.keep(event.target); });
  document.addEventListener("submit", function (event) { if (event.target.matches("form[data-put]")) { event.preventDefault(); ops.put(event.target); } });
  document.addEventListener("submit", ops.pressed);
  document.addEventListener("submit", function (event) { if (event.target.matches("form[data-span]")) { event.preventDefault(); ops.range(event.target); } });
  document.addEventListener("keydown", ops.key);
  document.addEventListener("toggle", function () { ops.charts(); }, true);
  document.addEventListener("visibilitychange", function () { ops.refresh(); ops.times(); });
  document.addEventListener("htmx:after:swap", ops.renewed);
  document.addEventListener("htmx:error", ops.lost);
  document.addEventListener("htmx:response:error", ops.lost);
  var timer;
  window.addEventListener("resize", function () { clearTimeout(timer); timer = setTimeout(ops.charts, 150); });
  if (window.matchMedia) {
    var dark = matchMedia("(prefers-color-scheme: dark)");
    if (dark.addEventListener) dark.addEventListener("change", function () { ops.charts(true); });
  }
  window.addEventListener("pageshow", function (event) { ops.chosen(); ops.applies(); ops.shownAgain(event.persisted); });
  all("[data-refresh]").forEach(function (place) { place._at = Date.now(); });
  ops.paceOfAddress(); ops.bringBack(); ops.clocks(); ops.times(); ops.charts(); ops.chosen(); ops.applies(); ops.live();
  setInterval(function () { ops.refresh(); ops.times(); }, 1000);
})(window.ops);
