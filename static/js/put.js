"use strict";
/* Files that are put in. */
(function (ops) {
  var words = ops.words, $ = ops.$, all = ops.all, fill = ops.fill, set = ops.set, shown = ops.shown;
  /* Putting a file in: one chunk after the other, each again until it is there; where to go on is always the answer's word. */
  function put(form) {
    var file = $("input[type=file]", form).files[0], state = $("[data-put-state]", form), wrong = $("[data-put-wrong]", form), go = $("[data-put-go]", form);
    var fail = function (text) { set(wrong, text); wrong.hidden = !text; };
    fail("");
    if (!file) return;
    if (file.size > Number(form.dataset.most)) { fail(words.put_large); return; }
    var at = form.dataset.put, chunk = Number(form.dataset.chunk), failures = 0;
    function tell(done) {
      state.hidden = false;
      $("progress", state).value = file.size ? 100 * done / file.size : 100;
      set($("span", state), fill(words.put_going, {done: shown("B", done), size: shown("B", file.size)}));
    }
    function ask(method, path, body, type) {
      var headers = {"Content-Type": type};
      return fetch(path, {method: method, body: body, headers: headers, credentials: "same-origin", redirect: "error"}).then(function (answer) {
        if (answer.ok) return answer.json();
        return answer.text().then(function (html) {
          var what = new DOMParser().parseFromString(html, "text/html").querySelector(".what");
          var problem = new Error(what ? what.textContent.trim() : words.put_failed);
          problem.final = answer.status < 500 && answer.status !== 429;
          throw problem;
        });
      });
    }
    function send(id, stored) {
      tell(stored);
      if (stored >= file.size) return ask("POST", at + "/" + id + "/finish", "", "application/x-www-form-urlencoded");
      return ask("PUT", at + "/" + id + "/content?offset=" + stored, file.slice(stored, stored + chunk), "application/octet-stream").then(function (answer) {
        failures = 0;
        return send(id, answer.stored);
      }, function (problem) {
        if (problem.final || ++failures > 8) throw problem;
        return new Promise(function (done) { setTimeout(done, Math.min(500 * Math.pow(2, failures), 15000)); }).then(function () { return send(id, stored); });
      });
    }
    go.disabled = true;
    ask("POST", at, new URLSearchParams({name: file.name, size: String(file.size)}).toString(), "application/x-www-form-urlencoded").then(function (made) {
      return send(made.id, 0);
    }).then(function () {
      form.reset();
      state.hidden = true;
      all("[data-refresh]").forEach(function (place) { place.dispatchEvent(new CustomEvent("refresh")); });
    }).catch(function (problem) { fail(problem.final ? problem.message : words.put_failed); state.hidden = true; }).then(function () { go.disabled = false; });
  }
  Object.assign(ops, {put: put});
})(window.ops);
