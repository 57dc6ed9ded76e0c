"use strict";
/* What was typed outlives a session that ended. */
(function (ops) {
  var $ = ops.$, all = ops.all;
  /* What was typed, over a session that ended: a form is put aside when it is sent. If the answer is the sign-in, it waits there, and is
     filled in again where the way leads back to it, for the same person only; any other answer means that it has arrived. */
  var DRAFT = "ops.draft", PUSHED = "ops.pushed";
  function keep(form) {
    var fields = [], secret = all("[data-secret]", form).map(function (control) { return control.name; });
    new FormData(form).forEach(function (value, name) { if (typeof value === "string" && name !== "step" && secret.indexOf(name) < 0) fields.push([name, value]); });
    var draft = {who: document.body.dataset.who, path: location.pathname, fields: fields};
    stored(DRAFT, draft);
    /* A host may refuse what was pushed: its page leads back here, to the text. */
    if (form.elements.text) stored(PUSHED, draft);
  }
  function stored(key, draft) {
    try {
      if (draft === null) sessionStorage.removeItem(key);
      else if (draft) sessionStorage.setItem(key, JSON.stringify(draft));
      else return JSON.parse(sessionStorage.getItem(key));
    } catch (problem) { /* no room, or not allowed: then there is nothing to bring back */ }
    return null;
  }
  function pushed() {
    var draft = stored(PUSHED), form = $("form[data-keep]"), note = $("[data-pushed-back]");
    if (!draft || !form || !note || location.hash !== "#draft" || draft.who !== document.body.dataset.who || draft.path !== location.pathname) return;
    draft.fields.forEach(function (pair) { if (pair[0] === "text") form.elements.text.value = pair[1]; });
    note.hidden = false;
  }
  function bringBack() {
    var draft = stored(DRAFT);
    if ($("form[action='/sign-in']")) {
      stored(PUSHED, null);
      if (draft) { draft.waits = true; stored(DRAFT, draft); }
      return;
    }
    pushed();
    if (!draft) return;
    stored(DRAFT, null);
    var form = $("form[data-keep]");
    if (!form || !draft.waits || draft.who !== document.body.dataset.who || draft.path !== location.pathname) return;
    all("input[type=checkbox]", form).forEach(function (box) { box.checked = false; });
    draft.fields.forEach(function (pair) {
      var places = all("[name]", form).filter(function (place) { return place.name === pair[0]; });
      var box = places.filter(function (place) { return /^(checkbox|radio)$/.test(place.type); });
      if (!box.length) { if (places.length) places[0].value = pair[1]; return; }
      var own = box.filter(function (place) { return place.value === pair[1]; })[0];
      if (own) { own.checked = true; return; }
      own = document.createElement("input");
      own.type = "hidden"; own.name = pair[0]; own.value = pair[1];
      form.appendChild(own);
    });
    all("details", form).forEach(function (part) { if (all("textarea, input", part).some(function (place) { return place.value; })) part.open = true; });
    var note = $("[data-brought-back]");
    if (note) note.hidden = false;
    ops.chosen(); ops.applies();
  }
  /* A second press while the first is under way does nothing; without this script the manager knows it by the form's own text. */
  var PRESSED_MS = 15000;
  function pressed(event) {
    var form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form._pressed && Date.now() - form._pressed < PRESSED_MS) { event.preventDefault(); return; }
    form._pressed = Date.now();
  }
  /* Gone back to: the browser shows the page as it was left, with the texts of presses that are done. */
  function shownAgain(kept) {
    all("form").forEach(function (form) { form._pressed = 0; });
    if (kept) all("[data-refresh]").forEach(function (place) { place.dispatchEvent(new CustomEvent("refresh")); });
  }
  Object.assign(ops, {pressed: pressed, shownAgain: shownAgain, keep: keep, bringBack: bringBack});
})(window.ops);
