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
      if (place && place._at) set(e, place._lost ? words.lost : fill(paceOf(place) ? words.updated : words.still, {ago: relative(place._at)}));
    });
    all("[data-every]").forEach(function (button) {
      var pressed = String(Number(button.dataset.every) === chosenPace());
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    });
    all("[data-running]").forEach(function (e) {
      var seconds = Math.max(0, Math.floor((Date.now() - Number(e.dataset.running)) / 1000));
      if (seconds >= 10 && seconds < 60) set(e, fill(words.s, {n: seconds}));
    });
  }

  /* How often: what was chosen in this browser by this person, in seconds, 0 for never; it stands in for the usual 30 s. Where something
     is under way and a page asks more often, it goes on so unless refreshing is switched off. Kept in localStorage: no cookie is needed,
     for the manager has no use for it. */
  var USUAL = 30, PACE = "ops.every." + document.body.dataset.who, kept = null;
  function chosenPace() {
    try { kept = localStorage.getItem(PACE) || kept; } catch (problem) { /* not allowed: then it holds for this page */ }
    return /^\d{1,4}$/.test(kept) ? Number(kept) : USUAL;
  }
  function paceOf(place) {
    var own = Number(place.dataset.refresh), chosen = chosenPace();
    return own === USUAL || !chosen ? chosen : own;
  }
  function pace(seconds) {
    kept = String(seconds);
    try { localStorage.setItem(PACE, kept); } catch (problem) { /* see above */ }
    times();
  }
  /* ?every= of an address is a choice too; it goes out of the address, so that a later one counts. */
  function paceOfAddress() {
    var query = new URLSearchParams(location.search), wanted = query.get("every");
    if (wanted === null) return;
    query.delete("every");
    pace(wanted === "off" ? 0 : Number(wanted));
    history.replaceState(null, "", location.pathname + (String(query) ? "?" + query : "") + location.hash);
  }

  /* Refresh: every data-refresh seconds, never in a hidden tab, and not while somebody marks text. */
  function refresh() {
    if (document.hidden || !window.htmx) return;
    all("[data-refresh]").forEach(function (place) {
      if (!place._at) place._at = Date.now();
      var every = paceOf(place);
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
  Object.assign(ops, {pace: pace, paceOfAddress: paceOfAddress, times: times, refresh: refresh, renewed: renewed, lost: lost});
})(window.ops);
