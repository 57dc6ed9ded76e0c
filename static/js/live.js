"use strict";
/* Live output: ask for what comes after what is here; the answer is held until there is something. */
(function (ops) {
  var words = ops.words, $ = ops.$, times = ops.times;
  var KEEP = 2 * 1024 * 1024;
  function live() {
    var place = $("[data-live]");
    if (!place) return;
    var screen = $("#screen"), button = $("#to-end"), note = $("#live-note"), cut = $("#cut");
    var follows = true, size = screen.textContent.length, failures = 0;
    var atEnd = function () { return screen.scrollHeight - screen.scrollTop - screen.clientHeight < 24; };
    var toEnd = function () { screen.scrollTop = screen.scrollHeight; };
    screen.addEventListener("scroll", function () { follows = atEnd(); button.hidden = follows; });
    button.addEventListener("click", function () { follows = true; toEnd(); button.hidden = true; screen.focus(); });
    toEnd();
    function take(html) {
      var news = new DOMParser().parseFromString(html, "text/html").getElementById("news");
      if (!news) throw new Error("no news in the answer");
      var from = $(".news-output", news);
      size += from.textContent.length;
      while (from.firstChild) screen.appendChild(document.adoptNode(from.firstChild));
      while (size > KEEP && screen.childNodes.length > 1) {
        size -= screen.firstChild.textContent.length;
        screen.firstChild.remove();
        cut.textContent = words.cut;
        cut.hidden = false;
      }
      ["after", "carry", "done", "seen", "empty"].forEach(function (name) { (name === "empty" ? screen : place).dataset[name] = news.dataset[name]; });
      var status = $("#status"), fresh = $(".news-status", news);
      if (status._html !== fresh.innerHTML) {
        var held = document.activeElement && status.contains(document.activeElement);
        status._html = fresh.innerHTML;
        status.replaceChildren.apply(status, Array.prototype.slice.call(fresh.childNodes));
        if (held) $("#main").focus();
      }
      if (follows) toEnd(); else button.hidden = false;
      times();
    }
    function ask() {
      if (place.dataset.done === "1") { note.hidden = true; return; }
      if (document.hidden) { document.addEventListener("visibilitychange", ask, {once: true}); return; }
      var query = new URLSearchParams({after: place.dataset.after, carry: place.dataset.carry, seen: place.dataset.seen});
      fetch(place.dataset.live + "?" + query, {headers: {"HX-Request": "true"}, credentials: "same-origin"}).then(function (answer) {
        if (answer.status === 401) { location.reload(); return null; }
        if (!answer.ok) throw new Error("status " + answer.status);
        return answer.text();
      }).then(function (html) {
        if (html === null) return;
        take(html);
        if (failures) { failures = 0; note.lastElementChild.textContent = note._words; }
        ask();
      }).catch(function () {
        if (!failures++) note._words = note.lastElementChild.textContent;
        note.lastElementChild.textContent = words.lost;
        setTimeout(ask, Math.min(1000 * Math.pow(2, failures - 1), 15000) * (0.5 + Math.random() / 2));
      });
    }
    ask();
  }
  Object.assign(ops, {live: live});
})(window.ops);
