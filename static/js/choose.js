"use strict";
/* Copying, choosing rows, narrowing lists, and fields that count only with others. */
(function (ops) {
  var words = ops.words, $ = ops.$, all = ops.all, say = ops.say, set = ops.set;
  /* Copy */
  function copied(button, ok) {
    say(ok ? words.copied : words.not_copied);
    if (ok) { button.classList.add("done"); setTimeout(function () { button.classList.remove("done"); }, 1500); }
  }
  function copy(button) {
    var text = button.dataset.copy;
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(function () { copied(button, true); }, function () { copied(button, false); });
      return;
    }
    var area = document.createElement("textarea");
    area.value = text;
    area.className = "said";
    document.body.appendChild(area);
    area.select();
    copied(button, document.execCommand("copy"));
    area.remove();
    button.focus();
  }

  /* What is too much to stand on the page is asked for when it is copied; a browser that cannot is shown it. */
  function copyFrom(link) {
    var text = fetch(link.href, {credentials: "same-origin"}).then(function (answer) {
      if (!answer.ok) throw new Error("status " + answer.status);
      return answer.text();
    });
    /* A promise is handed over because Safari writes only within the click itself. */
    var write = window.ClipboardItem ? navigator.clipboard.write([new ClipboardItem({"text/plain": text.then(function (t) { return new Blob([t], {type: "text/plain"}); })})])
      : text.then(function (t) { return navigator.clipboard.writeText(t); });
    write.then(function () { copied(link, true); }, function () { copied(link, false); });
  }

  /* Choosing nodes */
  function chosen() {
    all("[data-selection]").forEach(function (form) {
      var boxes = all("[data-pick]:not(:disabled)", form);
      var count = boxes.filter(function (box) { return box.checked; }).length;
      var head = $("[data-pick-all]", form);
      if (head) { head.checked = count > 0 && count === boxes.length; head.indeterminate = count > 0 && count < boxes.length; }
      all("[data-needs-pick]", form).forEach(function (b) { b.disabled = count === 0; });
      all("[data-pick-count]", form).forEach(function (b) { set(b, count ? String(count) : ""); });
    });
    all("[data-chosen]").forEach(function (p) {
      var form = p.closest("form");
      set(p, p.dataset.chosen.replace("{count}", all("input[name=node]:checked", form).length));
    });
  }
  /* Fields that count only with certain values of others; the manager leaves out the others itself. */
  function applies() {
    all("[data-plain]").forEach(function (place) { place.hidden = true; });
    all("[data-only]").forEach(function (place) {
      var form = place.closest("form"), rules = JSON.parse(place.dataset.only);
      place.hidden = !Object.keys(rules).every(function (name) {
        var found = all("[name]", form).filter(function (control) { return control.name === "f." + name && control.type !== "hidden" && (control.type !== "radio" || control.checked); })[0];
        var value = !found ? "" : found.type === "checkbox" ? String(found.checked) : found.value;
        return rules[name].indexOf(value) >= 0;
      });
    });
  }
  /* A list whose choices are texts for a field. */
  function fillIn(list) {
    var field = $(list.dataset.fill);
    if (!list.value || !field) return;
    field.value = list.value;
    list.value = "";
    field.focus();
    field.dispatchEvent(new Event("input", {bubbles: true}));
  }
  function narrow(input) {
    var text = input.value.trim().toLowerCase();
    all(input.dataset.narrow + " > li").forEach(function (li) { li.hidden = text !== "" && li.textContent.toLowerCase().indexOf(text) < 0; });
  }
  Object.assign(ops, {copy: copy, copyFrom: copyFrom, fillIn: fillIn, chosen: chosen, applies: applies, narrow: narrow});
})(window.ops);
