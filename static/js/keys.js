"use strict";
/* The keyboard. */
(function (ops) {
  var $ = ops.$;
  var before = "";
  function typing(element) { return element && (/^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) || element.isContentEditable); }
  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    var help = $("#help");
    if (event.key === "Escape") {
      if (typing(document.activeElement)) document.activeElement.blur();
      if (help.open) { if (help.close) help.close(); else help.removeAttribute("open"); }
      return;
    }
    if (typing(event.target)) return;
    var go = before === "g" && {o: "/", l: "/log", n: "/nodes", c: "/commands", r: "/run"}[event.key];
    before = event.key;
    if (go && ($(".nav a[href='" + go + "']"))) { location.href = go; return; }
    if (event.key === "/") {
      var field = $("[data-search]");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (event.key === "?") {
      if (help.showModal) { if (!help.open) help.showModal(); } else help.setAttribute("open", "");
    }
  }
  Object.assign(ops, {key: key});
})(window.ops);
