"use strict";
/* What the pages need beyond htmx: times that go on, copying, choosing, charts, live output, keys. Without it all pages still work,
   but for the charts (which have tables) and live output (which then needs a reload). */
(function () {
  var words = JSON.parse(document.body.dataset.words);
  var skew = 0;
  var $ = function (selector, from) { return (from || document).querySelector(selector); };
  var all = function (selector, from) { return Array.prototype.slice.call((from || document).querySelectorAll(selector)); };
  var say = function (text) { $("#said").textContent = text; };
  var fill = function (text, values) { return text.replace(/%\((\w+)\)s/g, function (_, name) { return values[name]; }); };

  /* Times */
  function rough(seconds) {
    if (seconds < 60) return fill(words.s, {n: seconds});
    if (seconds < 3600) return fill(words.min, {n: Math.floor(seconds / 60)});
    if (seconds < 172800) return fill(words.h, {n: Math.floor(seconds / 3600)});
    return fill(words.d, {n: Math.floor(seconds / 86400)});
  }
  function relative(ms) {
    var seconds = Math.floor((Date.now() + skew - ms) / 1000);
    if (seconds < -4) return fill(words.in, {span: rough(-seconds)});
    return seconds < 5 ? words.now : fill(words.ago, {span: rough(seconds)});
  }
  var two = function (n) { return (n < 10 ? "0" : "") + n; };
  function local(ms, zone) {
    var d = new Date(Number(ms));
    var text = d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate()) + " " + two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds());
    return zone ? text + " (" + Intl.DateTimeFormat().resolvedOptions().timeZone + ")" : text;
  }
  function set(element, text) { if (element.textContent !== text) element.textContent = text; }
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
      var seconds = Math.max(0, Math.floor((Date.now() + skew - Number(e.dataset.running)) / 1000));
      if (seconds >= 10 && seconds < 60) set(e, fill(words.s, {n: seconds}));
    });
  }

  /* Refresh: every data-refresh seconds, never in a hidden tab, and not while somebody marks text. */
  function refresh() {
    if (document.hidden || !window.htmx) return;
    all("[data-refresh]").forEach(function (place) {
      if (!place._at) place._at = Date.now() + skew;
      var every = Number(place.dataset.refresh);
      if (!every) return;
      var selected = window.getSelection && !window.getSelection().isCollapsed && place.contains(window.getSelection().anchorNode);
      if (Date.now() + skew - (place._asked || place._at) >= every * 1000 && !selected) {
        place._asked = Date.now() + skew;
        place.dispatchEvent(new CustomEvent("refresh"));
      }
    });
  }
  function renewed(event) {
    var context = event.detail && event.detail.ctx;
    var ok = !(context && context.response && context.response.raw && context.response.raw.status >= 400);
    all("[data-refresh]").forEach(function (place) {
      if (ok) place._at = Date.now() + skew;
      place._lost = !ok;
    });
    times(); charts(); chosen();
  }
  function lost() { all("[data-refresh]").forEach(function (place) { place._lost = true; }); times(); }

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
  function narrow(input) {
    var text = input.value.trim().toLowerCase();
    all(input.dataset.narrow + " > li").forEach(function (li) { li.hidden = text !== "" && li.textContent.toLowerCase().indexOf(text) < 0; });
  }

  /* Charts */
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
    var data = JSON.parse(place.dataset.chart), unit = place.dataset.unit, span = data.to - data.from;
    var percent = unit === "%", binary = BINARY.test(unit), values = [].concat.apply([], data.y).filter(function (v) { return v !== null; });
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
      hooks: {setCursor: [function (plot) {
        var i = plot.cursor.idx;
        place.title = i === null || i === undefined || !plot.data[0].length ? "" : local(plot.data[0][i] * 1000) + "  " + plot.data.slice(1).map(function (y) { return shown(unit, y[i]); }).join(" / ");
      }]}
    }, [data.t].concat(data.y), place);
  }
  function charts(force) {
    if (!window.uPlot) return;
    all("[data-chart]").forEach(function (place) {
      if (force === true || place._drawn !== place.dataset.chart || place._width !== place.clientWidth) chart(place);
    });
  }

  /* Live output: ask for what comes after what is here; the answer is held until there is something. */
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
    chosen(); applies();
  }

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

  /* Keys */
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

  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-pick-all]")) all("[data-pick]:not(:disabled)", event.target.form).forEach(function (box) { box.checked = event.target.checked; });
    chosen(); applies();
  });
  document.addEventListener("input", function (event) { if (event.target.dataset.narrow) narrow(event.target); else applies(); });
  document.addEventListener("submit", function (event) { if (event.target.matches("form[data-keep]")) keep(event.target); });
  document.addEventListener("submit", function (event) { if (event.target.matches("form[data-put]")) { event.preventDefault(); put(event.target); } });
  document.addEventListener("keydown", key);
  document.addEventListener("toggle", function () { charts(); }, true);
  document.addEventListener("visibilitychange", function () { refresh(); times(); });
  document.addEventListener("htmx:after:swap", renewed);
  document.addEventListener("htmx:error", lost);
  document.addEventListener("htmx:response:error", lost);
  var timer;
  window.addEventListener("resize", function () { clearTimeout(timer); timer = setTimeout(charts, 150); });
  if (window.matchMedia) {
    var dark = matchMedia("(prefers-color-scheme: dark)");
    if (dark.addEventListener) dark.addEventListener("change", function () { charts(true); });
  }
  window.addEventListener("pageshow", function () { chosen(); applies(); });
  all("[data-refresh]").forEach(function (place) { place._at = Date.now() + skew; });
  bringBack(); times(); charts(); chosen(); applies(); live();
  setInterval(function () { refresh(); times(); }, 1000);
})();
