// The page is whole without this. It tells times in the reader's zone, keeps what is shown up to date, copies
// commands and reads values off charts. Text goes in as text; no HTML is made from data here.
"use strict";
(() => {
  const REFRESH_MS = 1000, AGAIN_MS = 3000, LOST_MS = 4000;
  const two = (n) => String(n).padStart(2, "0");
  const clock = (d) =>
    `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  const hour = (ms) => clock(new Date(ms)).slice(11);

  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.getTime())) {
        const text = time.closest(".x") ? onAxis(moment, time.closest(".x")) : clock(moment);
        if (time.textContent !== text) time.textContent = text;
      }
    }
    const zone = root.querySelector("#zone");
    const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && name !== "UTC") zone.textContent = `Times are of ${name}, UTC on hover.`;
  }
  // The clock alone where the axis is within a day; seconds only where they tell places apart.
  function onAxis(moment, axis) {
    const ends = [axis.firstElementChild, axis.lastElementChild].map((each) => new Date(each.dateTime));
    const [first, end] = ends.map(clock), text = clock(moment), long = ends[1] - ends[0] > 4 * 3600e3;
    return text.slice(first.slice(0, 10) === end.slice(0, 10) ? 11 : 5, long ? 16 : 19);
  }

  // -- staying up to date: the same page is asked for again, and only what differs is changed ----------------------

  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh.cloneNode(true));
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.hasAttribute("data-still") && old.getAttribute("src") === fresh.getAttribute("src")) return;
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const children = [...old.childNodes], wanted = [...fresh.childNodes];
    wanted.forEach((child, at) => (at < children.length ? morph(children[at], child) : old.append(child.cloneNode(true))));
    children.slice(wanted.length).forEach((child) => child.remove());
  }

  let busy = false, again = false, last = 0, timer = 0;
  async function refresh() {
    if (busy) { again = true; return; }
    busy = true; again = false; last = Date.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.headers.get("content-type")?.startsWith("text/html")) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        localTimes(fresh);
        document.title = fresh.title;
        for (const part of ["#top", "#main", "footer"]) {
          const old = document.querySelector(part), now = fresh.querySelector(part);
          if (old && now) morph(old, now);
        }
        point();
      }
      linked(answer.ok || answer.status === 404);
    } catch {
      linked(false);
    } finally {
      busy = false;
      if (again) soon();
    }
  }
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(0, last + REFRESH_MS - Date.now()));
  }
  const linked = (yes) => document.body.classList.toggle("unlinked", !yes);

  let source = null, losing = 0;
  function listen() {
    if (source || document.hidden) return;
    source = new EventSource("/events");
    source.addEventListener("new", () => { clearTimeout(losing); losing = 0; soon(); });
    source.addEventListener("beat", () => linked(true));
    source.addEventListener("error", () => {
      losing ||= setTimeout(() => linked(false), LOST_MS);
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(listen, AGAIN_MS);
      }
    });
  }
  function leave() {
    if (source) source.close();
    source = null;
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : (soon(), listen())));

  // -- reading a chart: by pointer or by arrow keys ---------------------------------------------------------------

  let chart = null, at = 0;
  function point() {
    if (!chart || !chart.isConnected) return;
    const places = JSON.parse(chart.dataset.readout), names = JSON.parse(chart.dataset.names);
    if (!places.length) return;
    at = Math.min(Math.max(at, 0), places.length - 1);
    const x = places.length === 1 ? 500 : (1000 * at) / (places.length - 1), cursor = chart.querySelector(".cursor");
    cursor.removeAttribute("visibility");
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    const said = places[at], parts = names.map((name, n) => `${name} ${said.v[n] === null ? "-" : said.v[n]}`).reverse();
    if (typeof said.c === "number") parts.push(`labels ${Math.round(100 * said.c)} %`);
    chart.querySelector(".readout").textContent = `${hour(said.t)}  ${parts.join("  ")}`;
  }
  function unpoint() {
    if (!chart) return;
    chart.querySelector(".cursor").setAttribute("visibility", "hidden");
    const readout = chart.querySelector(".readout");
    readout.textContent = readout.dataset.idle;
    chart = null;
  }
  document.addEventListener("pointermove", (event) => {
    const plot = event.target instanceof Element ? event.target.closest(".plot svg") : null;
    if (!plot) return chart && chart !== document.activeElement ? unpoint() : undefined;
    const found = plot.closest(".chart");
    if (chart && chart !== found) unpoint();
    chart = found;
    const box = plot.getBoundingClientRect(), count = JSON.parse(chart.dataset.readout).length;
    at = Math.round(((event.clientX - box.left) / box.width) * (count - 1));
    point();
  });
  document.addEventListener("keydown", (event) => {
    const found = document.activeElement;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (!step || !found?.classList.contains("chart")) return;
    event.preventDefault();
    at = chart === found ? at + step : JSON.parse(found.dataset.readout).length - 1;
    chart = found;
    point();
  });
  document.addEventListener("focusout", (event) => { if (event.target === chart) unpoint(); });

  // -- commands to copy -------------------------------------------------------------------------------------------

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
    if (!button) return;
    let done = false;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      done = true;
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));  // no clipboard on plain http
    }
    button.textContent = done ? "copied" : "marked";
    setTimeout(() => (button.textContent = "copy"), 1500);
  });

  localTimes(document);
  listen();
})();
