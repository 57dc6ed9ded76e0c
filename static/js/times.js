"use strict";
/* Times that go on, and places that ask for their own news. */
(function (ops) {
  var words = ops.words, $ = ops.$, all = ops.all, fill = ops.fill, local = ops.local, set = ops.set;
  function rough(seconds) {
    if (seconds < 60) return fill(words.s, {n: seconds});
    if (seconds < 3600) return fill(words.min, {n: Math.floor(seconds / 60)});
    if (seconds < 172800) return fill(words.h, {n: Math.floor(seconds / 3600)});
    return fill(words.d, {n: Math.floor(seconds / 86400)});
  }
  function relative(ms) {
    var seconds = Math.floor((Date.now() - ms) / 1000);
    if (seconds < -4) return fill(words.in, {span: rough(-seconds)});
    return seconds < 5 ? words.now : fill(words.ago, {span: rough(seconds)});
  }
  function times() {
    all("time[data-ago]").forEach(function (t) {
      set(t, relative(Number(t.dataset.ago)));
      var title = local(t.dataset.ago, true);
      if (t.title !== title) t.title = title;
    });
    all("time[data-at]").forEach(function (t) { set(t, local(t.dataset.at)); });
    all("[data-updated]").forEach(function (e) {
      var place = e.closest("[data-refresh]");
      if (place && place._at) set(e, place._lost ? words.lost : fill(words.updated, {ago: relative(place._at)}));
    });
    all("[data-running]").forEach(function (e) {
      var seconds = Math.max(0, Math.floor((Date.now() - Number(e.dataset.running)) / 1000));
      if (seconds >= 10 && seconds < 60) set(e, fill(words.s, {n: seconds}));
    });
  }

  /* Refresh: every data-refresh seconds, never in a hidden tab, and not while somebody marks text. */
  function refresh() {
    if (document.hidden || !window.htmx) return;
    all("[data-refresh]").forEach(function (place) {
      if (!place._at) place._at = Date.now();
      var every = Number(place.dataset.refresh);
      if (!every) return;
      var selected = window.getSelection && !window.getSelection().isCollapsed && place.contains(window.getSelection().anchorNode);
      if (Date.now() - (place._asked || place._at) >= every * 1000 && !selected) {
        place._asked = Date.now();
        place.dispatchEvent(new CustomEvent("refresh"));
      }
    });
  }
  function renewed(event) {
    var context = event.detail && event.detail.ctx;
    var ok = !(context && context.response && context.response.raw && context.response.raw.status >= 400);
    all("[data-refresh]").forEach(function (place) {
      if (ok) place._at = Date.now();
      place._lost = !ok;
    });
    times(); ops.charts(); ops.chosen();
  }
  function lost() { all("[data-refresh]").forEach(function (place) { place._lost = true; }); times(); }
  Object.assign(ops, {times: times, refresh: refresh, renewed: renewed, lost: lost});
})(window.ops);
