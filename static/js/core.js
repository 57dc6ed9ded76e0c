"use strict";
/* What every other file of this folder uses, as window.ops. They are plain scripts put together by server/web/packed.py: an import would need
   addresses without a version, and so show an old release's code with a new one's pages. */
window.ops = (function () {
  var words = JSON.parse(document.body.dataset.words);
  var $ = function (selector, from) { return (from || document).querySelector(selector); };
  var all = function (selector, from) { return Array.prototype.slice.call((from || document).querySelectorAll(selector)); };
  var say = function (text) { $("#said").textContent = text; };
  var fill = function (text, values) { return text.replace(/%\((\w+)\)s/g, function (_, name) { return values[name]; }); };
  var two = function (n) { return (n < 10 ? "0" : "") + n; };
  function local(ms, zone) {
    var d = new Date(Number(ms));
    var text = d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate()) + " " + two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds());
    return zone ? text + " (" + Intl.DateTimeFormat().resolvedOptions().timeZone + ")" : text;
  }
  function set(element, text) { if (element.textContent !== text) element.textContent = text; }
  return {words: words, $: $, all: all, say: say, fill: fill, two: two, local: local, set: set};
})();
